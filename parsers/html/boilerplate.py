"""Remove credit, editor and disclaimer lines of an article.

The cleaner and the content hash use the same patterns, so that a text has the same hash
before and after cleaning. The name in a credit becomes the publisher.
"""

from __future__ import annotations

import re

_OPEN = r"[（(【\[〔]\s*"
_CLOSE = r"\s*[)）】\]〕]"
_NAME = r"[^（()）【】\[\]〔〕\n]"
# A name may contain one pair of brackets: 来源：安信国际证券(香港)
_INNER = rf"(?:{_NAME}|[（(]{_NAME}{{0,40}}[)）])"
_CREDIT = r"(?:文章|稿件|本文|新闻|信息|资讯)\s*来源\s*[:：]\s*"
_CREDITED = rf"{_OPEN}{_CREDIT}(?P<name>{_INNER}{{0,60}}?){_CLOSE}"
_EDITOR = r"(?:责任编辑|责编|责任校对|值班编辑|网络编辑|实习编辑)\s*[:：/]\s*"
_EDITED = rf"{_OPEN}(?:{_EDITOR}|编辑\s*[:：/]\s*)(?P<name>{_NAME}{{0,60}}?){_CLOSE}"

_CREDIT_LINE = re.compile(rf"(?:{_CREDITED}|{_CREDIT}(?P<bare>{_INNER}{{1,40}}?))")
_CREDIT_TAIL = re.compile(rf"{_CREDITED}$")
_EDITOR_LINE = re.compile(
    rf"(?:{_EDITED}|{_EDITOR}(?P<bare>{_NAME}{{0,40}}?)"
    r"|编辑\s*[:：]\s*(?P<short>[^\s，。；：:,;]{1,8})|编辑 (?P<plain>\S{2,4}) 校对 \S{2,4})"
)
_EDITOR_TAIL = re.compile(rf"{_EDITED}$|\s{_EDITOR}(?P<bare>[^\s，。；]{{1,24}})$")
_NOTICE_LINE = re.compile(
    r"(?:郑重声明\s*[:：]?.{0,20}(?:发布此信息|东方财富|天天基金|本站|本网|传播更多信息|立场无关|风险自担).*"
    r"|郑重声明\s*[:：]?"
    r"|(?:提示[:：]\s*)?打开微信.{0,40}(?:扫一扫|朋友圈|二维码).*)",
    re.DOTALL,
)
# Tails are searched in these last characters only, so that time is linear in the line.
_TAIL = 400
_HINT = re.compile(r"来源|编辑|责编|责任校对|郑重声明|打开微信")


def may_hold_boilerplate(text: str) -> bool:
    """Return whether any pattern can match; much faster than trying all."""
    return _HINT.search(text) is not None


def strip_line(line: str) -> tuple[str, str]:
    """Remove credits, editors and disclaimers from a line until none is left.

    Returns:
        The rest of the line, and the name in its credit. Both may be empty.
    """
    text, publisher = line.strip(), ""
    while text and may_hold_boilerplate(text):
        tail = max(0, len(text) - _TAIL)
        # Editors first: 本文来源：新京报 责任编辑：… has both.
        found = _EDITOR_LINE.fullmatch(text) or _EDITOR_TAIL.search(text, tail)
        if not found and (found := _CREDIT_LINE.fullmatch(text) or _CREDIT_TAIL.search(text, tail)):
            name = next(filter(None, found.groupdict().values()), "")
            publisher = publisher or " ".join(name.split())
        found = found or _NOTICE_LINE.fullmatch(text)
        if not found:
            break
        text = text[: found.start()].rstrip()
    return text, publisher


def strip_text(text: str) -> str:
    """Remove the boilerplate from every line of a plain text."""
    if not may_hold_boilerplate(text):
        return text
    return "\n".join(
        strip_line(line)[0] if may_hold_boilerplate(line) else line for line in text.split("\n")
    )

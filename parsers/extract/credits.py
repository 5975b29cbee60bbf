"""Read the names in a Chinese credit: （示例日报记者 张三 通讯员 李四 编辑 王五）.

A credit is a row of roles with names. Brackets around it are evidence enough for names that
are also words. Editors and photographers are no authors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

BRACKETED = re.compile(r"[（(【\[〔]([^（()）【】\[\]〔〕]{2,80})[)）】\]〕]")
# A credit is in the first or the last characters of a paragraph.
_WINDOW = 160
_ROLE = re.compile(
    r"(?P<author>记者|記者|(?:本文)?作者(?!系|为|為|是|单位|簡介|简介)|通讯员|通訊員|特派员|评论员|实习生|撰文|撰稿人?|采写"
    r"|供稿|图文|文字|(?:文[/／]图|图[/／]文|(?:^|(?<=[\s，,；;|｜]))文)(?=[:：/／丨|｜\s]))"
    r"|(?P<other>责任编辑|责编|編輯|编辑|校对|校對|摄影|攝影|来源|來源|出品|监制|审核|审校|编审|翻译|编译|统筹|策划|制图|视频)"
)
_LABEL_END = re.compile(r"\s*[:：/／丨|｜]?\s*")
_BETWEEN = re.compile(r"[、，,；;/／|｜丨\s]+")
_NAME = re.compile(r"[\u4e00-\u9fff]{2,4}|[\u4e00-\u9fff]{1,8}·[\u4e00-\u9fff]{1,8}")
_SPACED = re.compile(r"(?<![\u4e00-\u9fff])([\u4e00-\u9fff]) ([\u4e00-\u9fff])(?![\u4e00-\u9fff])")
_NO_NAME = re.compile(
    r"报道|報道|报导|報導|整合|(?:新闻|新聞|报|報|网|網|社|台)$|摄|发自|综合|整理|获悉|了解|表示|采访|团队|见习|实习|特约|首席|记者|電|电$|讯$|匿名|佚名|未知"
)
_PUBLICATION = r"[\u4e00-\u9fff]{1,12}(?:报|报社|网|社|台|周刊|杂志|新闻|客户端)"
_BESIDE_PUBLICATION = re.compile(
    rf"(?:(?P<before>[\u4e00-\u9fff·、 ]{{2,30}})[/／]{_PUBLICATION}|{_PUBLICATION}[ \u3000/／]+(?P<after>[\u4e00-\u9fff·、 ]{{2,30}}))"
)


def bracketed_authors(text: str) -> tuple[str, ...]:
    """Return the authors in the brackets near the start or the end of a paragraph."""
    parts = [text] if len(text) <= 2 * _WINDOW else [text[:_WINDOW], text[-_WINDOW:]]
    for part in parts:
        for found in BRACKETED.finditer(part):
            is_last = not part[found.end() :].strip("。 ")
            if names := _authors(found[1], is_alone=is_last):
                return names
    return ()


def _authors(credit: str, *, is_alone: bool) -> tuple[str, ...]:
    credit = _SPACED.sub(r"\1\2", credit.strip())
    roles = list(_ROLE.finditer(credit))
    if not roles and is_alone and (found := _BESIDE_PUBLICATION.fullmatch(credit)):
        return tuple(_names(found["before"] or found["after"]))
    kept: dict[str, None] = {}
    for role, end in zip(roles, [*(r.start() for r in roles[1:]), len(credit)], strict=False):
        if role["author"]:
            start = _LABEL_END.match(credit, role.end())
            words = credit[start.end() if start else role.end() : end]
            if not words.rstrip().endswith(("摄", "攝")):
                kept.update(dict.fromkeys(_names(words)))
    return tuple(kept)


def _names(words: str) -> Iterator[str]:
    for name in filter(None, _BETWEEN.split(words)):
        if not _NAME.fullmatch(name) or _NO_NAME.search(name):
            return
        yield name

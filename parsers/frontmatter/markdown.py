"""Convert the Markdown that posts use to HTML.

Paragraphs, headings, quotes, lists, fenced and indented code, pipe tables, rules, HTML
blocks; code spans, emphasis, links, images, autolinks. Other markup is kept as text. Every
pattern is bounded, so that time is linear in the text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)\Z")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})\Z")
_ITEM = re.compile(r" {0,3}([-*+]|\d{1,9}[.)])[ \t]+(.*)\Z")
_HTML_BLOCK = re.compile(r" {0,3}<(?:[A-Za-z]|/[A-Za-z]|!--)")
_AUTOLINK_LINE = re.compile(r" {0,3}<[a-z]+:", re.IGNORECASE)
_TABLE_RULE = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\Z")
_LIQUID_CODE = re.compile(
    r"\{% *(?:highlight|codeblock)\b[^%\n]*%\}|\{% *end(?:highlight|codeblock) *%\}"
)
_LIQUID_RAW = re.compile(r"\{% *(?:end)?raw *%\}|<!-- *more *-->", re.IGNORECASE)
_INLINE = re.compile(
    r"\\(?P<escaped>[\\`*_{}\[\]()#+.!<>|~-])"
    r"|(?P<ticks>`{1,3})(?P<code>[^`\n]{1,2000})(?P=ticks)"
    r"|<(?P<auto>https?://[^\s<>]{1,2000})>"
    r"|(?P<tag></?[A-Za-z][^<>\n]{0,2000}>|<!--[^\n]{0,300}?-->)"
    r"|(?P<image>!?)\[(?P<label>[^\[\]\n]{0,1000})\]\("
    r"<?(?P<target>[^()\s<>]{0,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,200})?)>?"
    r"(?:[ \t]+[\"'][^\n)]{0,300})?\)"
    r"|\*\*(?P<strong>[^\s*](?:[^*\n]{0,1000}[^\s*])?)\*\*"
    r"|(?<!\w)__(?P<strong_>[^\s_](?:[^_\n]{0,1000}[^\s_])?)__(?!\w)"
    r"|(?<![\w*])\*(?P<em>[^\s*](?:[^*\n]{0,1000}[^\s*])?)\*(?!\w)"
    r"|(?<!\w)_(?P<em_>[^\s_](?:[^_\n]{0,1000}[^\s_])?)_(?!\w)"
    r"|(?P<entity>&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|\w{2,31});)"
    r"|(?P<break>[ ]{2,40}\n)"
    r"|(?P<special>[<>&])"
)
_MAX_DEPTH = 10


def to_html(markdown: str) -> str:
    """Return the HTML of a Markdown text."""
    text = _LIQUID_RAW.sub("", _LIQUID_CODE.sub("```", markdown))
    return "\n".join(_blocks(text.split("\n"), 0))


def _blocks(lines: list[str], depth: int) -> list[str]:
    blocks: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif fence := _FENCE.match(line):
            at = _code(lines, at, fence[1], blocks)
        elif heading := _HEADING.match(line):
            level = len(heading[1])
            words = heading[2].strip().rstrip("#").rstrip()
            blocks.append(f"<h{level}>{inline(words)}</h{level}>")
            at += 1
        elif _RULE.match(line):
            blocks.append("<hr>")
            at += 1
        elif line.startswith("    ") or line.startswith("\t"):
            end = _run(lines, at, lambda code: code.startswith(("    ", "\t")))
            code = "\n".join(item.removeprefix("\t").removeprefix("    ") for item in lines[at:end])
            blocks.append(f"<pre><code>{html.escape(code, quote=False)}</code></pre>")
            at = end
        elif depth < _MAX_DEPTH and line.lstrip().startswith(">"):
            end = _run(lines, at, lambda quoted: bool(quoted.strip()))
            inner = [item.lstrip().removeprefix(">").removeprefix(" ") for item in lines[at:end]]
            blocks.append(f"<blockquote>{''.join(_blocks(inner, depth + 1))}</blockquote>")
            at = end
        elif depth < _MAX_DEPTH and (item := _ITEM.match(line)):
            at = _list(lines, at, item[1][-1] in ".)", blocks, depth)
        elif _HTML_BLOCK.match(line) and not _AUTOLINK_LINE.match(line):
            end = _html_end(lines, at)
            blocks.append("\n".join(lines[at:end]))
            at = end
        elif "|" in line and at + 1 < len(lines) and _TABLE_RULE.match(lines[at + 1]):
            at = _table(lines, at, blocks)
        else:
            at = _paragraph(lines, at, blocks)
    return blocks


def _run(lines: list[str], at: int, belongs: Callable[[str], bool]) -> int:
    while at < len(lines) and belongs(lines[at]):
        at += 1
    return at


def _code(lines: list[str], at: int, mark: str, blocks: list[str]) -> int:
    end = at + 1
    while end < len(lines) and not lines[end].strip().startswith(mark):
        end += 1
    code = html.escape("\n".join(lines[at + 1 : end]), quote=False)
    blocks.append(f"<pre><code>{code}</code></pre>")
    return end + 1


def _html_end(lines: list[str], at: int) -> int:
    raw = re.match(r" {0,3}<(pre|script|style|textarea)\b", lines[at], re.IGNORECASE)
    end = at
    while end < len(lines):
        if raw and f"</{raw[1].casefold()}>" in lines[end].casefold():
            return end + 1
        if not raw and not lines[end].strip():
            return end
        end += 1
    return end


def _list(lines: list[str], at: int, is_ordered: bool, blocks: list[str], depth: int) -> int:
    items: list[list[str]] = []
    while at < len(lines):
        line = lines[at]
        item = _ITEM.match(line)
        if item:
            items.append([item[2]])
        elif line[:1] in (" ", "\t") or (line.strip() and lines[at - 1].strip()):
            items[-1].append(re.sub(r"\A(?:\t| {1,4})", "", line))
        elif line.strip() or not _has_more(lines, at):
            break
        else:
            items[-1].append("")
        at += 1
    name = "ol" if is_ordered else "ul"
    written = "".join(f"<li>{_item(item, depth)}</li>" for item in items)
    blocks.append(f"<{name}>{written}</{name}>")
    return at


def _has_more(lines: list[str], at: int) -> bool:
    following = lines[at + 1] if at + 1 < len(lines) else ""
    return bool(_ITEM.match(following)) or following.startswith((" ", "\t"))


def _item(lines: list[str], depth: int) -> str:
    if len(lines) == 1:
        return inline(lines[0])
    return "".join(_blocks(lines, depth + 1))


def _table(lines: list[str], at: int, blocks: list[str]) -> int:
    end = _run(lines, at, lambda row: "|" in row)
    rows = [_row(lines[at], "th"), *(_row(line, "td") for line in lines[at + 2 : end])]
    blocks.append(f"<table>{''.join(rows)}</table>")
    return end


def _row(line: str, cell: str) -> str:
    cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return f"<tr>{''.join(f'<{cell}>{inline(text.strip())}</{cell}>' for text in cells)}</tr>"


def _paragraph(lines: list[str], at: int, blocks: list[str]) -> int:
    end = at + 1
    while end < len(lines) and lines[end].strip() and not _interrupts(lines[end]):
        underline = lines[end].strip()
        if set(underline) == {"="} or (set(underline) == {"-"} and len(underline) > 1):
            level = 1 if underline[0] == "=" else 2
            title = inline(" ".join(line.strip() for line in lines[at:end]))
            blocks.append(f"<h{level}>{title}</h{level}>")
            return end + 1
        end += 1
    blocks.append(f"<p>{inline(chr(10).join(lines[at:end]))}</p>")
    return end


def _interrupts(line: str) -> bool:
    return bool(_FENCE.match(line) or _HEADING.match(line)) or line.lstrip().startswith(">")


def inline(text: str) -> str:
    """Return a text with its emphasis, links, images and code as HTML."""
    return _INLINE.sub(_span, text)


def _span(found: re.Match[str]) -> str:
    groups = found.groupdict()
    if groups["code"] is not None:
        return f"<code>{html.escape(groups['code'].strip(), quote=False)}</code>"
    if groups["auto"] is not None:
        address = html.escape(groups["auto"])
        return f'<a href="{address}">{address}</a>'
    if groups["label"] is not None:
        target, label = html.escape(html.unescape(groups["target"])), groups["label"]
        if groups["image"]:
            return f'<img src="{target}" alt="{html.escape(label)}">'
        return f'<a href="{target}">{inline(label)}</a>'
    if strong := groups["strong"] or groups["strong_"]:
        return f"<strong>{inline(strong)}</strong>"
    if emphasis := groups["em"] or groups["em_"]:
        return f"<em>{inline(emphasis)}</em>"
    if groups["break"] is not None:
        return "<br>\n"
    if groups["escaped"] is not None:
        return html.escape(groups["escaped"])
    return html.escape(found[0], quote=False) if groups["special"] else found[0]

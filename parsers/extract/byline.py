"""Extract authors and publisher: from declarations, then from lines near the text."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator, Mapping

from lxml import etree

from parsers.extract.blocks import Block, Box, Layout, is_hidden
from parsers.extract.credits import bracketed_authors
from parsers.extract.heuristics import HEADINGS
from parsers.extract.metadata import site_names
from parsers.extract.names import NO_NAME, PARTICLES, clean_names, is_person, split_names
from parsers.extract.structured import Structured, texts
from parsers.extract.tree import attributes_of, fold, select, texts_of
from parsers.extract.weights import stretch_of
from parsers.model import Extracted
from parsers.text.dates import find_time_text
from parsers.text.people import author_names

_ROLE = r"(?:(?:本报|本网|本社|本刊|特约|实习|见习|首席|驻\S{1,8}?|全媒体|融媒体|新华社|[\u4e00-\u9fff]{2,8}?(?:报|网|社|新闻|客户端|台))?(?:记者|記者|通讯员|特派员|撰稿人?|评论员))"
_NAME = r"[\u4e00-\u9fff·]{2,4}"
_NAMES = rf"{_NAME}(?:[ \u3000、，,/]+{_NAME}){{0,4}}"
# Words of a sentence that begins like the byline of a reporter: 记者获悉, 记者从.
_NOT_NAMES = re.compile(
    r"获悉|了解|从|在|报道|采访|今|昨|日|表示|来源|编辑|摄影|发自|走访|注意到|发现|查询|致电|联系|手记|调查|观察|整理|综合|近期|电|讯|图|文|梳理|核实|直击|探访|团队|站|会|整合|编译|转"
)
# The bylines of Chinese news sites: 文/张三 with a source or a time behind it; 原创 and the name
# on WeChat; 本报记者 张三; 张三/示例日报 on pages of Taiwan.
_LABELLED = re.compile(
    r"(?:作者|撰文|撰稿|采写|文/图|图/文|(?:^|[\s|｜)）】])(?:文字?|记者|記者))\s*[:：/／丨|｜]\s*"
    rf"(?P<names>{_NAMES}(?=[\s)）】|｜/／,，。]|$|来源|编辑|责|校|时间|日期|发布|\d)|[^\s|｜:：/／()（）\[\]【】,，。]{{2,16}}?(?=[\s)）】|｜]|$|来源|编辑|责任|时间|日期|发布))"
)
_ORIGINAL = re.compile(r"^原创\s+(?P<names>\S{2,14})\s+(?:19|20)\d\d[-/.年]")
_REPORTER = re.compile(rf"{_ROLE}\s*[:：]?\s*(?P<names>{_NAMES})(?=[\s)）／/，,。|｜]|$)")
_SLASHED = re.compile(rf"^(?P<names>{_NAMES})\s*[/／]\s*[\u4e00-\u9fff]{{3,12}}$")
# Platforms print the account and the time below the title; elsewhere a name that ends like
# a publication there is the source.
_ACCOUNT = re.compile(
    r"(?P<names>[^\s\d：:|｜]{2,14}?)(?<![报網网社台刊线端闻])\s+(?:19|20)\d\d[-/.年]\d\d?[-/.月]\d\d?日?\s+\d\d?:\d\d(?::\d\d)?$"
)
# The longest lines that the forms of a Chinese byline are looked for in.
_MAX_LABELLED, _MAX_ORIGINAL, _MAX_REPORTER = 80, 400, 40
_SOURCE = re.compile(
    r"(?:文章|本文|信息|稿件|新闻)?(?:来源|來源|稿源|出处)(?:于|自)?\s*[:：]\s*(?P<name>[^\s|｜()（）\[\]【】,，。:：]{2,30}?)(?=[\s|｜()（）\[\]【】,，。]|$|作者|编辑|责任|时间|日期|发布|字号|点击|浏览|\d{4})"
)
# Bylines of news sites and blogs in European languages, with a date or a place behind them.
_BY = re.compile(
    r"^(?:(?:written |posted |story |reported )?by|von|par|por|di|af|av|door|autor(?:ka)?\s*:|(?:author|contributor)s?\s*:|автор\s*:|текст\s*:|συντάκτης\s*:|written by|text\s*:)\s+(?P<names>[^\d|•·]{3,90}?)(?:\s*[|•·–—].*|,?\s+\d.*)?$",
    re.I,
)
# Blogs print "By" and the name in boxes of their own.
_LABEL = re.compile(
    r"(?:(?:written |posted |reported |words |story )?by|von|par|por|di|authors?|autor(?:in|en)?|auteur|автор|contributors?|συντάκτης)\s*:?",
    re.I,
)
# Declared in place of the person whom the page prints.
_STAFF = re.compile(
    r"\b(?:staff|team|desk|newsroom|redaktion|rédaction|redacción|redazione|editors|editorial)\b|\.(?:com|net|org|de|fr|ru|co\.uk)$",
    re.I,
)
# What blogs and magazines print beside the name in the element of the author: roles and buttons.
_ROLES = re.compile(
    r"^(?:author|autor|writer|written|posted|von|by|text|words|former|senior|staff|editor|reporter|follow|view|read|more|see|all|profile|share)\b|\bat\s|(?:writer|editor|reporter|correspondent|consultant|redakteur\w*|redaktion)$",
    re.I,
)
# Menus, buttons and a caption are between these lines and the text, on news sites; Chinese
# portals have the most, and print credits behind the text, too.
_MAX_BYLINES_BEFORE, _MAX_LINES_BEFORE = 25, 30
_MAX_CREDITS_BEFORE, _MAX_ELEMENTS_BEFORE = 40, 60
# The longest lines: names with roles and a place, a source with a time, a name that is a link.
_MAX_BYLINE, _MAX_CREDIT, _MAX_LINKED_NAME = 110, 150, 12
_MAX_DATE_LINE = 60
# An element named author of more text than names is a biography; Chinese names are shorter.
_MAX_NAMES, _MAX_NAMES_SIZE = 6, {False: 120, True: 16}
_MAX_BYLINE_BLOCKS = 6
_OPENING_SENTENCES = 3
# Labels that have the form of a name.
_LABELS = re.compile(
    r"\b(?:news|press|images?|issue|latest|next|reviewed|tools?|print|copy|link|comments?|article|story|save|listen|video|photos?|home|blog|email)\b",
    re.I,
)
# A byline and a date in one line.
_BEHIND_NAME = re.compile(r"\s+(?:on|am|le|el|il|published|updated|posted)\s+|\s[|•·–—-]\s|\s\(")
_BY_LABEL = re.compile(
    r"\b(?:by|von|par|por|da|di|av|af|door|author|auteur|autor\w*|автор\w*)\b|作者", re.I
)
_AUTHOR_METAS = (
    "author", "article:author", "og:article:author", "byl", "parsely-author", "sailthru.author",
    "dc.creator", "dcterms.creator", "dc.contributor.author", "cxenseparse:author",
    "twitter:data1", "citation_author",
)  # fmt: skip
# Names of the element of an author on blogs and news sites, and of what is around it.
_CLASS = re.compile(
    r"(?:\b|_)(?:author|byline|writer|creator|zuozhe|posted-by|contributor)|author[-_]?name|byline",
    re.I,
)
_NOT_CLASS = re.compile(
    r"bio|desc|info-text|avatar|image|img|social|follow|title|job|role|comment|related|date|time",
    re.I,
)


def authors(
    declared: Structured, page: Layout, box: Box | None, *, publisher: str
) -> Extracted[tuple[str, ...]]:
    """Return the people, or else the desk, that the article names as authors.

    An editor (责任编辑) is not an author, nor is a name equal to the publisher's.
    """
    taboo = (site_names(declared) | {fold(publisher)}) - {""}
    from_lines = _chinese(page, box) if page.is_cjk else ()
    institutions: list[Extracted[tuple[str, ...]]] = []
    for names, how in _declared(declared, is_cjk=page.is_cjk):
        if not (named := clean_names(names, taboo if page.is_cjk else set())):
            continue
        if not any(_STAFF.search(name) or fold(name) in taboo for name in named):
            if how.startswith("meta") and from_lines:
                break
            return Extracted(named, how)
        institutions.append(Extracted(named, how))
    if from_lines:
        return Extracted(from_lines, "a byline beside the text")
    if not page.is_cjk:
        named = clean_names(list(_bylines(page, box)), taboo)
        if named:
            return Extracted(named, "a byline beside the text")
    named = clean_names(list(_marked(page, box)), taboo)
    if named and (not institutions or all(map(is_person, named))):
        return Extracted(named, "an element marked as author")
    if name := _beside_date(page, box):
        return Extracted(clean_names([name], taboo), "a name beside the date")
    linked = dict.fromkeys(
        _pieces(link)
        for link in page.boxes[0].node.iter("a")
        if "/author/" in (href := link.get("href") or "") or "/authors/" in href
    )
    named = clean_names([name for name in linked if name], taboo)
    if len(named) == 1 and " " in named[0]:
        return Extracted(named, "the only author's page it links to")
    if institutions:
        return institutions[0]
    return Extracted((), "absent: no declaration, byline or author element names one")


def _declared(declared: Structured, *, is_cjk: bool) -> Iterator[tuple[list[str], str]]:
    """Yield the declared names and their provenance, the most reliable first."""
    yield _of_json_ld(declared), "json-ld:author"
    title_end = fold(declared.page_title)
    for key in _AUTHOR_METAS[: -2 if is_cjk else None]:
        if key == "twitter:data1" and not any(
            _BY_LABEL.search(label) for label in declared.metas.get("twitter:label1", ())
        ):
            continue
        values = [_without_mail(value) for value in declared.metas.get(key, ())]
        values = [value for value in values if not NO_NAME.search(value)]
        names = [name for value in values for name in split_names(html.unescape(value))]
        # The end of a Chinese page's title names the site.
        yield [n for n in names if not (is_cjk and fold(n) in title_end)], f"meta:{key}"


def publisher(declared: Structured, page: Layout, box: Box | None) -> Extracted[str] | None:
    """Return the publication of the credit line, else the declared one, else ``None``."""
    if page.is_cjk:
        for block in _near(page, box, before=_MAX_CREDITS_BEFORE, inside=3, behind=6):
            found = _SOURCE.search(block.text)
            if found and block.size < _MAX_CREDIT:
                return Extracted(found["name"].strip("：: "), "the line 来源")
        value, how = declared.meta(
            "source", "contentsource", "article:source", "og:article:source", "mediaid"
        )
        value = re.sub(r"^(?:来源|來源)\s*[:：]\s*", "", value).split(" ")[0]
        if value and not value.isdigit() and not NO_NAME.search(value):
            return Extracted(value, how)
    node = declared.resolved(declared.article.get("publisher"))
    for item in node if isinstance(node, list) else [node]:
        if isinstance(item, Mapping):
            for name in texts(item.get("name")):
                return Extracted(name, "json-ld:publisher")
        elif isinstance(item, str) and item and not item.startswith("http"):
            return Extracted(item, "json-ld:publisher")
    name, how = declared.meta(
        "og:site_name", "application-name", "dc.publisher", "citation_journal_title"
    )
    return Extracted(html.unescape(name), how) if name else None


def _of_json_ld(declared: Structured) -> list[str]:
    found: list[str] = []
    for key in ("author", "creator"):
        value = declared.article.get(key)
        for item in value if isinstance(value, list) else [value]:
            item = declared.resolved(item)
            if isinstance(item, Mapping):
                for name in texts(item.get("name")):
                    found.extend(split_names(name))
            elif isinstance(item, str):
                found.extend(split_names(html.unescape(item)))
        if found:
            break
    return found


def _without_mail(value: str) -> str:
    return "; ".join(author_names([value])) if "@" in value else value


def _near(
    page: Layout, box: Box | None, *, before: int, inside: int, behind: int
) -> Iterator[Block]:
    """Yield the blocks before the text, its first and last blocks, and those after it."""
    if box is None:
        return
    start, end = box.first, box.last
    texts = [i for i in range(start, end) if page.blocks[i].weight > 0]
    end = texts[-1] + 1 if texts else end
    opening = min(end, start + inside)
    yield from page.blocks[max(0, start - before) : opening]
    yield from page.blocks[max(opening, end - behind) : end + behind]


def _chinese(page: Layout, box: Box | None) -> tuple[str, ...]:
    before: Block | None = None
    for block in _near(page, box, before=_MAX_CREDITS_BEFORE, inside=8, behind=12):
        text = block.text
        if block.link * 2 > block.size and block.size > _MAX_LINKED_NAME:
            continue
        if text.rstrip(")） ").endswith("摄"):  # of a photograph
            continue
        if names := bracketed_authors(text):
            return names
        if before and before.box.tag == "h1" and (found := _ACCOUNT.match(text)):
            return (found["names"],)
        before = block
        for form, longest, is_labelled in (
            (_LABELLED, _MAX_LABELLED, True),
            (_ORIGINAL, _MAX_ORIGINAL, True),
            (_SLASHED, _MAX_REPORTER, False),
            (_REPORTER, _MAX_REPORTER, False),
        ):
            found = form.search(text) if block.size <= longest else None
            if found and (names := _people(found["names"], is_labelled=is_labelled)):
                return names
    return ()


def _people(names: str, *, is_labelled: bool) -> tuple[str, ...]:
    parts = [part for part in re.split(r"[\s、，,/]+", names) if part]
    kept = []
    for part in parts:
        if part.endswith(("记者", "通讯员", "实习生")):
            continue
        if part == "整合" or NO_NAME.search(part) or (not is_labelled and _NOT_NAMES.search(part)):
            break
        kept.append(part)
    return tuple(dict.fromkeys(kept))


def _bylines(page: Layout, box: Box | None) -> Iterator[str]:
    label = ""
    for block in _near(page, box, before=_MAX_BYLINES_BEFORE, inside=2, behind=0):
        line = f"{label} {block.text}".strip()
        label = "by" if _LABEL.fullmatch(block.text) else ""
        if len(line) < _MAX_BYLINE and (found := _BY.match(line)):
            words = _BEHIND_NAME.split(found["names"])[0].strip()
            is_whole = (
                len(words.split()) > 1 or len(words) + len("by ") >= len(found[0]) or "·" in line
            )
            # An account may be in lower case; "By subject" is an entry of a menu.
            is_account = line.casefold() == f"by {words}" and words.isalpha() and not block.link
            if is_account or (
                is_whole
                and all(
                    word[:1].isupper() or word.casefold() in PARTICLES for word in words.split()
                )
            ):
                yield from split_names(words)
                return


def _pieces(node: etree._Element) -> str:
    """Return the text of a node, with ``|`` between adjacent elements without a space."""
    out = ""
    for piece in texts_of(node):
        if not piece:
            continue
        if out and not out[-1].isspace() and not piece[0].isspace():
            out += " | "
        out += piece
    if "\n" in out.strip():
        out = re.sub(r"\s*\n\s*", " | ", out.strip())
    return " ".join(out.split()).strip(" |")


def _beside_date(page: Layout, box: Box | None) -> str:
    """Return the only name beside the date below the headline, or none.

    Two names are links to other articles, or labels of buttons.
    """
    if box is None:
        return ""
    start, _ = stretch_of(page, box)
    first = max(0, start - _MAX_LINES_BEFORE)
    headings = [i for i in range(first, start) if page.blocks[i].box.tag == "h1"]
    below = page.blocks[headings[-1] + 1 : start] if headings else []
    names = [
        block.text
        for before, block, after in zip([None, *below], below, [*below[1:], None], strict=False)
        if block.box.tag not in HEADINGS
        and is_person(block.text)
        and not _ROLES.search(block.text)
        and not _LABELS.search(block.text)
        and any(
            near.size <= _MAX_DATE_LINE and find_time_text(near.text)
            for near in (before, after)
            if near is not None
        )
    ]
    return names[0] if len(names) == 1 else ""


def _opening_size(page: Layout, box: Box | None) -> int:
    """Return the number of blocks of the box up to its third block of sentences."""
    sentences = 0
    for number, block in enumerate(page.blocks_of(box) if box is not None else ()):
        sentences += block.weight > 0
        if sentences == _OPENING_SENTENCES:
            return number
    return 0


def _elements_near(page: Layout, box: Box | None) -> Iterator[etree._Element]:
    """Yield the elements around the lines near the text, the outer ones first."""
    ahead = _near(page, box, before=_MAX_ELEMENTS_BEFORE, inside=_opening_size(page, box), behind=0)
    behind = itertools.takewhile(
        # a linked heading begins a teaser of another article
        lambda block: block.box.tag not in HEADINGS or not block.link,
        _near(page, box, before=0, inside=0, behind=_OPENING_SENTENCES),
    )
    seen: set[etree._Element] = set()
    for block in itertools.chain(ahead, behind):
        around: list[etree._Element] = []
        for node, is_tail in block.runs:
            inner = node.getparent() if is_tail else node
            while inner is not None and inner is not block.box.node:
                around.append(inner)
                inner = inner.getparent()
        owner: Box | None = block.box
        while owner is not None and owner.last - owner.first <= _MAX_BYLINE_BLOCKS:
            around.append(owner.node)
            owner = owner.parent
        for node in reversed(around):
            if node not in seen:
                seen.add(node)
                yield node


def _marked(page: Layout, box: Box | None) -> Iterator[str]:
    """Yield the names in the first element near the text that is marked as author."""
    for node in _elements_near(page, box):
        names = " ".join(
            filter(None, (node.get("class"), node.get("id"), node.get("itemprop"), node.get("rel")))
        )
        if (
            not _CLASS.search(names)
            or _NOT_CLASS.search(names)
            or is_hidden(attributes_of(node))
            or node.tag in ("body", "meta", "link", "script", "img", "h1")
        ):
            continue
        named = select(node, ".//*[@itemprop='name']")
        words = " | ".join(dict.fromkeys(map(_pieces, named or [node])))
        words = re.split(
            r"\s+(?:on|am|le|published|updated|posted)\s+|\s[•·–—-]\s|\s\(|[,，]?\s+(?=\d)", words
        )[0]
        if not 2 <= len(words) <= _MAX_NAMES_SIZE[page.is_cjk] or (page.is_cjk and "【" in words):
            continue
        parts = [p for p in split_names(words) if not _ROLES.search(p)]
        # Blogs print what a person does behind the name.
        parts = list(itertools.takewhile(is_person, parts)) or parts
        if len(parts) <= _MAX_NAMES and clean_names(parts, set()):
            yield from parts
            return

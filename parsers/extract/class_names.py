"""The vocabulary of page templates: class names and tags, and what they promise."""

from __future__ import annotations

import re
from functools import lru_cache

SKIPPED = frozenset(
    {
        "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "embed",
        "applet", "canvas", "head", "select", "option", "optgroup", "datalist", "textarea",
        "button", "input", "audio", "video", "map", "title", "dialog",
    }
)  # fmt: skip
"""Elements whose text no reader sees as part of a text."""

BLOCKS = frozenset(
    {
        "html", "body", "address", "article", "aside", "blockquote", "center", "dd", "details",
        "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer",
        "form", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "li",
        "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "td",
        "tfoot", "th", "thead", "tr", "ul", "caption",
    }
)  # fmt: skip
CONTAINERS = frozenset(
    {
        "body", "article", "center", "div", "form", "main", "section", "td", "blockquote",
        "fieldset", "table", "tbody", "details",
    }
)  # fmt: skip
HEADINGS = frozenset(
    {
        "h1", "h2", "h3", "h4", "h5", "h6",
    }
)  # fmt: skip
SUSPECT_TAGS = frozenset(
    {
        "nav", "aside", "footer", "figure", "figcaption", "menu",
    }
)  # fmt: skip

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NEGATED = re.compile(
    r"\b(?:has|no|with|without|enable|disable|js|is|single|hide|show|elementor)[-_]+[\w-]+", re.I
)

_SUSPECT = frozenset(
    {
        "ad", "ads", "advert", "adverts", "advertisement", "advertising", "adsense", "adslot",
        "adunit", "advertorial", "banner", "sponsor", "sponsored", "sponsors", "promo",
        "promos", "promoted", "promotion", "comment", "comments", "commentlist", "commentary",
        "disqus", "respond", "reply", "replies", "pinglun", "talkback", "share", "shares",
        "sharing", "sharebar", "sharetools", "sharethis", "addthis", "addtoany", "social",
        "socials", "sns", "fenxiang", "jiathis", "bdshare", "bdsharebuttonbox", "wechat",
        "weibo", "facebook", "twitter", "whatsapp", "pinterest", "related", "relate",
        "relatednews", "recommend", "recommended", "recommendation", "recommendations",
        "recirc", "recirculation", "outbrain", "taboola", "popular", "trending", "mostread",
        "mostviewed", "hot", "hotnews", "tuijian", "xiangguan", "similar", "readnext", "upnext",
        "newsletter", "newsletters", "subscribe", "subscription", "signup", "optin", "sidebar",
        "footer", "foot", "nav", "navbar", "navigation", "subnav", "navi", "topnav",
        "breadcrumb", "breadcrumbs", "crumb", "crumbs", "pagination", "pager", "paging",
        "paginate", "toolbar", "tools", "tooltip", "taglist", "tagcloud", "keywords", "byline",
        "bylines", "dateline", "timestamp", "pubdate", "authorbox", "bio", "biography",
        "caption", "captions", "credit", "credits", "copyright", "modal", "popup", "overlay",
        "cookie", "cookies", "consent", "gdpr", "login", "register", "rating", "ratings",
        "vote", "votes", "poll", "carousel", "slideshow", "slider", "lightbox", "masthead",
        "skip", "noprint", "screenreader",
    }
)  # fmt: skip
_SUSPECT_PAIRS = re.compile(
    r"(?:read|see|view|load)[-_]?(?:more|also|next)|more[-_]?(?:news|stories|articles|from|on|posts|links)"
    r"|(?:article|post|entry|news|content|story)[-_]?(?:meta|info|tags|footer|share|header|nav|tools|links|byline)"
    r"|(?:author|post|about)[-_]?(?:author|bio|box|card|info|profile)|author[-_]desc"
    r"|(?:next|prev|previous)[-_]?(?:post|article|page|news)|(?:visually|sr|screen)[-_](?:hidden|only|reader)"
    r"|(?:tag|tags)[-_]?(?:list|links|cloud|box|wrap|container)|print[-_]?(?:only|button)"
    r"|(?:image|img|photo|picture|pic|media)[-_]?(?:caption|credit|text|desc|title|info|source)|wp-caption-text"
    r"|(?:top|side|right|left|bottom|main|page|site)[-_]?(?:bar|menu|nav|links)\b"
    r"|(?:table[-_]of[-_]contents|\btoc\b|ez-toc)|screen-reader",
    re.ASCII,
)
_HINT = re.compile(
    r"(?:article|story|post|entry|news|content|page|blog|detail|main|rich)[-_]{0,2}"
    r"(?:body|content|text|txt|copy|detail|con|paragraphs)\b"
    r"|\b(?:articletext|bodytext|body-copy|maintext|newstext|rich-?text|e-content|articlebody|storybody|endtext|artibody"
    r"|js_content|zoom|wysiwyg|content_area|contentmain)\b",
    re.ASCII,
)

SUSPECT, PLAIN, HINT = -1, 0, 1


@lru_cache(maxsize=50_000)
def promise(names: str) -> int:
    """What class and id promise: ``SUSPECT`` (not the article), ``HINT`` (its text), ``PLAIN``."""
    names = names[:300]
    lower = names.lower()
    if "tweet" in lower:
        return PLAIN
    if _NEGATION.search(lower):
        names = _NEGATED.sub(" ", names)
        lower = names.lower()
    words = {word.lower() for word in _WORD.findall(names)}
    if not _STRONG.isdisjoint(words) or _SUSPECT_PAIRS.search(lower):
        return SUSPECT
    if _HINT.search(lower):
        return HINT
    return PLAIN if _SUSPECT.isdisjoint(words) else SUSPECT


_NEGATION = re.compile(
    r"\b(?:has|no|with|without|enable|disable|js|is|single|hide|show|elementor)[-_]", re.ASCII
)
_STRONG = _SUSPECT - {"tools", "hot", "popular", "banner", "ad", "foot", "skip", "commentary"}

"""The content hash ``c1``: the same for the same words, whatever the markup, source or id.

The rule is frozen; a different rule is ``c2``:

1. Remove credit, editor and disclaimer lines (``parsers.html.boilerplate``).
2. Remove white space, format characters and punctuation, except ``. : / + - % $ ¥`` (also
   full-width forms and other dashes) in a number.
3. Apply Unicode NFKC, case folding, NFKC.
4. Take the SHA-256 of ``c1``, a zero byte, the title, a unit separator, the text, in UTF-8.

An article without a text has the sorted addresses of its media instead (``media_address``), each
after a unit separator of its own. So two pictures under one title are two articles.

Step 2 comes before NFKC because little is left to normalize: that is three times faster.
Characters whose NFKC form contains punctuation or space (``⒈`` is ``1.``) are normalized
before.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from parsers.html.boilerplate import strip_text
from parsers.media import media_address

PREFIX = "c1:"

_SEPARATOR = "\x1f"

# A constant instead of ``unicodedata``, because a newer Unicode must not change old hashes.
# Categories Z, P, Cc and Cf of Unicode 14, variation selectors and symbols used as
# punctuation (< > = | ^ `), except those in numbers.
# fmt: off
_DROPPED = (
    r"\x00-\x23\x26-\x2a\x2c\x3b-\x40\x5b-\x60\x7b-\x7d\x7f-\xa1\xa7\xab\xad\xb6\xb7\xbb\xbf"
    r"\u037e\u0387\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0600-\u0605"
    r"\u0609\u060a\u060c\u060d\u061b-\u061f\u066a-\u066d\u06d4\u06dd\u0700-\u070d\u070f"
    r"\u07f7-\u07f9\u0830-\u083e\u085e\u0890\u0891\u08e2\u0964\u0965\u0970\u09fd\u0a76\u0af0"
    r"\u0c77\u0c84\u0df4\u0e4f\u0e5a\u0e5b\u0f04-\u0f12\u0f14\u0f3a-\u0f3d\u0f85\u0fd0-\u0fd4"
    r"\u0fd9\u0fda\u104a-\u104f\u10fb\u1360-\u1368\u1400\u166e\u1680\u169b\u169c\u16eb-\u16ed"
    r"\u1735\u1736\u17d4-\u17d6\u17d8-\u17da\u1800-\u180a\u180e\u1944\u1945\u1a1e\u1a1f"
    r"\u1aa0-\u1aa6\u1aa8-\u1aad\u1b5a-\u1b60\u1b7d\u1b7e\u1bfc-\u1bff\u1c3b-\u1c3f\u1c7e\u1c7f"
    r"\u1cc0-\u1cc7\u1cd3\u2000-\u200f\u2016-\u202f\u2031-\u2043\u2045-\u2051\u2053-\u2064"
    r"\u2066-\u206f\u207d\u207e\u208d\u208e\u2308-\u230b\u2329\u232a\u2768-\u2775\u27c5\u27c6"
    r"\u27e6-\u27ef\u2983-\u2998\u29d8-\u29db\u29fc\u29fd\u2cf9-\u2cfc\u2cfe\u2cff\u2d70"
    r"\u2e00-\u2e2e\u2e30-\u2e4f\u2e52-\u2e5d\u3000-\u3003\u3008-\u3011\u3014-\u301b"
    r"\u301d-\u301f\u3030\u303d\u30a0\u30fb\ua4fe\ua4ff\ua60d-\ua60f\ua673\ua67e\ua6f2-\ua6f7"
    r"\ua874-\ua877\ua8ce\ua8cf\ua8f8-\ua8fa\ua8fc\ua92e\ua92f\ua95f\ua9c1-\ua9cd\ua9de\ua9df"
    r"\uaa5c-\uaa5f\uaade\uaadf\uaaf0\uaaf1\uabeb\ufd3e\ufd3f\ufe00-\ufe12\ufe14-\ufe19"
    r"\ufe30-\ufe51\ufe54\ufe56\ufe57\ufe59-\ufe61\ufe64-\ufe66\ufe68\ufe6b\ufeff\uff01-\uff03"
    r"\uff06-\uff0a\uff0c\uff1b-\uff20\uff3b-\uff40\uff5b-\uff5d\uff5f-\uff65\ufff9-\ufffb"
)
_DROPPED_RARE = (
    r"\U00010100-\U00010102\U0001039f\U000103d0\U0001056f\U00010857\U0001091f\U0001093f"
    r"\U00010a50-\U00010a58\U00010a7f\U00010af0-\U00010af6\U00010b39-\U00010b3f"
    r"\U00010b99-\U00010b9c\U00010ead\U00010f55-\U00010f59\U00010f86-\U00010f89"
    r"\U00011047-\U0001104d\U000110bb-\U000110c1\U000110cd\U00011140-\U00011143\U00011174"
    r"\U00011175\U000111c5-\U000111c8\U000111cd\U000111db\U000111dd-\U000111df"
    r"\U00011238-\U0001123d\U000112a9\U0001144b-\U0001144f\U0001145a\U0001145b\U0001145d"
    r"\U000114c6\U000115c1-\U000115d7\U00011641-\U00011643\U00011660-\U0001166c\U000116b9"
    r"\U0001173c-\U0001173e\U0001183b\U00011944-\U00011946\U000119e2\U00011a3f-\U00011a46"
    r"\U00011a9a-\U00011a9c\U00011a9e-\U00011aa2\U00011c41-\U00011c45\U00011c70\U00011c71"
    r"\U00011ef7\U00011ef8\U00011fff\U00012470-\U00012474\U00012ff1\U00012ff2"
    r"\U00013430-\U00013438\U00016a6e\U00016a6f\U00016af5\U00016b37-\U00016b3b\U00016b44"
    r"\U00016e97-\U00016e9a\U00016fe2\U0001bc9f-\U0001bca3\U0001d173-\U0001d17a"
    r"\U0001da87-\U0001da8b\U0001e95e\U0001e95f\U000e0001\U000e0020-\U000e007f"
    r"\U000e0100-\U000e01ef"
)
_COMPOUND = (
    r"\xa8\xaf\xb4\xb8\u013f\u0140\u02d8-\u02dd\u037a\u0384\u0385\u1fbd\u1fbf-\u1fc1"
    r"\u1fcd-\u1fcf\u1fdd-\u1fdf\u1fed-\u1fef\u1ffd\u1ffe\u207a-\u207c\u208a-\u208c\u2100\u2101"
    r"\u2105\u2106\u2474-\u24b5\u2a74-\u2a76\u309b\u309c\u3200-\u321e\u3220-\u3243\u33c2\u33c7"
    r"\u33d8\ufb29\ufc5e-\ufc63\ufdfa\ufdfb\ufe70\ufe72\ufe74\ufe76\ufe78\ufe7a\ufe7c\ufe7e"
    r"\uffe3\U0001f100-\U0001f10a\U0001f110-\U0001f12a\U0001f240-\U0001f248"
)
# fmt: on

_BETWEEN = ".．﹒:：﹕︓/／"  # only between digits
_SIGN = "+＋﹢-－﹣−"  # only before a digit
_RANGE = "‐‑‒–—―﹘~～〜"  # only between digits, where it is a hyphen
_PERCENT = "%％﹪‰"  # only after a digit
_MONEY = "$＄﹩¥￥"  # only before a digit
_NUMERIC = re.escape(_BETWEEN + _SIGN + _RANGE + _PERCENT + _MONEY)

# The set comes first, so that the search skips to the next such character.
_LOOSE = re.compile(
    rf"[{_NUMERIC}](?:"
    rf"(?<=[{re.escape(_BETWEEN + _RANGE)}])(?:(?!\d)|(?<!\d.))"
    rf"|(?<=[{re.escape(_SIGN)}])(?!\d)"
    rf"|(?<=[{_PERCENT}])(?<!\d.)(?<!\d\s.)"
    rf"|(?<=[{re.escape(_MONEY)}])(?!\s?\d))",
    re.DOTALL,
)
_DROP = re.compile(f"[{_DROPPED}]+")
_DROP_RARE = re.compile(f"[{_DROPPED_RARE}]+")
_EXPAND = re.compile(f"[{_COMPOUND}]")
# Most texts have none of these. A class with members above U+FFFF is seven times slower.
_RARE = re.compile(f"[{_COMPOUND}\\U00010000-\\U0010ffff]")
_WIDE = re.compile("[\uff01-\uff5e\uffe5]+")
_HYPHENS = str.maketrans(dict.fromkeys(_RANGE + "−", "-"))
_HYPHEN = re.compile(f"[{_RANGE}−]")
_BRACES = {"&#123;": "{", "&#125;": "}"}


def content_hash(title: str | None, text: str | None, media: Iterable[str] = ()) -> str:
    """Return the content hash of an article: ``c1:`` and 64 hex digits.

    Args:
        title: The title.
        text: The text.
        media: The URLs of pictures, videos and sounds; they count when there is no text.
    """
    content = canonical(title or "", text or "")
    if not text:
        content += "".join(f"{_SEPARATOR}{one}" for one in sorted(set(map(media_address, media))))
    words = content.encode("utf-8", "surrogatepass")
    return PREFIX + hashlib.sha256(b"c1\0" + words).hexdigest()


def canonical(title: str, text: str) -> str:
    """Return the text that is hashed: the canonical title, a separator, the canonical text."""
    return f"{_bare(title)}{_SEPARATOR}{_bare(strip_text(text))}"


def _bare(words: str) -> str:
    if "&#12" in words:  # the Hexo aggregator escapes braces in titles
        for escaped, brace in _BRACES.items():
            words = words.replace(escaped, brace)
    if _RARE.search(words):
        words = _EXPAND.sub(_expanded, words)
        words = _DROP_RARE.sub("", _LOOSE.sub("", words))
    else:
        words = _LOOSE.sub("", words)
    words = _DROP.sub("", "".join(words.split()))  # white space is dropped, too, but slower
    if _HYPHEN.search(words):
        words = words.translate(_HYPHENS)
    # Case folding may separate letters that NFKC composes (ß before an accent).
    return unicodedata.normalize("NFKC", _compatible(words).casefold())


def _expanded(found: re.Match[str]) -> str:
    normal = unicodedata.normalize("NFKC", found.group())
    # An accent alone is an apostrophe, never part of the letter before.
    return "" if normal.startswith(" ") else normal


def _compatible(words: str) -> str:
    """Return the NFKC form; full-width forms first, because they are the most frequent."""
    if unicodedata.is_normalized("NFKC", words):
        return words
    words = _WIDE.sub(lambda found: unicodedata.normalize("NFKC", found.group()), words)
    return unicodedata.normalize("NFKC", words)

"""Split and clean the names of authors in declarations and bylines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set

from parsers.extract.tree import fold

# Declared names with a role and a place; a longer value is a biography.
_MAX_NAME = 300
# Names of desks and agencies have more words than those of people.
_MAX_SIZE, _MAX_WORDS, _MAX_PERSON_WORDS = 60, 7, 4
_CHINESE_NAME = re.compile(r"[\u4e00-\u9fff·]{2,4}")
_SPLIT = re.compile(
    r"\s*(?:[;、，；|/]|,\s(?!(?:[JS]r|M\.?D|Ph\.?D|II+|[A-Z.]{2,8})\b))\s*|\s+(?:and|und|et|y|e|och|og|und|&|и|i)\s+",
    re.I,
)
_PREFIX = re.compile(
    r"^(?:(?:written |posted |story |reported |words )?by\b|vo[mn]\b|par\b|por\b|di\b|text(?:e)?\s*:|(?:author|autor|автор|interview)\s*:|作者|撰文|文|记者|記者|原创)\s*[:：/]?\s*(?=\S)",
    re.I,
)
_SUFFIX = re.compile(
    r"\s*(?:[,|–—(/•·]|\s-\s|\bfor\b|\bin\b|\bat\b|\b(?:avec|mit|con|with)\b)\s*(?:(?:the )?(?:staff|senior|special|political|science|health|business|sports?|chief|associate|contributing|guest|news|digital|deputy)\b.*|reporter|writer|editor|correspondent|author|columnist|journalist|contributor|reuters|ap|afp|dpa|apa|efe|ansa|bbc.*|cnn.*|opinion.*|[\w.]+@[\w.]+.*)\)?$",
    re.I,
)
NO_NAME = re.compile(
    r"https?:|www\.|@|^\d+$|^(?:no author|n/?a|various|(?:our |special |senior )?(?:staff )?(?:reporter|writer|correspondent|contributor)s?|admin|administrator|editor|root|user|null|none|undefined|guest|author|unknown|anonymous|staff|web ?master|name|by|网易|新浪网?|腾讯网?|搜狐网?|凤凰网|百度|佚名|未知|匿名|本站|原创|编辑|小编|转载|网络|互联网)$",
    re.I,
)
# "Ida Sample (IS)", "Ida Sample, MD, PhD".
_BEHIND = re.compile(
    r"(?:\s*[(\[][^()\[\]]{0,40}[)\]]|(?:^|[,\s]+)(?:M\.?D|Ph\.?D|R\.?N|BSN|MSN|MPH|MBA|MSW|RDN?|LCSW|J\.?D|CPA|CFP|DVM|DO|Esq)\.?)+$"
)
PARTICLES = frozenset(
    {
        "and", "und", "et", "y", "e", "och", "og", "&", "de", "del", "della", "da", "di", "du",
        "la", "le", "van", "von", "der", "den", "zu", "al", "el", "bin", "ter",
    }
)  # fmt: skip
_IN_NAMES = str.maketrans("", "", " -'’.")
_DATE = re.compile(
    r"\d{4}\s?[-/.年]\s?\d{1,2}|\d{1,2}[:：]\d{2}|\b(?:19|20)\d\d\b|编辑|責編|责编|校对|责任|编审"
    r"|^(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?$"
    r"|^(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b(?!\s[a-z])"
    r"|\b(?:article|written|posted|published|updated|minutes?|min read) ?(?:by|on|read)?$",
    re.I,
)


def is_person(name: str) -> bool:
    """Return whether a name is two to four capitalized words, or two to four Chinese letters."""
    words = name.split()
    return _CHINESE_NAME.fullmatch(name) is not None or (
        1 < len(words) <= _MAX_PERSON_WORDS
        and words[0].casefold() != "the"
        and name.translate(_IN_NAMES).isalpha()
        and all(word[0].isupper() or word.casefold() in PARTICLES for word in words)
    )


def split_names(value: str) -> list[str]:
    """Return the names in a value such as ``By Ida Sample and Bo Sample``."""
    value = _PREFIX.sub("", value.strip())
    parts = [part for part in _SPLIT.split(value) if part]
    names = [name for part in parts for name in part.split(", ")]
    return names if len(parts) > 1 and all(map(is_person, names)) else parts


def clean_names(names: Iterable[str], taboo: Set[str]) -> tuple[str, ...]:
    """Return the names of people and desks, without roles, degrees and initials.

    Args:
        names: The names.
        taboo: Folded names that are no authors, as those of the site.
    """
    kept: list[str] = []
    for name in names:
        if len(name) > _MAX_NAME:
            continue
        name = _BEHIND.sub("", _PREFIX.sub("", " ".join(name.split())))
        name = _BEHIND.sub("", _SUFFIX.sub("", name)).strip(" ,.;:|-–—·•()[]")
        if not 2 <= len(name) <= _MAX_SIZE or NO_NAME.search(name) or _DATE.search(name):
            continue
        if len(name.split()) > _MAX_WORDS or fold(name) in taboo or not fold(name):
            continue
        if fold(name) not in {fold(other) for other in kept}:
            kept.append(name)
    return tuple(kept)

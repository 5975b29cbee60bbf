"""The files that the search of a site loads: words and articles, in parts.

Every article has a number that it keeps. Words are indexed by segments of article numbers; a
full segment never changes because of new articles. A segment is divided into shards by the
beginning of a word, and a search loads the shards of its words only. Chinese, Japanese and Korean
text has no spaces: its words are pairs of characters. Blocks have title, path, day and source
of the articles, for the lines of a result.

``search.js`` finds shards and blocks by the same rules. They are scripts that call ``copydesk``,
because a page that is opened as a file may load scripts and nothing else.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from flows.web.format import clean
from flows.web.site.articles import SiteArticle
from flows.web.site.files import inputs_of

BLOCK_LENGTH = 128
"""How many articles have their lines in one file, and the length of the smallest segment."""

SEGMENT_LENGTHS = (131_072, 32_768, 8192, 2048, 512, BLOCK_LENGTH)
ARTICLES_PER_SHARD = 128

_SEPARATORS = re.compile(r"[\W_]+")
# Scripts without spaces between words: Han, kana, hangul, and the extensions of Han.
_PAIRED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_RUNS = re.compile(rf"[{_PAIRED}]+|[^{_PAIRED}\s]+")
_IS_PAIRED = re.compile(rf"[{_PAIRED}]")
_HASH_FACTOR, _HASH_RANGE = 31, 2**32


class Segment(NamedTuple):
    """Articles with the numbers from ``start`` on; ``length`` of them at most."""

    start: int
    length: int

    @property
    def shard_count(self) -> int:
        """In how many files its words are."""
        return -(-self.length // ARTICLES_PER_SHARD)


def segments(count: int) -> list[Segment]:
    """Divide the numbers below ``count`` into segments: large ones first, then the rest."""
    found, start = [], 0
    for length in SEGMENT_LENGTHS:
        while count - start >= length:
            found.append(Segment(start, length))
            start += length
    return [*found, Segment(start, BLOCK_LENGTH)] if start < count else found


def segment_files(segment: Segment) -> list[str]:
    """The paths of the words of a segment, a file for each shard."""
    return [
        f"search/words/{segment.start}-{segment.length}/{shard}.js"
        for shard in range(segment.shard_count)
    ]


def segment_inputs(numbered: Iterable[tuple[int, SiteArticle]], generation: str) -> str:
    """A hash of all that the words of a segment are made of."""
    return inputs_of(generation, [(number, one.search_hash) for number, one in numbered])


def segment_texts(segment: Segment, numbered: Iterable[tuple[int, SiteArticle]]) -> Iterator[str]:
    """Yield the text of each shard of a segment, in order.

    A word has the numbers of its articles; each is the distance from the one before, the first
    from the start of the segment.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for number, article in numbered:
        for word in words_of(article):
            places[word].append(number)
    shards: list[dict[str, list[int]]] = [{} for _ in range(segment.shard_count)]
    for word in sorted(places):
        shards[shard_of(word, segment.shard_count)][word] = places[word]
    for shard, words in enumerate(shards):
        yield script(
            f"words/{segment.start}-{segment.length}/{shard}",
            {word: list(_distances(segment.start, found)) for word, found in words.items()},
        )


def block_text(block: int, lines: Mapping[int, Sequence[str]]) -> str:
    """The lines of a block of articles, by number; a removed article has none."""
    start = block * BLOCK_LENGTH
    return script(f"articles/{block}", [lines.get(start + at) for at in range(BLOCK_LENGTH)])


def script(key: str, value: object) -> str:
    """A script that passes a value to ``search.js``."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Line separators end a string in the scripts of old browsers.
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f'copydesk("{key}",{text});\n'


def words_of(article: SiteArticle) -> set[str]:
    """The words that find an article: of its title, names, categories and tags."""
    texts = (article.title, article.publisher, article.source, *article.authors,
             *article.categories, *article.tags)  # fmt: skip
    found: set[str] = set()
    for text in dict.fromkeys(texts):
        if text:
            found.update(words_in(clean(text)))
    return found


def words_in(text: str) -> Iterator[str]:
    """Yield the words of a text; of Chinese, pairs of characters and the last one of a run."""
    folded = _SEPARATORS.sub(" ", unicodedata.normalize("NFKC", text).lower())
    for run in _RUNS.findall(folded):
        if _IS_PAIRED.match(run):
            for at in range(len(run)):
                yield run[at : at + 2]
        else:
            yield run


def shard_of(word: str, shard_count: int) -> int:
    """The shard of a word: a hash of its first character, of two in scripts with spaces."""
    value = 0
    for character in word[: 1 if _IS_PAIRED.match(word) else 2]:
        value = (value * _HASH_FACTOR + ord(character)) % _HASH_RANGE
    return value % shard_count


def _distances(start: int, numbers: Iterable[int]) -> Iterator[int]:
    before = start
    for number in numbers:
        yield number - before
        before = number

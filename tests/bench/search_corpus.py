"""A synthetic news corpus with graded search labels; nothing in it is by a publisher.

Words are made of characters at random, and their frequencies follow Zipf's law. Four in five
articles are Chinese, a tenth of these with an English paragraph; one in five is English. For
each query the corpus has articles of the grades 3, 2 and 1, and hard negatives that hold the
parts of its terms only. Every other article that holds all terms by accident has grade 1.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate

SOURCES = ("harbour", "lantern", "meridian", "orchard", "quarry")
FIRST_DAY = datetime(2021, 1, 1, tzinfo=UTC)
DAYS = 1000

GRADES = (3, 3, 2, 2, 2, 1, 1, 1, 1)
NEGATIVES = 14
QUERIES_EACH = 6

# The two levels of GB 2312: common characters, and rare ones.
_HAN = [bytes((a, b)).decode("gb2312") for a in range(0xB0, 0xD7) for b in range(0xA1, 0xFF)]
_RARE = [bytes((a, b)).decode("gb2312") for a in range(0xD8, 0xF8) for b in range(0xA1, 0xFF)]
_ENDINGS = "，，，，。。；：、"
_SYLLABLES = [a + b for a in ["b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl"] for b in ["a", "e", "i", "o", "u", "ar", "en", "is", "or"]]  # fmt: skip
# Pairs whose traditional form folds to the simplified one, one character to one.
_TRADITIONAL = (("经济", "經濟"), ("银行", "銀行"), ("产业", "產業"), ("发电", "發電"), ("医药", "醫藥"), ("贸易", "貿易"))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One article."""

    number: int
    source: str
    published_at: datetime
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query with its labels.

    Attributes:
        kind: The group that results are reported by.
        text: What the user types.
        terms: What an article has to hold, in the form in which articles hold it.
        parts: What hard negatives hold, apart from each other.
        grades: The grade of each relevant article.
    """

    kind: str
    text: str
    terms: tuple[str, ...]
    parts: tuple[str, ...]
    grades: dict[int, int] = field(default_factory=dict)


class _Vocabulary:
    def __init__(self, rng: random.Random) -> None:
        common = rng.sample(_HAN, 3000)
        self.rare = rng.sample(_RARE, 200)
        weights = list(accumulate(1 / (rank + 20) for rank in range(len(common))))
        lengths = [2] * 14 + [3] * 3 + [4] * 2 + [1]
        words = dict.fromkeys(common[:60])
        while len(words) < 40_000:
            length = rng.choice(lengths)
            words["".join(rng.choices(common, cum_weights=weights, k=length))] = None
        self.han = list(words)
        latin: dict[str, None] = {}
        while len(latin) < 15_000:
            latin["".join(rng.choices(_SYLLABLES, k=rng.choice((1, 2, 2, 3))))] = None
        self.latin = list(latin)
        self.weights = {
            id(one): list(accumulate(1 / (rank + 5) for rank in range(len(one))))
            for one in (self.han, self.latin)
        }

    def draw(self, rng: random.Random, words: list[str], count: int) -> list[str]:
        """Return words of a text: a third are of its own few topics."""
        topics = rng.choices(words, k=12)
        drawn = rng.choices(words, cum_weights=self.weights[id(words)], k=count)
        return [rng.choice(topics) if rng.random() < 0.3 else word for word in drawn]


def queries(rng: random.Random, words: _Vocabulary) -> list[Query]:
    """Return queries of ten kinds, without labels."""
    found = []

    def add(kind: str, text: str, terms: tuple[str, ...], parts: tuple[str, ...]) -> None:
        found.append(Query(kind=kind, text=text, terms=terms, parts=parts))

    def middle(low: int = 2000, high: int = 12000, length: int = 2) -> str:
        return rng.choice([one for one in words.han[low:high] if len(one) == length])

    for i in range(QUERIES_EACH):
        a, b, c = middle(), middle(), middle()
        x, y = rng.sample(words.latin[1500:9000], 2)
        number, whole = rng.randint(100, 999), rng.randint(2, 90)
        three = middle(length=3)
        add("one term", three[:2] + a[0], (three[:2] + a[0],), (three[:2], a))
        add("long term", a + b + c, (a + b + c,), (a + b, c + a))
        add("two terms", f"{a} {three[1:] + c}", (a, three[1:] + c), (a, three[1:]))
        add("phrase", f'"{b}{c}的{a}"', (f"{b}{c}的{a}",), (b + c, "的" + a))
        add("number", f"{whole}.{number}%", (f"{whole}.{number}%",), (f"{number}.{whole}%",))
        add("mixed", f"{x.upper()}{a}", (f"{x.upper()}{a}",), (f"{x.upper()} {b}", a))
        simplified, traditional = _TRADITIONAL[i]
        add("traditional", traditional + b, (simplified + b,), (simplified, b))
        rare = words.rare[i]
        add("one character", rare, (rare,), (words.rare[i + 100],))
        add("punctuation", f"{x.upper()}&{y.upper()}{a}", (f"{x.upper()}&{y.upper()}{a}",), (x, y + a))  # fmt: skip
        add("English", f'"{x} {y}"', (f"{x} {y}",), (f"{y} {x}", x))
    return found


def corpus(count: int, seed: int = 7) -> tuple[list[Query], list[Document]]:
    """Make ``count`` articles and the labelled queries."""
    rng = random.Random(seed)  # noqa: S311
    words = _Vocabulary(rng)
    asked = queries(rng, words)
    planted = _plans(rng, asked, count)
    documents = []
    for number in range(count):
        title, text = _article(rng, words)
        for query, grade in planted.get(number, ()):
            title, text = _plant(rng, query, grade, title, text)
        for query, grade in planted.get(number, ()):
            if grade:
                query.grades[number] = grade
        documents.append(
            Document(
                number=number,
                source=rng.choice(SOURCES),
                published_at=FIRST_DAY + timedelta(minutes=rng.randrange(DAYS * 1440)),
                title=title,
                text=text,
            )
        )
    _label_accidents(asked, documents)
    return asked, documents


def _plans(
    rng: random.Random, asked: list[Query], count: int
) -> dict[int, list[tuple[Query, int]]]:
    each = len(GRADES) + NEGATIVES
    numbers = iter(rng.sample(range(count), each * len(asked)))
    planted: dict[int, list[tuple[Query, int]]] = {}
    for query in asked:
        for grade in (*GRADES, *[0] * NEGATIVES):
            planted.setdefault(next(numbers), []).append((query, grade))
    return planted


def _article(rng: random.Random, words: _Vocabulary) -> tuple[str, str]:
    if rng.random() < 0.2:
        text = _english(rng, words, max(40, int(rng.gauss(280, 90))))
        return " ".join(words.draw(rng, words.latin, 9)).capitalize(), text
    drawn = words.draw(rng, words.han, max(40, int(rng.lognormvariate(5.38, 0.45))))
    text = "".join(_sentences(rng, drawn))
    if rng.random() < 0.1:
        text += "\n\n" + _english(rng, words, 60)
    return "".join(words.draw(rng, words.han, 9)), text


def _english(rng: random.Random, words: _Vocabulary, count: int) -> str:
    drawn = words.draw(rng, words.latin, count)
    return " ".join(one + rng.choice(("", "", "", "", "", ",", ".")) for one in drawn)


def _sentences(rng: random.Random, drawn: list[str]) -> Iterator[str]:
    for i, word in enumerate(drawn, 1):
        yield word
        if rng.random() < 0.03:
            yield f"{rng.randint(1, 2023)}"
        if i % 9 == 0:
            yield rng.choice(_ENDINGS)
        if i % 90 == 0:
            yield "\n\n"


def _plant(rng: random.Random, query: Query, grade: int, title: str, text: str) -> tuple[str, str]:
    mentions = {3: rng.randint(3, 5), 2: 3, 1: 1, 0: 3}[grade]
    pieces = query.terms if grade else query.parts
    if grade == 3:
        title = f"{' '.join(pieces)} {title}"
    for _ in range(mentions):
        for piece in pieces:
            text = _insert(piece, text, rng.randrange(len(text)))
    return title, text


def _insert(piece: str, text: str, at: int) -> str:
    """Insert a piece at or after a place: between words of English, anywhere in Chinese."""
    while at < len(text) and (text[at].isascii() or text[at - 1].isascii()):
        if text[at] == " ":
            return f"{text[:at]} {piece}{text[at:]}"
        at += 1
    return f"{text[:at]}{piece}{text[at:]}"


def _label_accidents(asked: list[Query], documents: list[Document]) -> None:
    for query in asked:
        for one in documents:
            if one.number not in query.grades and all(
                term in one.text or term in one.title for term in query.terms
            ):
                query.grades[one.number] = 1

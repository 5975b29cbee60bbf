"""A synthetic news corpus with reprints and templates; nothing in it is by a publisher.

Texts are composed by rules: sentence frames of business news with words from a vocabulary of random
characters (Chinese) or syllables (English). So different articles share phrases, as real ones do. Each
story has its original and one variant of each kind in other sources. Negatives are single articles, daily
templates with other numbers, and different articles with one long boilerplate.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SOURCES = ("harbour", "lantern", "meridian", "orchard", "quarry", "signal")
FIRST_DAY = datetime(2025, 1, 6, tzinfo=UTC)
SINGLES_EACH = 10
TEMPLATES_EACH = 250
BOILERPLATE = 400

_SIMPLIFIED = (
    "经济银行产业发电医药贸东说时会对进过来国动为从学现实员问题战争术决机关间长门车马鱼鸟龙龟齐"
)
_TRADITIONAL = (
    "經濟銀行產業發電醫藥貿東說時會對進過來國動為從學現實員問題戰爭術決機關間長門車馬魚鳥龍龜齊"
)
_HAN = [bytes((a, b)).decode("gb2312") for a in range(0xB0, 0xD7) for b in range(0xA1, 0xFF)]
_SYLLABLES = [a + b for a in ["b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl"] for b in ["a", "e", "i", "o", "u", "ar", "en", "is", "or"]]  # fmt: skip

_ZH_FRAMES = (
    "{w}{w}公司今日发布公告，拟以{n}万元收购{w}{w}的{p}%股权。",
    "业内人士认为，{w}{w}的需求正在{w}，预计明年增速将达到{p}%。",
    "数据显示，{m}月{w}{w}产量为{n}万吨，同比增长{p}%，环比下降{q}%。",
    "{w}{w}表示，将继续加大对{w}和{w}领域的投入，推动{w}{w}落地。",
    "截至目前，{w}已在{w}、{w}、{w}等地建成{n}个{w}{w}项目。",
    "记者从{w}{w}了解到，相关{w}方案已于近日{w}{w}，并将在{m}月起实施。",
    "与此同时，{w}{w}也面临着{w}{w}和{w}不足的挑战。",
    "{w}{w}{w}，{w}的{w}{w}在{w}中{w}{w}，而{w}{w}却{w}{w}{w}。",
    "从{w}到{w}，{w}{w}{w}的{w}{w}已经{w}了{w}{w}。",
    "“{w}{w}不是{w}，而是{w}{w}{w}。”{w}{w}的负责人这样{w}{w}。",
    "在{w}{w}看来，{w}{w}的关键在于{w}{w}{w}，以及{w}是否{w}{w}。",
    "{w}{w}{w}{w}，{w}{w}{w}。{w}{w}，{w}{w}{w}{w}。",
)
_EN_FRAMES = (
    "{w} {w} will buy {p} percent of {w} {w} for {n} million, the company announced on Monday.",
    "Analysts expect demand for {w} {w} to grow by {p} percent next year.",
    "The {w} of {w} rose to {n} tonnes in {m} months, while the {w} fell by {q} percent.",
    "A spokesperson of {w} {w} declined to comment on the {w} {w}.",
    "In {w}, the {w} {w} has so far {w} more than {n} {w} projects.",
    "{w} {w} {w} of the {w} and {w} {w} with {w}, but the {w} {w} {w}.",
    "Beyond {w}, {w} {w} {w} a {w} {w} that {w} {w} {w}.",
    "The {w} was first {w} by {w} {w}, which {w} its {w} to the {w} {w}.",
)
_NOTICE = (
    "风险提示：本文所载信息仅供参考，不构成任何投资建议，投资者据此操作，风险自担。本平台力求内容准确可靠，但不对其准确性、"
    "完整性或及时性作出任何保证。未经书面授权，任何机构和个人不得以任何形式转载、复制或引用本文全部或部分内容，违者将依法追究"
    "其法律责任。如需了解更多服务内容，请下载本平台客户端，或者拨打全国统一客服热线进行咨询，我们将竭诚为您提供专业、及时、全面的服务。"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One article.

    Attributes:
        number: Its id; a correction has the number of the article that it corrects.
        story: The number of the original; articles of one story are true pairs.
        kind: How it was made of the original; ``original``, or the kind of negative.
        at: When it was published, and a little later seen.
    """

    number: int
    story: int
    kind: str
    source: str
    at: datetime
    title: str
    text: str


class Writer:
    """Makes texts of one vocabulary."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        common = rng.sample(_HAN, 3000)
        han = {"".join(rng.choices(common, k=rng.choice((2, 2, 2, 3)))) for _ in range(30_000)}
        latin = {"".join(rng.choices(_SYLLABLES, k=rng.choice((2, 2, 3)))) for _ in range(12_000)}
        self.words = {True: sorted(han), False: sorted(latin)}
        self.frames = {True: _ZH_FRAMES, False: _EN_FRAMES}

    def word(self, is_chinese: bool) -> str:
        """Return a word; a few words are frequent (Zipf)."""
        words = self.words[is_chinese]
        return words[min(int(len(words) ** self.rng.random()) - 1, len(words) - 1)]

    def sentence(self, is_chinese: bool) -> str:
        """Return a sentence of news."""
        frame = self.rng.choice(self.frames[is_chinese])
        return self.fill(frame, is_chinese)

    def fill(self, frame: str, is_chinese: bool = True) -> str:
        """Return a frame with words and numbers in its slots."""
        rng = self.rng
        made: dict[str, Callable[[], str]] = {
            "w": lambda: self.word(is_chinese),
            "n": lambda: str(rng.randint(10, 99_999)),
            "p": lambda: f"{rng.uniform(0.1, 60):.1f}",
            "q": lambda: f"{rng.uniform(0.1, 9):.2f}",
            "m": lambda: str(rng.randint(1, 12)),
            "d": lambda: str(rng.randint(1, 28)),
            "i": lambda: f"{rng.uniform(2800, 3500):.2f}",
            "c": lambda: f"{rng.choice((600, 300, 2))}{rng.randint(100, 999)}",
            "s": lambda: rng.choice(("上涨", "下跌")),
            "x": lambda: f"{rng.uniform(6.8, 7.3):.4f}",
        }
        return re.sub(r"\{(\w)\}", lambda slot: made[slot[1]](), frame)

    def article(self, is_chinese: bool) -> list[list[str]]:
        """Return paragraphs of sentences, 6 to 40 sentences in all."""
        count = max(6, min(40, int(self.rng.lognormvariate(2.6, 0.5))))
        sentences = [self.sentence(is_chinese) for _ in range(count)]
        return [sentences[i : i + 4] for i in range(0, count, 4)]


Paragraphs = Sequence[Sequence[str]]


def text_of(paragraphs: Paragraphs, is_chinese: bool) -> str:
    """Return paragraphs as the text of an article."""
    return "\n\n".join(("" if is_chinese else " ").join(one) for one in paragraphs if one)


def corpus(stories: int, seed: int) -> list[Document]:
    """Make the articles of some stories, 85% Chinese, and all negatives, in order of time."""
    rng = random.Random(seed)  # noqa: S311
    writer = Writer(rng)
    made = _Made(rng)
    for _ in range(stories):
        is_chinese = rng.random() < 0.85
        paragraphs = writer.article(is_chinese)
        at = made.moment()
        original = made.add(
            "original", rng.choice(SOURCES), at, writer.word(is_chinese) * 3, text_of(paragraphs, is_chinese),
        )  # fmt: skip
        for kind, change in VARIANTS.items():
            if kind == "traditional" and not is_chinese:
                continue
            text = change(writer, paragraphs, is_chinese)
            title = original.title + (writer.word(is_chinese) if kind == "retitled" else "")
            later = at + timedelta(minutes=rng.randint(5, 2000))
            source = original.source if kind == "correction" else rng.choice(
                [one for one in SOURCES if one != original.source]
            )  # fmt: skip
            number = original.number if kind == "correction" else None
            made.add(kind, source, later, title, text, story=original.story, number=number)
    for _ in range(stories * SINGLES_EACH):
        is_chinese = rng.random() < 0.85
        text = text_of(writer.article(is_chinese), is_chinese)
        made.add("single", rng.choice(SOURCES), made.moment(), writer.word(is_chinese) * 3, text)
    _add_templates(writer, made)
    for _ in range(BOILERPLATE):
        text = text_of(writer.article(True)[: rng.randint(1, 3)], True)
        made.add("boilerplate", rng.choice(SOURCES), made.moment(), writer.word(True) * 3, f"{text}\n\n{_NOTICE}")  # fmt: skip
    return sorted(made.documents, key=lambda one: one.at)


class _Made:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.documents: list[Document] = []

    def moment(self) -> datetime:
        return FIRST_DAY + timedelta(minutes=self.rng.randrange(250 * 1440))

    def add(
        self, kind: str, source: str, at: datetime, title: str, text: str, *,
        story: int | None = None, number: int | None = None,
    ) -> Document:  # fmt: skip
        own = len(self.documents)
        made = Document(
            number=own if number is None else number, story=own if story is None else story,
            kind=kind, source=source, at=at, title=title, text=text,
        )  # fmt: skip
        self.documents.append(made)
        return made


# --- variants --------------------------------------------------------------------------


def _edited(writer: Writer, paragraphs: Paragraphs, is_chinese: bool, share: float) -> Paragraphs:
    """Replace a share of the words: two characters of Chinese, a word of English."""

    def edit(sentence: str) -> str:
        pattern = r"[\u4e00-\u9fff]{2}" if is_chinese else r"[A-Za-z]+"
        return re.sub(
            pattern,
            lambda word: writer.word(is_chinese)[:2] if is_chinese and writer.rng.random() < share
            else writer.word(False) if not is_chinese and writer.rng.random() < share else word[0],
            sentence,
        )  # fmt: skip

    return [[edit(sentence) for sentence in one] for one in paragraphs]


def _retitled(_: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    return text_of(paragraphs, is_chinese)


def _credited(writer: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    name = writer.word(is_chinese)
    text = text_of(paragraphs, is_chinese)
    if is_chinese:
        return f"（本文来源：{name}日报）\n\n{text}\n\n本文转自{name}日报，原作者保留全部权利，编辑略有删减。"
    return (
        f"This article first appeared in the {name} Post.\n\n{text}\n\nRepublished with permission."
    )


def _trimmed(writer: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    sentences = [sentence for one in paragraphs for sentence in one]
    kept = max(4, int(len(sentences) * writer.rng.uniform(0.65, 0.9)))
    return text_of([sentences[:kept]], is_chinese)


def _extended(writer: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    count = sum(map(len, paragraphs))
    added = [writer.sentence(is_chinese) for _ in range(max(1, int(count * writer.rng.uniform(0.1, 0.35))))]  # fmt: skip
    return text_of([*paragraphs, added], is_chinese)


def _traditional(_: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    return text_of(paragraphs, is_chinese).translate(str.maketrans(_SIMPLIFIED, _TRADITIONAL))


def _respaced(_: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    text = text_of(paragraphs, is_chinese)
    text = re.sub(r"(\d+(?:\.\d+)?)", r" \1 ", text) if is_chinese else text.upper()
    return text.translate(str.maketrans("“”，", '"",')) + "\n"


def _words(writer: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    return text_of(_edited(writer, paragraphs, is_chinese, 0.05), is_chinese)


def _light(writer: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    """Write 10% of the sentences anew, change 2% of the words, move a paragraph."""
    return text_of(_rewritten(writer, paragraphs, is_chinese, 0.1, 0.02), is_chinese)


def _heavy(writer: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    """Write 30% of the sentences anew, change 1% of the words, move a paragraph."""
    return text_of(_rewritten(writer, paragraphs, is_chinese, 0.3, 0.01), is_chinese)


def _rewritten(
    writer: Writer, paragraphs: Paragraphs, is_chinese: bool, sentences: float, words: float
) -> Paragraphs:
    places = [(i, j) for i, one in enumerate(paragraphs) for j in range(len(one))]
    chosen = set(writer.rng.sample(places, round(len(places) * sentences)))
    edited = _edited(writer, paragraphs, is_chinese, words)
    made = [
        [
            writer.sentence(is_chinese) if (i, j) in chosen else sentence
            for j, sentence in enumerate(one)
        ]
        for i, one in enumerate(edited)
    ]
    made.insert(writer.rng.randrange(len(made)), made.pop())
    return made


def _excerpt(writer: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    sentences = [sentence for one in paragraphs for sentence in one]
    kept = max(3, int(len(sentences) * 0.4))
    start = writer.rng.randint(0, len(sentences) - kept)
    return text_of([sentences[start : start + kept]], is_chinese)


def _correction(writer: Writer, paragraphs: Paragraphs, is_chinese: bool) -> str:
    return text_of([*paragraphs, [writer.sentence(is_chinese)]], is_chinese)


VARIANTS: dict[str, Callable[[Writer, Paragraphs, bool], str]] = {
    "retitled": _retitled,
    "credited": _credited,
    "trimmed": _trimmed,
    "extended": _extended,
    "traditional": _traditional,
    "respaced": _respaced,
    "words 5%": _words,
    "rewritten 10%": _light,
    "rewritten 30%": _heavy,
    "excerpt 40%": _excerpt,
    "correction": _correction,
}

# --- negatives -------------------------------------------------------------------------

_TEMPLATES = {
    "market close": (
        "{m}月{d}日，A股三大指数收盘{s}。截至收盘，沪指{s}{q}%，报{i}点；深成指{s}{q}%，报1{i}点；创业板指{s}{q}%，报{i}点。"
        "沪深两市全天成交额{n}亿元，较上个交易日放量{n}亿元。盘面上，{w}、{w}、{w}板块涨幅居前，{w}、{w}、{w}板块跌幅居前。"
        "全市场超{n}只个股上涨，{n}只个股涨停。北向资金全天净买入{p}亿元，其中沪股通净买入{p}亿元，深股通净买入{p}亿元。"
    ),
    "fixing": (
        "中国外汇交易中心公布，{m}月{d}日人民币对美元中间价报{x}，上一交易日中间价报{x}，调升{n}个基点。同日，银行间外汇市场"
        "人民币汇率中间价为：1欧元对人民币{x}元，100日元对人民币{x}元，1港元对人民币0.{n}元，1英镑对人民币{x}元，"
        "1澳大利亚元对人民币{x}元，1新西兰元对人民币{x}元，1新加坡元对人民币{x}元，1瑞士法郎对人民币{x}元。"
    ),
    "pledge notice": (
        "{w}{w}股份有限公司（证券代码：{c}）{m}月{d}日晚间公告，公司近日接到控股股东{w}{w}集团的通知，获悉其所持有公司的部分股份"
        "办理了质押业务。本次质押股份数量为{n}万股，占其所持股份比例的{p}%，占公司总股本的{q}%。截至公告披露日，控股股东及其一致"
        "行动人累计质押股份数量为{n}万股，占其所持股份比例的{p}%。公司控股股东资信状况良好，具备相应的偿还能力，质押风险可控，不会"
        "导致公司实际控制权发生变更，不会对公司生产经营、公司治理等方面产生重大影响。公司将持续关注其质押情况，并按规定及时履行信息披露义务。"
    ),
    "CPI": (
        "国家统计局今天发布数据显示，{m}月份，全国居民消费价格同比上涨{q}%。其中，城市上涨{q}%，农村上涨{q}%；食品价格上涨{p}%，"
        "非食品价格上涨{q}%；消费品价格上涨{q}%，服务价格上涨{q}%。1—{m}月平均，全国居民消费价格比上年同期上涨{q}%。{m}月份，"
        "全国居民消费价格环比下降{q}%。其中，城市下降{q}%，农村下降{q}%；食品价格下降{p}%，鲜菜价格下降{p}%，猪肉价格下降{p}%，"
        "鲜果价格上涨{p}%，蛋类价格下降{p}%，粮食价格上涨{q}%，影响居民消费价格指数下降约{q}个百分点。"
    ),
    "market wrap": (
        "Stocks closed mixed on day {d} of month {m}. The main index gained {q} percent to {i} points, while the technology "
        "index lost {q} percent to 1{i} points. Turnover was {n} million shares, compared with {n} million on the previous day. "
        "Advancing issues outnumbered declining ones by {n} to {n}. Shares of {w} rose {p} percent, {w} added {q} percent, and "
        "{w} fell {p} percent. The ten-year yield was {q} percent, and crude oil settled at {p} dollars a barrel."
    ),
}  # fmt: skip


def _add_templates(writer: Writer, made: _Made) -> None:
    for kind, template in _TEMPLATES.items():
        is_chinese = kind != "market wrap"
        for day in range(TEMPLATES_EACH):
            at = FIRST_DAY + timedelta(days=day, minutes=writer.rng.randint(500, 700))
            source = writer.rng.choice(SOURCES)
            made.add(kind, source, at, f"{kind} {day}", writer.fill(template, is_chinese))

"""Estimate which encoding the bytes of a text are in.

A candidate is an encoding with a language. Its cost is the information content of the
decoded text in nats: frequent letters of the language cost little, rare characters and
undefined bytes much. The candidate with the lowest cost is the most probable one. The
frequencies are rounded: correct candidates differ from wrong ones by several nats for each
byte above ASCII.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from itertools import chain, product

SAMPLE_BYTES = 2_000
_MAX_CACHED = 20_000
_ASCII, _TYPOGRAPHIC, _FOREIGN, _SYMBOL, _UNDEFINED = 3.0, 7.0, 12.0, 13.0, 18.0
_BAD_NEIGHBOUR = 3.0
_EVERYDAY = 9.5

# Letters above ASCII, the most frequent first. Where two encodings give the same text, the
# first row wins.
_LATIN = (
    (0.0, "windows-1252", "äüöß"),
    (0.0, "windows-1252", "éèàêçîôâûùëïœ"),
    (0.0, "windows-1252", "óíáéñúü¿¡ºª"),
    (0.0, "windows-1252", "èàùòìéó"),
    (0.0, "windows-1252", "ãçáéíóêõúâôàü"),
    (0.0, "windows-1252", "äåöéüšž"),
    (0.0, "windows-1252", "øåæéöäü"),
    (0.0, "windows-1252", "ëéïöüèáóí"),
    (0.0, "windows-1252", "íáðþéóöúæý"),
    (0.0, "windows-1252", "àéèíóòçúï·"),
    (2.0, "iso-8859-15", "éèàêçîôâûùëïœ€"),
    (2.0, "iso-8859-15", "äöåéüšž€ßœ"),
    (2.0, "windows-1250", "łąężśóćńź"),
    (2.0, "windows-1250", "íáěéřčžýšůúňťďó"),
    (2.0, "windows-1250", "áíčšéžýúťľôňďäóŕĺ"),
    (2.0, "windows-1250", "áéőöüóíúű"),
    (2.0, "windows-1250", "ăîşţâșțşţ"),
    (2.0, "windows-1250", "čšžćđ"),
    (3.0, "iso-8859-2", "łąężśóćńź"),
    (3.0, "iso-8859-2", "íáěéřčžýšůúňťďó"),
    (3.0, "iso-8859-2", "áíčšéžýúťľôňďäóŕĺ"),
    (3.0, "iso-8859-2", "ăîşţâșțşţ"),
    (3.0, "iso-8859-2", "čšžćđ"),
    (3.0, "windows-1254", "ıüşçğöâîû"),
    (4.0, "windows-1257", "šėžūįčąęų"),
    (4.0, "windows-1257", "āīēšūžņļķģčõäöü"),
)  # fmt: skip
_ALPHABETS = (
    (6.0, "windows-1251", "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"),
    (6.0, "windows-1251", "оаиніврелтксдумпзяьбгчйхцжїюєшщґф"),
    (7.0, "koi8-r", "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"),
    (7.0, "koi8-u", "оаиніврелтксдумпзяьбгчйхцжїюєшщґф"),
    (7.0, "windows-1253", "αοιετσνηυρπκμςλίάόδωέγήχθφύβώξζψϊϋΐΰ"),
    (8.0, "iso-8859-7", "αοιετσνηυρπκμςλίάόδωέγήχθφύβώξζψϊϋΐΰ"),
)
_EAST_ASIAN = (
    (0.0, "gb18030", ""),
    (0.0, "big5", ""),
    (2.0, "shift_jis", "ja"),
    (2.0, "euc-jp", "ja"),
    (2.0, "euc-kr", "ko"),
)

_HAN = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多"
    "经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知"
    "全三又关点正业外将两高间由问很最重并物手应向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门"
    "任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活更别打女变四神总何电数安少报才结反受目太量再感建务做接必"
    "场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告"
    "类求据程北边死张该交规万取拉格望觉术共确传师观清今切院让识候带导争运笔款股价银闻京沪网站责编辑版权产品企业投融资项城区居民今"
)
_TRADITIONAL = (
    "這個們來為國說時會對於後過發裡學實經麼現當沒動開還進樣從無與長機業關點將兩間問應戰頭體見產話給門東聲員論義幾條係氣題爾別變總"
    "電數報結務場計資統區隊決馬書則聽達難權類據邊張該規萬覺術確傳師觀讓識帶導爭運銀聞網責編輯價閱讀臺灣縣億華號記設許認證"
)
_HANGUL = (
    "이다는에의가을은고한지사기로도하정인시대일자리수어서있를해으제보나과전부성장아주상들원관국조구공동선니금경기게스라적유치비안연"
    "만위물계면소방신여진현문미까재회행그단개합양산통분생모거학용중당체중출우명각마실오세교운강심영무되했및년월내할된트습"
)  # fmt: skip
_PUNCTUATION = frozenset("，。、：；！？（）《》“”【】　—…·「」『』〔〕％－")
_TYPOGRAPHY = frozenset("\xa0“”„‘’‚‹›–—…«»·•©®°§€£™№×")


def best_encoding(
    body: bytes, decode: Callable[[bytes, str], str], bonus: Mapping[str, float]
) -> str:
    """Return the most probable encoding of a body.

    Args:
        body: The bytes; only words with bytes above ASCII are evidence.
        decode: The decoder of bytes under an encoding, with U+FFFD for undefined bytes.
        bonus: What a declared encoding is worth, in nats. Only declared encodings and those
            of the tables above are candidates.
    """
    sample = _sample(body)
    best, lowest = "", math.inf
    for name in dict.fromkeys([*bonus, *_models()]):
        text = decode(sample, name)
        counts = Counter(text)
        neighbours = _BAD_NEIGHBOUR * len(_BAD_NEIGHBOURS.findall(text.translate(_CLASSES)))
        for prior, costs in _models().get(name, _ANY):
            total = prior - bonus.get(name, 0.0) + neighbours
            total += sum(count * costs[character] for character, count in counts.items())
            if total < lowest:
                best, lowest = name, total
    return best


def is_everyday(body: bytes, encoding: str, decode: Callable[[bytes, str], str]) -> bool:
    """Return whether nearly all characters above ASCII are everyday ones of some language."""
    costs = _ANY[0][1]
    characters = [each for each in decode(_sample(body), encoding) if each >= "\x80"]
    everyday = sum(costs[character] <= _EVERYDAY for character in characters)
    return everyday * 10 >= len(characters) * 9


# These bytes are in no character of several bytes.
_SEPARATORS = bytes(code for code in range(0x40) if not 0x30 <= code <= 0x39)
_SPACED = bytes.maketrans(_SEPARATORS, b" " * len(_SEPARATORS))


def _sample(body: bytes) -> bytes:
    """Return words with bytes above ASCII, from everywhere in the body."""
    words = [word[:200] for word in body.translate(_SPACED).split() if not word.isascii()]
    step = sum(map(len, words)) // SAMPLE_BYTES + 1
    return b" ".join(words[::step])[: 2 * SAMPLE_BYTES]


class _Costs(dict[str, float]):
    """The cost of each character in a language; others are added when they first occur."""

    def __init__(self, letters: Mapping[str, float], other: Callable[[str], float]) -> None:
        super().__init__(letters)
        self._other = other

    def __missing__(self, character: str) -> float:
        cost = self._other(character)
        if len(self) < _MAX_CACHED:
            self[character] = cost
        return cost


@cache
def _models() -> Mapping[str, tuple[tuple[float, _Costs], ...]]:
    """Return the languages of each encoding: a prior and the costs of characters."""
    found: dict[str, list[tuple[float, _Costs]]] = {}
    for table, first, step in ((_LATIN, 5.0, 0.2), (_ALPHABETS, 2.3, 0.12)):
        for prior, name, letters in table:
            found.setdefault(name, []).append(
                (prior, _Costs(_ranked(letters, first, step), _other))
            )
    for prior, name, language in _EAST_ASIAN:
        found.setdefault(name, []).append((prior, _Costs({}, partial(_east_asian, language))))
    return {name: tuple(models) for name, models in found.items()}


def _ranked(letters: str, first: float, step: float) -> dict[str, float]:
    """Return the cost of small letters by their rank; capitals are rarer."""
    small = {letter: first + step * rank for rank, letter in reversed([*enumerate(letters)])}
    capital = {letter.upper(): cost + 3.0 for letter, cost in small.items()}
    return {letter: cost for letter, cost in capital.items() if len(letter) == 1} | small


def _other(character: str) -> float:
    if character < "\x80":
        return _ASCII
    if character in _TYPOGRAPHY:
        return _TYPOGRAPHIC
    if character == "\ufffd" or "\x80" <= character < "\xa0" or character >= "\ue000":
        return _UNDEFINED
    return _FOREIGN if character.isalpha() else _SYMBOL


def _east_asian(language: str, character: str) -> float:
    if character in _PUNCTUATION:
        return 5.0
    if "\u3041" <= character <= "\u30ff":
        return (4.5 if character < "\u30a0" else 5.5) if language == "ja" else _SYMBOL
    if "\uac00" <= character <= "\ud7a3":
        return 5.3 if character in _HANGUL else 8.5 if character in _everyday_hangul() else _SYMBOL
    if "\u4e00" <= character <= "\u9fff":
        return _han_costs().get(character, 14.0) + (3.0 if language == "ko" else 0.0)
    if "\uff01" <= character <= "\uff5e":
        return 9.0
    return max(_other(character), _SYMBOL) if character >= "\xa0" else _other(character)


def _any_language(character: str) -> float:
    if character.isalpha() and character < "\u2000" and character >= "\x80":
        return 6.0 if character.islower() or not character.isupper() else 8.0
    return min(_east_asian("ja", character), _east_asian("ko", character))


_ANY = ((0.0, _Costs({}, _any_language)),)


@cache
def _han_costs() -> Mapping[str, float]:
    """Return the cost of the everyday characters of GB 2312 and Big5."""
    everyday = chain(
        _pairs("gb2312", range(0xB0, 0xD8), range(0xA1, 0xFF)),
        _pairs("big5", range(0xA4, 0xC7), chain(range(0x40, 0x7F), range(0xA1, 0xFF))),
    )
    ranks = {character: rank for rank, character in reversed([*enumerate(_HAN)])}
    ranks |= dict.fromkeys(_TRADITIONAL, 200)
    return dict.fromkeys(everyday, _EVERYDAY) | {
        character: 3.5 + 0.7 * math.log(rank + 1) for character, rank in ranks.items()
    }


@cache
def _everyday_hangul() -> frozenset[str]:
    return frozenset(_pairs("euc-kr", range(0xB0, 0xC9), range(0xA1, 0xFF)))


def _pairs(codec: str, lead: Iterable[int], trail: Iterable[int]) -> Iterator[str]:
    return (bytes(pair).decode(codec, "replace") for pair in product(lead, trail))


class _Classes(dict[int, str]):
    """The class of a character, for ``str.translate``; capitals are capital letters."""

    def __missing__(self, code: int) -> str:
        found = _class(chr(code))
        if len(self) < _MAX_CACHED:
            self[code] = found
        return found


def _class(character: str) -> str:
    if character.isalpha():
        script = next(
            name
            for end, name in (
                ("\x80", "a"),
                ("\u0370", "l"),
                ("\u0400", "g"),
                ("\u0530", "c"),
                ("\U0010ffff", "h"),
            )
            if character < end
        )
        return script.upper() if character.isupper() else script
    if character < "\x80" or character in _TYPOGRAPHY or character in _PUNCTUATION:
        return " "
    return "s"


_CLASSES = _Classes()
_BAD_NEIGHBOURS = re.compile(
    # a capital inside a word, two scripts in a word, a sign inside a word, a lone letter
    r"(?<=[alcg])(?=[LCG])|(?<=[lcg])(?=A)|(?<=[aAlL])(?=[hcCgG])|(?<=[hcCgG])(?=[aAlL])"
    r"|(?<=[aAlLcCgG])(?=s[aAlLcCgG])|(?<![cC])(?=[cC](?![cC]))|(?<![gG])(?=[gG](?![gG]))"
)

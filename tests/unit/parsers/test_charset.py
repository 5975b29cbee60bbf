"""Decode bytes: small cases, and the shared corpus if it is present."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.text.charset import Decoded, decode, encoding_of, header_label, meta_label
from parsers.text.charset_labels import CODECS, LABELS
from tests.corpus import corpus, vectors

NEWS = "今天上午，市民政局公布了新一批改造名单——“居民优先”，李·明说，共一百二十项。"
TAIWAN = "台北訊：交通部今日宣布，東部幹線鐵路將於下月起增開十二班列車，以因應連續假期。"


def page(text: str, charset: str = "") -> str:
    meta = f'<meta charset="{charset}">' if charset else ""
    return f"<html><head>{meta}</head><body><p>{text}</p></body></html>"


@pytest.mark.parametrize("label", ["gb2312", "gbk", "GB18030", "x-gbk", "chinese", "cp936"])
def test_every_label_of_gb_encodings_decodes_gb18030(label: str) -> None:
    text = page(NEWS + "朱镕基、陶喆、𠮷", label)

    assert decode(text.encode("gb18030")) == Decoded(text, "gb18030", 0)
    assert decode(page(NEWS).encode("gb18030"), f"text/html; charset={label}").text == page(NEWS)


def test_dash_and_middle_dot_of_gb2312_are_kept() -> None:
    # Python's own gb2312 codec turns these two into a bar and a katakana dot.
    assert decode(b"<meta charset=gb2312>\xa1\xaa\xa1\xaa \xc0\xee\xa1\xa4\xc3\xf7").text.endswith(
        "—— 李·明"
    )


def test_euro_sign_of_windows_936_is_read() -> None:
    found = decode("票价".encode("gbk") + b"\x80" + "五元整".encode("gbk"), "text/html;charset=gbk")

    assert (found.text, found.replacement_count) == ("票价€五元整", 0)


@pytest.mark.parametrize(
    ("pair", "character"), [(b"\xa6\xd9", "︐"), (b"\xfe\x59", "龴"), (b"\xfe\xa0", "龻")]
)
def test_former_private_characters_decode_by_gb18030_2022(pair: bytes, character: str) -> None:
    text = page(NEWS, "gbk").encode("gbk")

    assert character in decode(text.replace(b"<p>", b"<p>" + pair)).text


@pytest.mark.parametrize("content_type", ["text/html; charset=gbk", "text/html;charset=iso-8859-1"])
def test_valid_utf8_wins_over_every_label(content_type: str) -> None:
    text = page(NEWS, "gb2312")

    assert decode(text.encode(), content_type) == Decoded(text, "utf-8", 0)


@pytest.mark.parametrize(
    ("mark", "codec", "name"),
    [
        (b"\xef\xbb\xbf", "utf-8", "utf-8"),
        (b"\xff\xfe", "utf-16le", "utf-16le"),
        (b"\xfe\xff", "utf-16be", "utf-16be"),
    ],
)
def test_byte_order_mark_decides_and_leaves_the_text(mark: bytes, codec: str, name: str) -> None:
    text = page(NEWS, "gbk")

    assert decode(mark + text.encode(codec), "text/html; charset=gbk") == Decoded(text, name, 0)


@pytest.mark.parametrize("codec", ["utf-16le", "utf-16be"])
def test_utf16_without_a_mark_shows_by_its_zero_bytes(codec: str) -> None:
    assert decode(page(NEWS).encode(codec)).text == page(NEWS)


def test_header_beats_meta_where_both_fit_and_meta_where_the_header_does_not() -> None:
    body = page(NEWS, "big5").encode("gbk")

    assert decode(body, "text/html; charset=gbk").encoding == "gb18030"
    assert decode(page(NEWS, "gbk").encode("gbk"), "text/html; charset=utf-8").text == page(
        NEWS, "gbk"
    )


def test_latin_label_of_a_server_gives_way_to_chinese_bytes() -> None:
    assert decode(page(NEWS).encode("gbk"), "text/html; charset=ISO-8859-1").encoding == "gb18030"


def test_latin_label_stays_for_latin_bytes() -> None:
    text = page("Le café — “déjà vu” à l’été")

    found = decode(text.encode("cp1252"), "text/html; charset=ISO-8859-1")
    assert found == Decoded(text, "windows-1252", 0)


@pytest.mark.parametrize("label", ["", "big5", "Big5-HKSCS"])
def test_big5_is_distinguished_from_gb18030(label: str) -> None:
    text = page(TAIWAN + "嘅咗", label)

    assert decode(text.encode("big5hkscs")) == Decoded(text, "big5", 0)


def test_chinese_without_any_label_is_read() -> None:
    assert decode(page(NEWS).encode("gbk")).text == page(NEWS)
    assert decode("<p>今日要闻</p>".encode("gbk")).text == "<p>今日要闻</p>"


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("shift_jis", "cp932", "東京都は本日、新しい計画を発表した①"),
        ("euc-kr", "cp949", "서울시는 오늘 똠방각하 계획을 발표했다"),
        ("windows-1251", "cp1251", "Сегодня утром объявили новый список"),
        ("iso-2022-jp", "iso2022_jp", "東京都は本日"),
        ("iso-8859-2", "iso8859-2", "Dziś rano ogłoszono nową listę"),
    ],
)
def test_other_languages_are_read_by_their_label(label: str, codec: str, text: str) -> None:
    assert decode(page(text, label).encode(codec)) == Decoded(page(text, label), label, 0)


LATIN = [
    ("windows-1252", "Größere Fähren für den Hafen: Köln prüft die Überfahrt über die Straße."),
    ("windows-1252", "La traversée a été retardée ; le préfet espère une reprise dès l’été."),
    ("windows-1252", "El alcalde anunció que la travesía volverá mañana; ¿cuándo llegará el año?"),
    ("windows-1252", "Il sindaco dice che la città è più vicina: così tornerà la nave."),
    ("windows-1252", "A travessia não será suspensa; a câmara já aprovou a operação."),
    ("windows-1252", "Färjan går åter över sundet, säger hamnen på tisdagen."),
    ("windows-1252", "Færgen sejler igen på tirsdag, siger havnen på øen."),
    ("windows-1252", "De haven meldt: de ideeën zijn geëvalueerd, één boot blijft."),
    ("windows-1252", "It’s the ferry’s first crossing – “a long wait”, the owner said…"),
    ("windows-1250", "Přístav oznámil, že příští trajekt přijede ještě dnes večer."),
    ("windows-1250", "Prom znów pływa: zarząd portu ogłosił, że rejsy ruszą w środę."),
    ("windows-1250", "A kikötő közölte, hogy az első hajó jövő héten indul újra, bővülő úton."),
    ("iso-8859-2", "Statek wypłynął wcześnie rano, ponieważ śluzę już otwarto."),
    ("windows-1254", "Feribot seferleri yarın başlıyor; yolcuların çoğu bunu bekliyordu, dedi."),
    ("windows-1251", "Паром снова ходит через залив, сообщил порт во вторник."),
    ("koi8-r", "Паром снова ходит через залив, сообщил порт во вторник."),
    ("windows-1251", "Пором знову ходить через затоку, повідомив порт у вівторок її мешканцям."),
    ("windows-1253", "Το πλοίο επιστρέφει αύριο στο λιμάνι, είπε ο δήμαρχος της πόλης."),
]  # fmt: skip
EAST_ASIAN = [
    ("gb18030", "渡轮明天恢复运营，港口表示第一班船早上出发。"),
    ("gb18030", "港口渡輪明天恢復營運，第一班船早上出發，市長表示歡迎。"),
    ("big5", "港口渡輪明天恢復營運，第一班船早上出發，市長表示歡迎。"),
    ("shift_jis", "フェリーは明日から運航を再開すると、港の担当者が話した。"),
    ("euc-jp", "フェリーは明日から運航を再開すると、港の担当者が話した。"),
    ("euc-kr", "여객선은 내일부터 다시 운항을 시작한다고 항구 관계자가 말했다."),
]
FALSELY_LABELLED = [
    *((*case, label) for case in LATIN for label in ("", "utf-8", "gbk", "iso-8859-1")),
    *((*case, label) for case in EAST_ASIAN for label in ("", "utf-8", "iso-8859-1")),
]


@pytest.mark.parametrize(("encoding", "text", "label"), FALSELY_LABELLED)
def test_text_without_a_true_label_is_read_in_its_encoding(
    encoding: str, text: str, label: str
) -> None:
    body = page(text, label).encode(CODECS[encoding])

    assert decode(body).text == page(text, label)
    assert decode(body, f"text/html; charset={label}" if label else "").text == page(text, label)


@pytest.mark.parametrize("label", ["", "utf-8", "iso-8859-1"])
@pytest.mark.parametrize("text", ["Größere", "fröhlich", "España", "não", "été", "it’s", "naïve"])
def test_single_word_of_a_western_language_is_not_chinese(text: str, label: str) -> None:
    found = decode(page(text, label).encode("cp1252"))

    assert (found.text, found.encoding) == (page(text, label), "windows-1252")


def test_latin_page_stays_latin_among_long_scripts() -> None:
    script = f"<script>var x = '{'Ab0@' * 50_000}';</script>"
    text = page(script + LATIN[0][1])

    assert decode(text.encode("cp1252")).text == text


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (f'<?xml version="1.0" encoding="gb2312"?><rss>{NEWS}</rss>', "text/xml"),
        (f"<?xml version='1.0' encoding='GBK'?><rss>{NEWS}</rss>", "application/rss+xml"),
    ],
)
def test_xml_declaration_is_a_label(body: str, content_type: str) -> None:
    assert decode(body.encode("gbk"), content_type).text == body
    assert meta_label(body.encode("gbk")) == "gb18030"


@pytest.mark.parametrize("codec", ["utf-8", "gbk"])
def test_last_character_cut_in_the_middle_costs_one_character(codec: str) -> None:
    whole = f"<meta charset={codec}>{NEWS}名单"

    found = decode(whole.encode(codec)[:-1])
    assert found.text == f"{whole[:-1]}\ufffd"
    assert found.replacement_count == 1


def test_one_bad_byte_costs_one_character_not_the_page() -> None:
    start, end = NEWS[:20], NEWS[20:]
    for codec in ("utf-8", "gbk"):
        body = start.encode(codec) + b"\xff" + end.encode(codec)
        found = decode(body, f"text/html; charset={codec}")
        assert (found.text, found.replacement_count) == (f"{start}\ufffd{end}", 1)


def test_ascii_after_a_bad_lead_byte_survives() -> None:
    body = NEWS.encode("gbk") + b"\xd0<b>x</b>"

    assert decode(body, "text/html; charset=gbk").text == f"{NEWS}\ufffd<b>x</b>"


def test_replacement_characters_of_the_page_itself_do_not_count() -> None:
    text = f"{NEWS}\ufffd\ufffd"

    assert decode(text.encode()).replacement_count == 0
    assert decode(text.encode("gb18030"), "text/html; charset=gb18030") == Decoded(
        text, "gb18030", 0
    )
    assert decode(b"\xff\xfe" + text.encode("utf-16le")).replacement_count == 0


def test_utf7_is_never_decoded() -> None:
    body = b"<p>+ADw-script+AD4-</p>"

    assert decode(body, "text/html; charset=utf-7").text == body.decode()


def test_overlong_and_surrogate_forms_never_become_characters() -> None:
    found = decode(b"a\xc0\xbcscript b\xed\xa0\xbd", "text/html; charset=utf-8")

    assert found.encoding == "utf-8"
    assert "<" not in found.text
    assert found.replacement_count == 5


def test_no_label_reaches_a_codec_outside_the_list() -> None:
    assert set(LABELS.values()) == set(CODECS)
    for name in CODECS.values():
        assert codecs.lookup(name)._is_text_encoding
    for label in ("utf-7", "rot13", "base64", "idna", "unicode_escape", "hex", "punycode"):
        assert encoding_of(label) is None


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("text/html", None),
        ("", None),
        ("text/html; charset=", None),
        ("TEXT/HTML; CHARSET=GBK", "gb18030"),
        ("text/html;charset= gbk ", "gb18030"),
        ('text/html; charset="gbk"', "gb18030"),
        ("text/html; charset='gbk'", "gb18030"),
        ("text/html; charset=utf-8; charset=gbk", "utf-8"),
        ("text/html; charset=none; charset=gbk", "gb18030"),
        ('text/html; note="a; charset=gbk"', None),
        ("text/html; mycharset=gbk", None),
    ],
)
def test_header_label(header: str, name: str | None) -> None:
    assert header_label(header) == name


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"<meta charset=gbk>", "gb18030"),
        (b"<META CHARSET='gbk'/>", "gb18030"),
        (b'<meta content="text/html; charset=gbk" http-equiv=Content-Type>', "gb18030"),
        (b'<meta content="text/html; charset=gbk">', None),
        (b"<!-- <meta charset=utf-8> --><meta charset=gbk>", "gb18030"),
        (b'<p title="<meta charset=utf-8>"><meta charset=gbk>', "gb18030"),
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<metacharset=gbk>", None),
        (b"<meta charset=gbk", None),
        (b"x" * 5000 + b"<meta charset=gbk>", "gb18030"),
    ],
)
def test_document_label(start: bytes, name: str | None) -> None:
    assert meta_label(start) == name


@given(st.binary(max_size=300), st.sampled_from([*sorted(LABELS), "utf-7", "", "x;y"]))
def test_any_bytes_become_text_that_can_be_stored(body: bytes, label: str) -> None:
    found = decode(body, f"text/html; charset={label}")

    assert found.text.encode("utf-8").decode("utf-8") == found.text
    assert 0 <= found.replacement_count <= found.text.count("\ufffd")
    assert found.encoding in CODECS


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=200))
def test_utf8_is_read_back_as_it_was(text: str) -> None:
    assert decode(("<p>" + text).encode(), "text/html; charset=gbk").text == "<p>" + text


def test_every_counted_page_of_the_shared_corpus_is_right() -> None:
    folder = corpus("charset")
    cases = json.loads((folder / "index.json").read_text(encoding="utf-8"))["cases"]
    counted = [case for case in cases if not case["informational"]]
    wrong = [case["id"] for case in counted if not _is_right(folder, case)]

    assert len(counted) == 86
    assert wrong == []


def _is_right(folder: Path, case: dict[str, str]) -> bool:
    body = (folder / case["file"]).read_bytes()
    text = re.sub("\ufffd+", "\ufffd", decode(body, case["content_type"]).text)
    if case["intended_text"] is None:
        return case["must_contain"] in text
    found = re.search(r'<p id="?t"?>(.*?)(?:</p>|$)', text, re.DOTALL)
    return (found.group(1) if found else text) == re.sub("\ufffd+", "\ufffd", case["intended_text"])


def test_sniffing_vectors_of_html5lib_hold() -> None:
    cases = [
        case
        for case in vectors("vectors/html5lib_encoding_sniff.json")
        # decode handles a byte order mark; a meta element written by a script does not count.
        if "scripted" not in case["file"] and not case["data_latin1"].startswith("\xef\xbb\xbf")
    ]
    wrong = [
        case["data_latin1"]
        for case in cases
        if (meta_label(case["data_latin1"].encode("latin-1")) or "windows-1252")
        != encoding_of(case["encoding"])
    ]

    assert len(cases) >= 78
    assert wrong == []


def test_encoding_vectors_of_w3lib_hold_where_they_agree_with_whatwg() -> None:
    cases = vectors("vectors/w3lib_encoding_tests.json")
    headers = [case for case in cases if case["func"] == "http_content_type_encoding"]
    labels = [case for case in cases if case["func"] == "resolve_encoding"]

    # w3lib refuses some sloppy headers that browsers and we understand; never the reverse.
    for case in headers:
        if case["expected"] is not None:
            assert header_label(case["args"][0]) == encoding_of(case["expected"]), case["args"]
        elif "utf-8" not in case["args"][0] or 'x"' in case["args"][0]:
            assert header_label(case["args"][0]) is None, case["args"]
    for case in labels:
        expected = encoding_of(case["expected"]) if case["expected"] else None
        assert encoding_of(case["args"][0]) == expected, case["args"]
    assert len(headers) > 20
    assert labels

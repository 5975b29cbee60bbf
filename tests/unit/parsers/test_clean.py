"""Clean bodies: removed and kept markup, and idempotence."""

from __future__ import annotations

import gzip
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.content_hash import content_hash
from parsers.html.blocks import MAX_BOXES
from parsers.html.clean import BOXES, HEADINGS, INLINE, Cleaned, clean_body
from parsers.html.select import document, select_one
from parsers.text.charset import decode
from parsers.text.plain import plain_text
from tests.corpus import corpus, vectors

BASE = "https://finance.example/a/202203142308441556.html"


def clean(fragment: str) -> Cleaned:
    return clean_body(fragment, BASE)


KEPT = {
    "paragraphs": ("<p>一</p> <p>二</p>", "<p>一</p>\n<p>二</p>"),
    "emphasis": (
        "<p><strong>一</strong>二<em>三</em></p>",
        "<p><strong>一</strong>二<em>三</em></p>",
    ),
    "headings": ("<h2 id='toc-1'>题</h2>文", "<h2>题</h2>\n<p>文</p>"),
    "lists": (
        "<ul><li>一</li><li>二<ol start=3><li>三</li></ol></li></ul>",
        '<ul><li>一</li>\n<li>二<ol start="3"><li>三</li>\n</ol>\n</li>\n</ul>',
    ),
    "quotes": (
        "<blockquote><p>编辑导语</p></blockquote>",
        "<blockquote><p>编辑导语</p>\n</blockquote>",
    ),
    "tables": (
        '<table border=1><tr><td colspan="2" style="x">1</td></tr><tr><td>2</td><td></td></tr></table>',
        '<table><tr><td colspan="2">1</td>\n</tr>\n<tr><td>2</td>\n<td></td>\n</tr>\n</table>',
    ),
    "code": (
        '<pre><code class="hljs language-c++">int a[2] = &#123;1&#125;;\n  b();</code></pre>',
        '<pre><code class="language-c++">int a[2] = {1};\n  b();</code></pre>',
    ),
    "links": (
        '<a href="/b?x=1&y=2">甲</a>',
        '<p><a href="https://finance.example/b?x=1&amp;y=2">甲</a></p>',
    ),
    "images": (
        '<center><img src="a.png" alt="图" width=600 height="300" border=0 /></center>',
        '<p><img src="https://finance.example/a/a.png" alt="图" width="600" height="300"></p>',
    ),
    "captions_beside_the_text": (
        "<figure><img src='/a.png'><figcaption class='beside-text'>图注</figcaption></figure>",
        '<figure><img src="https://finance.example/a.png">'
        '<figcaption class="beside-text">图注</figcaption>\n</figure>',
    ),
    "embedded_media": (
        "<p>一<iframe src='//video.example/1' title='片 段'></iframe>二</p>",
        '<p>一</p>\n<figure class="beside-text"><a href="https://video.example/1">片 段</a>'
        "</figure>\n<p>二</p>",
    ),
    "figures": (
        "<figure><img src='/a.png'><figcaption>图注</figcaption></figure>",
        '<figure><img src="https://finance.example/a.png"><figcaption>图注</figcaption>\n</figure>',
    ),
    "escapes": (
        "<p>《&lt;蒙特利尔议定书&gt;基加利修正案》</p>",
        "<p>《&lt;蒙特利尔议定书&gt;基加利修正案》</p>",
    ),
    "escaped_script": (
        "<p>&lt;script&gt;x()&lt;/script&gt;</p>",
        "<p>&lt;script&gt;x()&lt;/script&gt;</p>",
    ),
    "twice_escaped": ("<p>&amp;lt;b&amp;gt;</p>", "<p>&amp;lt;b&amp;gt;</p>"),
    "forced_breaks": ("<p>一<br>二<br/><br/>三</p>", "<p>一<br>二</p>\n<p>三</p>"),
    "bare_text": ("一<div>二</div><br>三", "<p>一</p>\n<p>二</p>\n<p>三</p>"),
    "emphasis_around_paragraphs": (
        "<strong><p>一</p><p>二</p></strong>",
        "<p><strong>一</strong></p>\n<p><strong>二</strong></p>",
    ),
    "deep_spans": (
        "<p>" + "<span><b>" * 20 + "一" + "</b></span>" * 20 + "二</p>",
        "<p><b>一</b>二</p>",
    ),
    "words_between_rows": (
        "<table><tr><td>1</td></tr>甲<tr><td>2</td></tr></table>",
        "<table><tr><td>1</td>\n</tr>\n</table>\n<p>甲</p>\n<table><tr><td>2</td>\n</tr>\n</table>",
    ),
    "paragraphs_of_a_caption": (
        "<table><caption><p>表</p><p>名</p></caption><tr><td>1</td></tr></table>",
        "<table><caption>表<br>名</caption>\n<tr><td>1</td>\n</tr>\n</table>",
    ),
    "divisions_of_a_cell": (
        "<table><tr><td><div>1</div><div>2</div></td></tr></table>",
        "<table><tr><td>1<br>2</td>\n</tr>\n</table>",
    ),
    "visible_characters": ("<p>一&#8203;二&shy;三&#65279;</p>", "<p>一二三</p>"),
    "sentence": ("　　一句话。\n", "<p>一句话。</p>"),
}

GONE = {
    "hidden_spacer": '<p style="display:none;height:1px;overflow:hidden;"><br /></p>一',
    "hidden_words": '<span style="font-size:0">x</span><i hidden>y</i><b style="visibility: hidden">z</b>一',
    "comments": "<!-- x -->一",
    "stock_chart": (
        '<!-- EM_StockImg_Start --><p style="text-align:center;"><a href="http://quote.example/r" '
        'class="Other"><img src="https://k.example/GetPic.aspx?nid=116.00700&imageType=k&at=1" />图'
        "</a></p><!-- EM_StockImg_End -->一"
    ),
    "stock_chart_without_comments": (
        '<p><a class="EmImageRemark" href="http://q.example/"><img src="https://k.example/p"></a></p>一'
    ),
    "stock_keywords": (
        '<span id="stock_1.600000"><a class="keytip" data-code="1,600000" href="http://q.example/">'
        '一</a></span><span id="Info.3"><a class="infokey" href="http://i.example/"></a></span>'
    ),
    "sector_keywords": '<span id="bk_90.BK0475"><a href="http://q.example/">一</a></span>',
    "keyword_links": '<span class="hrefStyle"><a href="https://ecep.example/c.html">一</a></span>',
    "advertisement": '<div class="ad_context3"><p>广告</p><script>x</script></div>一',
    "promotion": '<p><a class="toplink" href="http://x.example/">下载</a>一</p>',
    "close_button": '<img class="em_handle_adv_close" src="/x.png">一',
    "scripts": "<script>x</script><style>y{}</style><noscript>n</noscript><template>t</template>一",
    "forms": "<form action=/x>一<input name=p><button>b</button><textarea>t</textarea></form>",
    "tracker": (
        '<img src="https://t.example/x.gif" width=1 height=1><img src="//hm.baidu.com/hm.gif">'
        '<img style="width:1px;height:1px" src="/p.gif">一'
    ),
    "placeholder": '<img src="https://picsum.photos/400/300?random=606">一',
    "data_image": '<img src="data:image/png;base64,AAAA">一',
    "script_link": '<a href="javascript:alert(1)">一</a>',
    "empty_elements": "<p></p><p>&nbsp;</p><b></b><ul><li></li></ul><table><tr><td></td></tr></table>一",
    "attributes": '<p class="x" id="y" style="color:red" onclick="z()" data-a="b">一</p>',
}


@pytest.mark.parametrize("case", KEPT)
def test_article_markup_is_kept(case: str) -> None:
    fragment, html = KEPT[case]

    assert clean(fragment).html == html


@pytest.mark.parametrize("case", GONE)
def test_insertions_of_sites_are_removed(case: str) -> None:
    cleaned = clean(GONE[case])

    assert (cleaned.html, cleaned.text, cleaned.lead_image) == ("<p>一</p>", "一", None)


def test_unclosed_chart_removes_nothing() -> None:
    assert clean("<!-- EM_StockImg_Start --><p>一</p><!-- other --><p>二</p>").text == "一\n\n二"


@pytest.mark.parametrize(
    ("image", "source"),
    [
        (
            '<img src="/blank.gif" data-original="https://i.example/a.jpg">',
            "https://i.example/a.jpg",
        ),
        ('<img data-src="//i.example/a.jpg">', "https://i.example/a.jpg"),
        (
            '<img src="https://cors.zfour.workers.dev/?http://i.example/a.jpg">',
            "http://i.example/a.jpg",
        ),
        ('<img src="data:x" data-actualsrc="a.jpg">', "https://finance.example/a/a.jpg"),
        ('<img src="a.jpg" data-original="">', "https://finance.example/a/a.jpg"),
    ],
)
def test_image_has_its_own_address(image: str, source: str) -> None:
    cleaned = clean(f"<p>一{image}</p>")

    assert cleaned.lead_image == source
    assert f'<img src="{source}">' in cleaned.html


BOILERPLATE = {
    "credit": ('<p>一</p><p class="em_media">（文章来源：财联社）</p>', "财联社"),
    "credit_with_keyword_spans": (
        '<p>一</p><p class="em_media">（文章来源：上海<span id="Info.1"><a class="infokey">证券</a></span>'
        "<span></span>报）</p>",
        "上海证券报",
    ),
    "credit_without_its_class": (
        "<p>一</p><p>（文章来源：上海<a href=/x>证券</a>报）</p>",
        "上海证券报",
    ),
    "credit_at_the_end_of_a_paragraph": ("<p>一（文章来源：财联社）</p>", "财联社"),
    "credit_after_a_break": ("<p>一<br>（文章来源：<b>财</b>联社）</p>", "财联社"),
    "credit_with_brackets": (
        "<p>一</p><p>（文章来源：安信国际证券(香港)）</p>",
        "安信国际证券(香港)",
    ),
    "credit_in_half_width": (
        "<p>一</p><p>(文章来源: Career In投行PEVC)</p>",
        "Career In投行PEVC",
    ),
    "credit_without_brackets": ("<p>一</p><p>文章来源：某日报</p>", "某日报"),
    "marked_credit_of_another_form": (
        '<p>一</p><p class="em_media">来源：界面新闻</p>',
        "界面新闻",
    ),
    "empty_credit": ("<p>一</p><p>（文章来源：）</p>", None),
    "editor": ("<p>一</p><p>（责任编辑：示例 ）</p>", None),
    "marked_editor": ('<p>一</p><p class="res-edit">责任编辑：示例</p>', None),
    "both_without_brackets": (
        "<p>一</p><p>本文来源：某报 责任编辑：示例_N1</p>",
        "某报",
    ),
    "short_editor": ("<p>一</p><p>【编辑:示例】</p><p>编辑： 示例</p>", None),
    "editor_and_reader": ("<p>一</p><p>编辑 示例 校对 例示</p>", None),
    "both": ("<p>一（文章来源：财联社）（责任编辑：示例）</p>", "财联社"),
    "notice": (
        "<p>一</p><p>郑重声明：东方财富网发布此信息的目的在于传播更多信息，与本站立场无关。</p>",
        None,
    ),
    "share_hint": (
        "<p>打开微信，点击底部的“发现”，使用“扫一扫”即可将网页分享至朋友圈。</p><p>一</p>",
        None,
    ),
}


@pytest.mark.parametrize("case", BOILERPLATE)
def test_boilerplate_is_removed_and_its_credit_is_the_publisher(case: str) -> None:
    fragment, publisher = BOILERPLATE[case]
    cleaned = clean(fragment)

    assert (cleaned.text, cleaned.publisher) == ("一", publisher)
    assert cleaned.html == "<p>一</p>"


def test_boilerplate_after_an_image_is_removed() -> None:
    cleaned = clean("<p><img src='/i.png'> 一<b>二（文章来源：财联社）</b></p>")

    assert cleaned.html == '<p><img src="https://finance.example/i.png"> 一<b>二</b></p>'


@pytest.mark.parametrize(
    "line",
    [
        "文章来源于网络，侵权请联系删除。",
        "郑重声明：本公司从未授权任何机构。",
        "编辑导语：去年，国内头部互联网企业均发布了报告。",
        "作者：示例，编辑：示例；公众号：示例",
        "图片来源：示例图库",
        "编辑：本刊首席，兼任主笔。",
        "他说责任编辑：是一份工作。",
        "他打开微信给朋友发了一条消息。",
    ],
)
def test_lines_that_only_look_like_boilerplate_stay(line: str) -> None:
    assert clean(f"<p>{line}</p>").text == line


@pytest.mark.parametrize(
    "fragment",
    [
        "<p>原文链接：https://mp.example/s/65jea-NDg_KY4</p>",
        "<p>原文链接：<a href='https://mp.example/s/65jea-NDg_KY4'>点击查看</a></p>",
        "<p>（原文地址: https://mp.example/s/65jea-NDg_KY4）</p>",
    ],
)
def test_original_address_is_found_and_its_line_stays(fragment: str) -> None:
    cleaned = clean(fragment)

    assert cleaned.original_url == "https://mp.example/s/65jea-NDg_KY4"
    assert cleaned.text.lstrip("（").startswith("原文")


def test_hidden_tag_given_as_body_is_cleaned() -> None:
    page = document(
        "<div id=js_content style='visibility: hidden'><p>一</p></div><table><tr><td>1</table>"
    )

    assert clean_body(select_one(page, "#js_content"), BASE).html == "<p>一</p>"
    assert clean_body(select_one(page, "table"), BASE).html.startswith("<table><tr><td>1")


def test_captions_and_embedded_media_do_not_change_the_text_of_a_source() -> None:
    plain = clean(
        "<p>一</p><figure><img src='/a.png'><figcaption>图注</figcaption></figure><p>二</p>"
    )
    rich = clean(
        "<p>一</p><iframe src='/v'></iframe><figure><img data-src='/a.png'><noscript><img src='/a.png'>"
        "</noscript><figcaption>图注</figcaption></figure><p>二<video src='/v.mp4'>无</video></p>"
    )

    assert content_hash("题", rich.text) == content_hash("题", plain.text)
    assert plain.text.split() == ["一", "图注", "二"]


def test_text_in_invalid_places_is_kept() -> None:
    cleaned = clean(
        "<table>甲<tr>乙<td>丙</td></tr></table><ul>丁<li>戊</ul><dl>己</dl><li>庚<td>辛"
    )

    assert cleaned.text.split() == list("甲乙丙丁戊己庚辛")


def test_deeply_nested_elements_keep_their_text() -> None:
    for tag in ("div", "b", "blockquote", "ul><li"):
        assert clean(f"<{tag}>" * 5_000 + "深").text == "深"


@pytest.mark.parametrize(
    "line",
    [
        "一" + " 责任编辑：示例" * 20_000,
        "（文章来源：（" * 20_000,
        "<pre>一" + " " * 60_000 + "（责任编辑：</pre>",
        "打开微信" * 20_000,
        pytest.param(
            "<p>" + ("<span>" + "一" * 100 + "</span>") * 50_000, marks=pytest.mark.nightly
        ),
    ],
    ids=["repeated", "unclosed", "blank", "hints", "pieces"],
)
def test_time_is_linear_in_hostile_lines(line: str) -> None:
    start = time.process_time()
    cleaned = clean(line)
    content_hash("题", cleaned.text)

    assert time.process_time() - start < 5


def test_boxes_nest_only_so_deep() -> None:
    assert clean("<blockquote>" * 1000 + "深").html.count("<blockquote>") == MAX_BOXES


class Audit(HTMLParser):
    """Everything in a piece of HTML that is not on the list."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in INLINE | BOXES | HEADINGS | {"p", "pre", "br", "img"}:
            self.bad.append(tag)
        for name, value in attrs:
            if name not in {"href", "src", "alt", "title", "width", "height", "class", "start"} | {
                "colspan", "rowspan",
            }:  # fmt: skip
                self.bad.append(f"{tag} {name}")
            if name in {"href", "src"} and not (value or "").startswith(
                ("http://", "https://", "mailto:")
            ):
                self.bad.append(f"{tag} {name}={value}")

    def handle_comment(self, data: str) -> None:
        self.bad.append(f"<!--{data}")


def unsafe(html: str) -> list[str]:
    audit = Audit()
    audit.feed(html)
    audit.close()
    return audit.bad


ATTACKS = [
    "<p onclick=alert(1)>t</p>",
    "<script>alert(1)</script>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<a href='java&#10;script:alert(1)'>x</a>",
    "<a href=' &#1;javascript:alert(1)'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<img src=x onerror=alert(1)>",
    '<img src="https://i.example/a.png" alt="&quot; onerror=alert(1) x=&quot;">',
    "<svg><script>alert(1)</script></svg><svg onload=alert(1)>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(1)></style></mglyph></table></mtext></math>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
    "<form action=//evil.example><input name=p></form>",
    "<style>*{background:url(//evil.example/)}</style>",
    "<base href=//evil.example/><meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<object data=x></object><embed src=x><link rel=import href=x>",
    "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'></xmp>",
    "<plaintext><script>alert(1)</script>",
    "<title><img src=x onerror=alert(1)></title><textarea><img src=x onerror=alert(1)></textarea>",
    "<!--><img src=x onerror=alert(1)>--><![CDATA[<script>alert(1)</script>]]>",
    '<a href="https://x.example/\'><script>alert(1)</script>">x</a>',
    '<code class="language-x&quot; onclick=&quot;y">c</code>',
    "<<script>alert(1)//<</script>",
    "<td colspan='2\" onclick=\"x'>1</td>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_a_browser_executes_survives(attack: str) -> None:
    once = clean(attack)

    assert unsafe(once.html) == []
    assert unsafe(clean(once.html).html) == []


def test_every_markup_attack_of_the_shared_corpus_is_harmless() -> None:
    cases = [case for case in vectors("attacks.json") if case["category"] == "html-sanitize"]
    bad = {case["id"]: found for case in cases if (found := unsafe(clean(case["payload"]).html))}

    assert len(cases) >= 8
    assert bad == {}


TAGS = (
    "p", "div", "span", "b", "i", "a", "ul", "ol", "li", "table", "tr", "td", "th", "thead",
    "tbody", "caption", "blockquote", "pre", "code", "h2", "dl", "dt", "dd", "figure", "figcaption",
    "center", "font", "section", "script", "style", "q", "ruby", "form", "svg", "math",
)  # fmt: skip
ANOMALIES = (
    "<a href=/x>", "<a href='http://q.example/?a=1&b'>", "<img src=/i.png alt='a\"<'>", "<br>",
    "<hr>", "一", "中国 人民", "  ", "\n", " y ", "&nbsp;", "　　段", "\ta\n b", "&amp;lt;",
    "&lt;b&gt;", "（文章来源：财联社）", "责任编辑：示例", "（责任编辑：示例）",
    "郑重声明：与本站立场无关", "原文链接：https://a.example/c", "&#0;&#8203;", "<",
    "<!-- c -->", "<!-- EM_StockImg_Start -->", "<!-- EM_StockImg_End -->",
    "<p style='display:none'>", "<span class=hrefStyle>", "<iframe src=/v></iframe>",
    "<video src=/v>", "<noscript><img src=/n.png></noscript>", "<img srcset='/a.png 1x,/b.png 2x'>",
    "<picture><source srcset=/s.png>", "<figcaption class=beside-text>", "<embed src=/e>",
    "<figure class=beside-text>", "</body>",
)  # fmt: skip
PIECES = st.lists(
    st.one_of(
        st.builds("<{}{}>".format, st.sampled_from(["", "/"]), st.sampled_from(TAGS)),
        st.sampled_from(ANOMALIES),
        st.text(max_size=5),
    ),
    max_size=25,
).map("".join)


@given(PIECES)
def test_cleaning_twice_changes_nothing(fragment: str) -> None:
    once = clean(fragment)
    twice = clean(once.html)

    assert (twice.html, twice.text) == (once.html, once.text)
    assert (twice.lead_image, twice.original_url) == (once.lead_image, once.original_url)
    assert twice.publisher is None


@given(PIECES)
def test_clean_html_is_safe_and_its_text_is_its_own(fragment: str) -> None:
    once = clean(fragment)

    assert unsafe(once.html) == []
    assert plain_text(once.html) == once.text


@pytest.mark.nightly
def test_real_pages_are_clean_once_cleaned() -> None:
    pages = sorted(corpus("extraction").glob("*/html/*.html.gz"))[::12]
    assert len(pages) >= 10
    for path in pages:
        once = clean(_page(path))
        assert clean(once.html).html == once.html, path.name
        assert plain_text(once.html) == once.text, path.name
        assert unsafe(once.html) == [], path.name


def _page(path: Path) -> str:
    return decode(gzip.decompress(path.read_bytes())).text

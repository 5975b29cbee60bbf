"""Plain text: paragraphs, lines, cells and hidden elements."""

from __future__ import annotations

import time

import pytest

from parsers.html.select import document
from parsers.text.plain import plain_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>一</p><p>二</p>", "一\n\n二"),
        ("<p>一</p>\n <p>二</p>\n", "一\n\n二"),
        ("一<div>二<div>三</div></div>四", "一\n\n二\n\n三\n\n四"),
        ("<p>一<br>二<br><br>三</p>", "一\n二\n三"),
        ("<h2>题</h2>文", "题\n\n文"),
        ("上海<span><a>证券</a></span><b></b>报", "上海证券报"),
        ("<p>a  b\n c&nbsp;\u3000d</p>", "a b c d"),
        ("<p>a <b> b </b> c</p>", "a b c"),
        ("<p><b>a </b>b<i> c</i></p>", "a b c"),
        ("<ul><li>一</li><li><p>二</p></li></ul><p>三</p>", "一\n\n二\n\n三"),
        ("<ul><li>一</li><li>二</li></ul>", "一\n二"),
        ("<dl><dt>词</dt><dd>义</dd></dl>", "词\n义"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>", "1\t2\n3\t4"),
        ("<table><tr><td>1</td><td></td><td>3</td></tr></table>", "1\t\t3"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td></td><td>4</td></tr></table>", "1\t2\n\t4"),
        ("<table><tr><td><p>1</p><p>2</p></td><td><p>3</p></td></tr></table>尾", "1\n2\t3\n\n尾"),
        (
            "<p>首</p><table><caption>表</caption><tbody><tr><th>1</th></tr></tbody></table>",
            "首\n\n表\n1",
        ),
        ("<pre>a\n  b\n\n c </pre>", "a\n  b\n\n c"),
        ("<p>x</p><pre><code>if a:\r\n\tb</code></pre>", "x\n\nif a:\n\tb"),
        ("<p>&lt;script&gt;</p>", "<script>"),
        ("a<script>x</script><style>y</style><!-- z --><noscript>n</noscript>b", "ab"),
        ("<p>一</p><hr><p>二</p>", "一\n\n二"),
        ("<p>一&#8203;二&shy;三&#65279;</p>", "一二三"),
        ("", ""),
        ("<p> \n </p>", ""),
    ],
)
def test_html_becomes_its_visible_text(html: str, text: str) -> None:
    assert plain_text(html) == text
    assert plain_text(document(html)) == text


def test_time_is_linear_in_nested_elements() -> None:
    page = document("<div><p>文" * 5_000)
    start = time.process_time()

    assert plain_text(page).count("文") == 5_000
    assert time.process_time() - start < 2

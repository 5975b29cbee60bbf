"""Chinese credits in brackets: the names of authors and no other names."""

from __future__ import annotations

import pytest

from parsers.extract.credits import bracketed_authors
from tests.unit.parsers.body_pages import CHINESE, lines, read

SENTENCE = CHINESE.sentences[0]


@pytest.mark.parametrize(
    ("credit", "authors"),
    [
        ("（记者 张三）", ("张三",)),
        ("（记者：张三 李四）", ("张三", "李四")),
        ("（本报记者张三、李四）", ("张三", "李四")),
        ("（示例日报·在线记者 张三 通讯员 李四）", ("张三", "李四")),
        ("（总台记者 张三 实习生 李四 编辑 王五）", ("张三", "李四")),
        ("（记者 张三 示例市报道）", ("张三",)),
        ("（本文作者：张三，某公司经济学家）", ("张三",)),
        ("（作者：张三 责任编辑：王五）", ("张三",)),
        ("（来源：示例日报 作者：张三）", ("张三",)),
        ("（文/图 张三）", ("张三",)),
        ("（文｜张三）", ("张三",)),
        ("（采写：张三）", ("张三",)),
        ("（ 作者： 张 三 ）", ("张三",)),
        ("（记者 欧阳·买买提）", ("欧阳·买买提",)),
        ("（张三/示例日报）", ("张三",)),
        ("（示例日报 张三）", ("张三",)),
        ("【作者：张三】", ("张三",)),
        ("〔记者 张三〕", ("张三",)),
        ("(记者 张三)", ("张三",)),
        ("（记者 张三 摄）", ()),
        ("（作者系某大学教授）", ()),
        ("（作者单位：某大学）", ()),
        ("（责任编辑：王五）", ()),
        ("（摄影：王五）", ()),
        ("（来源：示例日报）", ()),
        ("（记者团队）", ()),
        ("（文章发布于周四）", ()),
        ("（完）", ()),
    ],
)
def test_credit_names_the_authors(credit: str, authors: tuple[str, ...]):
    assert bracketed_authors(SENTENCE + credit) == authors
    assert bracketed_authors(credit + SENTENCE) in (authors, ())


@pytest.mark.parametrize("end", ["<p>{0}（记者 张三）</p>", "<p>{0}</p><p>（记者 张三）</p>"])
@pytest.mark.parametrize("after", ["", "<p>责任编辑：王五</p>", "<ul>{0}</ul>"])
def test_credit_at_the_end_of_the_text_is_found(after: str, end: str):
    links = "".join(f"<li><a href='/{n}'>另一篇新闻的标题第{n}条</a></li>" for n in range(15))

    article = read(CHINESE.first + end.format(CHINESE.sentences[2]) + after.format(links), CHINESE)

    assert article.authors == ("张三",)
    assert len(lines(article)) >= 3


def test_account_below_the_title_is_the_author():
    line = "<div>示例人文 2024-05-02 10:00:00</div>"

    assert read(line + CHINESE.first + CHINESE.last, CHINESE).authors == ("示例人文",)


def test_time_is_linear_in_brackets():
    assert bracketed_authors("（记者" * 50_000) == ()
    assert bracketed_authors("记者 " * 50_000 + "（" + "文/" * 50_000) == ()

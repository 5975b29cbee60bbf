"""Front matter and file names: nothing executes, nothing leads out of its folder."""

from __future__ import annotations

import json

import pytest

from flows.import_export.export_journal import JOURNAL
from flows.import_export.jsonl_csv import write_jsonl
from parsers.errors import BadFrontMatter
from parsers.frontmatter import distinct_paths, post_path, read_post
from parsers.frontmatter.file_names import MAX_NAME_BYTES, folded
from parsers.frontmatter.yaml_quote import writable
from tests.security.payloads import DIALECTS, STEERING, in_time, payloads, posts_of
from tests.unit.import_export.conftest import make_article, write_posts
from warehouse.rows import StoredPost

HOSTILE_WORDS = payloads(
    "yaml",
    "a: b", "\"quoted\" and 'single'", "line\nbreak", "x\n---\n# body", "x\n...\nlayout: evil",
    "- list", '!!python/object/apply:os.system ["id"]', "&a *a", "*a", "#comment", " #c", "@at",
    "`x`", "%TAG", "{a: b}", "[a, b]", "key: |\n  x", "> folded", " lead", "trail ", "\ufeffbom",
    "null", "~", "yes", "no", "on", "1", "0x1f", "1e3", "12:30:45", "2022-03-14", "=", "<<", "? q",
    "\\", "\\n", '\\"', "'", '"', "''", "tab\tx", "\x85nel", "ls\u2028ps\u2029", "a\x00b", "a\x1b[2Jb",
    "\ud800half", "---", "...", "!", "|", "a\r\nb", "{{ x }}", "{% x %}", "😀", ": ", "a #b", ",",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE_WORDS)
def test_any_title_goes_through_front_matter_as_it_is(text) -> None:
    for (dialect, head, _), (_, plain, _) in zip(
        posts_of(make_article(source="gazette", title=text)),
        posts_of(make_article(source="gazette", title="plain")),
        strict=True,
    ):
        assert head == plain | {"title": writable(text)}, dialect


@pytest.mark.parametrize("text", HOSTILE_WORDS)
def test_any_name_goes_through_front_matter_as_it_is(text) -> None:
    fields = {"source": "gazette", "categories": ("x", "y"), "tags": ("x", "y")}
    hostile = make_article(
        **fields | {"publisher": text, "authors": (text, "plain"), "tags": (text, "plain")}
    )
    plain = make_article(**fields | {"publisher": "plain", "authors": ("plain",)})
    for (dialect, head, _), (_, usual, _) in zip(posts_of(hostile), posts_of(plain), strict=True):
        assert set(head) == set(usual)
        assert head["author" if dialect == "hexo" else "publisher"] == writable(text)
        assert head["authors"] == head["tags"] == [writable(text), "plain"]


@pytest.mark.parametrize("text", HOSTILE_WORDS)
def test_any_single_category_goes_through_front_matter_as_it_is(text) -> None:
    for _, head, _ in posts_of(make_article(source="gazette", categories=(text,))):
        assert head["categories"] in (writable(text), [writable(text)])


HOSTILE_NAMES = payloads(
    "path-traversal",
    "", ".", "..", "../../etc/passwd", "/etc/passwd", "a/b/c", "..\\..\\x", "C:\\x", "con", "NUL.txt",
    "a\nb", "a\x00b", ".htaccess", "-rf", "\u202egpj.exe", "e\u0301", "~root", "x" * 5000, "字" * 300,
    "a.", "a ", "$(id)", "`id`", "%2e%2e%2f", "\ud800", "a\u2028b", "....//", "．．／x",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_id_leads_out_of_the_folder(name, tmp_path) -> None:
    site, outside = tmp_path / "site", set(tmp_path.rglob("*"))
    articles = [
        make_article(source="gazette", source_article_id=name, title=name),
        make_article(source=name, source_article_id="1", title=name),
        make_article(source="gazette", source_article_id="1", title=name),
    ]
    for dialect in DIALECTS:
        paths = [post_path(article, dialect) for article in articles]
        assert len({folded(path) for path in paths}) == 3
        for path in paths:
            assert len(path.rpartition("/")[2].encode("utf-8")) <= MAX_NAME_BYTES
            assert not set(path) & (STEERING | {"\\", "\n"})
            assert ".." not in path
    exported = write_posts([(one, None) for one in articles], site, "jekyll")

    assert len(exported.written) == 3
    made = set(tmp_path.rglob("*")) - outside
    assert all(path.resolve().is_relative_to(site.resolve()) for path in made)


@pytest.mark.parametrize(
    "name", ["../x.md", "/x.md", "a/../../x.md", ".git/hooks/x", "a\0b.md", ""]
)
def test_no_imported_path_leads_out_of_the_folder(name, tmp_path) -> None:
    article = make_article()
    post = StoredPost(data=b"x", dialect="jekyll", path=name)

    exported = write_posts([(article, post)], tmp_path / "site", "jekyll")

    assert len(exported.written) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert not (tmp_path / "site" / ".git").exists()
    assert list(distinct_paths([("a", name)]).values()) == exported_names(name)


def exported_names(name: str) -> list[str]:
    (path,) = distinct_paths([("a", name)]).values()
    assert not path.startswith(("/", "."))
    assert "/" not in path
    return [path]


def test_ids_that_a_disk_could_confuse_get_files_of_their_own(tmp_path) -> None:
    ids = ["e\u0301", "\u00e9", "E\u0301", "A", "a", "ａ", "ﬁ", "fi", "x/y", "x-y", "x\\y"]
    rows = [(make_article(source="g", source_article_id=one), None) for one in ids]

    exported = write_posts(rows, tmp_path, "hexo")

    assert len({folded(path) for path in exported.written}) == len(ids)


@pytest.mark.parametrize("link", ["_posts", "file", JOURNAL])
def test_no_export_writes_through_a_link(link, tmp_path) -> None:
    site, elsewhere, article = tmp_path / "site", tmp_path / "elsewhere", make_article()
    site.mkdir()
    elsewhere.mkdir()
    target = elsewhere / "target.md"
    target.write_bytes(b"")
    path = site / (post_path(article, "jekyll") if link == "file" else link)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(elsewhere if link == "_posts" else target)

    for _ in range(2):
        if link == JOURNAL:
            with pytest.raises(OSError, match="is a link"):
                write_posts([(article, None)], site, "jekyll")
        else:
            exported = write_posts([(article, None)], site, "jekyll")
            assert "is a link" in next(iter(exported.failed.values()))

    assert list(elsewhere.iterdir()) == [target]
    assert target.read_bytes() == b""
    assert path.is_symlink()


def test_an_export_to_one_file_replaces_a_link_and_not_its_target(tmp_path) -> None:
    target, file = tmp_path / "target", tmp_path / "out.jsonl"
    target.write_bytes(b"mine")
    file.symlink_to(target)

    write_jsonl([make_article()], file)

    assert target.read_bytes() == b"mine"
    assert json.loads(file.read_bytes())["title"] == "标题"


@pytest.mark.parametrize(
    "head",
    [
        'title: !!python/object/apply:os.system ["touch pwned"]\n',
        "title: !!python/name:os.system\n",
        "a0: &a0 [x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
        + "tags: *a9\n",
        f"title: {'[' * 300}\n",
    ],
    ids=["python", "name", "aliases", "deep"],
)
def test_no_head_of_a_post_executes_or_multiplies(head, elsewhere) -> None:
    post = f"---\n{head}date: 2022-01-01\n---\n<p>words</p>\n".encode()

    with pytest.raises(BadFrontMatter):
        in_time(lambda: read_post(post, "_posts/2022-01-01-x.md"), 2)

    assert list(elsewhere.iterdir()) == []

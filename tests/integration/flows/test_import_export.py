"""Posts in and out: the seeds byte for byte, twice the same, and every fetched article."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from flows.errors import ConfigurationError
from flows.import_export.export_posts import export_articles
from tests import site
from warehouse import connect_read_only

pytestmark = pytest.mark.e2e

SEEDS = Path(site.__file__).parent / "seeds"
# Jekyll's own rule for front matter (lib/jekyll/document.rb), and Hexo's for its end.
JEKYLL = re.compile(r"\A(---\s*\n.*?\n?)^((---|\.\.\.)\s*$\n?)", re.MULTILINE | re.DOTALL)
HEXO = re.compile(r"\A(?:-{3,}\n)?([\s\S]+?)\n(-{3,})(?:$|\n)([\s\S]*)$")


@pytest.fixture
def seeded(project):
    project.first = project.import_folder(SEEDS)
    return project


def test_seeds_are_imported_whole(seeded):
    counts = seeded.counts(seeded.first, "new", "quarantined", "failed")

    assert counts == {
        "finews": {"new": 3, "quarantined": 0, "failed": 0},
        "woshipm": {"new": 1, "quarantined": 0, "failed": 0},
        "ofweek": {"new": 1, "quarantined": 0, "failed": 0},
    }
    assert seeded.first.exit_code == 0


@pytest.mark.parametrize("dialect", ["jekyll", "hexo"])
def test_all_five_seeds_survive_import_and_export_check_byte_for_byte(seeded, dialect):
    checked = export_articles(seeded.settings, SEEDS, dialect, check=True)

    assert checked.exported.counts() == {
        "identical": 5, "written": 0, "updated": 0, "rewritten": 0, "taken_over": 0, "removed": 0, "changed": 0,
        "missing": 0, "extra": 0, "failed": 0,
    }  # fmt: skip
    assert checked.exit_code == 0


@pytest.mark.parametrize(("dialect", "own"), [("jekyll", 3), ("hexo", 2)])
def test_seeds_written_to_a_fresh_folder_keep_their_bytes_in_their_own_dialect(
    seeded, tmp_path, dialect, own
):
    out = tmp_path / "out"
    export_articles(seeded.settings, out, dialect)

    originals = {seed.name: seed.read_bytes() for seed in SEEDS.glob("*.txt")}
    written = {file.name: file.read_bytes() for file in out.rglob("*.txt")}
    assert len(written) == own
    assert written.items() <= originals.items()
    again = export_articles(seeded.settings, out, dialect, check=True)
    assert (again.exported.counts()["identical"], again.exit_code) == (5, 0)


def test_one_changed_byte_is_found_and_named(seeded, tmp_path):
    copies = tmp_path / "copies"
    shutil.copytree(SEEDS, copies)
    (seed,) = copies.glob("000_*")
    seed.write_bytes(seed.read_bytes().replace(b"cailianshe\n", b"cailianshe \n", 1))

    checked = export_articles(seeded.settings, copies, "jekyll", check=True)

    assert checked.exit_code == 4
    assert checked.exported.changed == [seed.name]
    assert "line 5" in checked.message()


def test_posts_that_are_no_part_of_the_export_are_named_and_no_difference(seeded, tmp_path):
    copies = tmp_path / "copies"
    shutil.copytree(SEEDS, copies)
    for number in range(12):
        (copies / f"about-{number:02}.md").write_text("# about\n", encoding="utf-8")

    checked = export_articles(seeded.settings, copies, "jekyll", check=True)
    written = export_articles(seeded.settings, copies, "jekyll")

    for done in (checked, written):
        assert (done.exit_code, len(done.as_json()["extra_files"])) == (0, 12)
        assert "12 files belong to no exported article" in done.message()
        assert "about-09.md and 2 more (--json names all)" in done.message()
    assert checked.as_json()["extra_files"][0] == "about-00.md"


def test_message_of_a_check_of_a_missing_folder_names_the_remedy(seeded, tmp_path):
    with pytest.raises(ConfigurationError, match="export there first"):
        export_articles(seeded.settings, tmp_path / "absent", "jekyll", check=True)


def test_second_import_changes_nothing(seeded):
    before = seeded.rows("SELECT * FROM articles ORDER BY article_id")

    again = seeded.import_folder(SEEDS)

    totals = again.totals()
    assert (totals["new"], totals["updated"], totals["unchanged"]) == (0, 0, 5)
    assert seeded.rows("SELECT * FROM articles ORDER BY article_id") == before


def test_fetched_and_imported_seeds_are_the_same_contents(project):
    project.sync()
    report = project.import_folder(SEEDS)

    counts = project.counts(report, "new", "updated", "unchanged", "duplicate")
    assert counts["finews"] == {"new": 0, "updated": 0, "unchanged": 3, "duplicate": 0}
    assert counts["woshipm"] == {"new": 0, "updated": 0, "unchanged": 0, "duplicate": 1}
    assert counts["ofweek"] == {"new": 0, "updated": 0, "unchanged": 0, "duplicate": 1}


def test_imported_post_never_replaces_the_page_fetched_since(project):
    project.sync("finews")
    sql = "SELECT parser FROM articles WHERE article_id = 'finews:NW202203142308441556'"

    project.import_folder(SEEDS)

    assert project.rows(sql) == [("finews",)]


def test_unreadable_post_stays_in_quarantine_until_it_is_repaired(project, tmp_path):
    posts = tmp_path / "posts"
    posts.mkdir()
    good = b"---\ntitle: A ferry returns\ndate: 2026-03-14 08:00:00 +08:00\n---\nIt is back.\n"
    broken = posts / "2026-03-14-broken.md"
    broken.write_bytes(b"---\ntitle: never closed\n\nIt is back.\n")
    (posts / "2026-03-14-good.md").write_bytes(good)

    report = project.import_folder(posts, source="harbour")

    assert project.counts(report, "new", "quarantined") == {"harbour": {"new": 1, "quarantined": 1}}
    assert report.exit_code == 3
    sql = "SELECT url, reason, resolved_at IS NOT NULL FROM quarantine"
    assert project.rows(sql) == [("2026-03-14-broken.md", "bad_front_matter", False)]

    broken.write_bytes(good.replace(b"returns", b"leaves"))
    project.import_folder(posts, source="harbour")

    assert project.rows(sql) == [("2026-03-14-broken.md", "bad_front_matter", True)]


def test_post_with_an_empty_title_is_resolved_by_its_complete_copy(project, tmp_path):
    head = '---\nlayout: post\ntitle: "{}"\ndate: {} +0800\ncategories: emnews\ntags: 东财滚动新闻\n---\n'
    body = "> 快评\n\n<p>示例公司宣布启用新型制冷液。</p>\n\n<{}>\n"
    empty, whole = (
        tmp_path / "-202205262391921712.md",
        tmp_path / "2022-05-26-202205262391921712.md",
    )
    link = "http://finance.eastmoney.com/news/1354,202205262391921712.html"
    empty.write_text(head.format("", "") + body.format(""), encoding="utf-8")
    sql = "SELECT source, article_id, resolved_at IS NOT NULL FROM quarantine"

    project.import_folder(empty)
    assert project.rows(sql) == [("finews", "finews:202205262391921712", False)]

    complete = head.format("国内首次启用", "2022-05-26 00:19:55") + body.format(link)
    whole.write_text(complete, encoding="utf-8")
    project.import_folder(whole)
    assert project.rows(sql) == [("finews", "finews:202205262391921712", True)]


def test_every_fetched_article_writes_a_post_that_strict_readers_accept(project, tmp_path):
    project.sync()
    titles = dict(project.rows("SELECT article_id, title FROM articles"))
    strict = YAML(typ="safe", pure=True)

    for dialect, rule in (("jekyll", JEKYLL), ("hexo", HEXO)):
        out = tmp_path / dialect
        exported = export_articles(project.settings, out, dialect).exported
        files = [out / name for name in exported.written]
        assert len(files) == len(titles)
        assert len({str(file).casefold() for file in files}) == len(files)
        assert all(out.resolve() in file.resolve().parents for file in files)
        found = set()
        for file in files:
            text = file.read_bytes().decode("utf-8")
            head = rule.match(text).group(1).strip().strip("-").strip()
            loose, exact = yaml.safe_load(head), strict.load(StringIO(head))
            assert loose["title"] == exact["title"]
            found.add(exact["title"])
        assert found == set(titles.values())


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_one_file_formats_hold_every_article_and_can_be_checked(project, tmp_path, format_):
    project.sync("ofweek")
    export_articles(project.settings, tmp_path / "out", format_)

    same = export_articles(project.settings, tmp_path / "out", format_, check=True)
    assert (same.exported.identical, same.exit_code) == ([f"articles.{format_}"], 0)

    project.news_site.edition = 2
    project.sync("ofweek")
    assert export_articles(project.settings, tmp_path / "out", format_, check=True).exit_code == 4


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
@pytest.mark.parametrize(
    "theirs",
    [b"name,price\r\n", b'{"name": 1}\n', b"[]\n", b"\xff\xfe\n", b'{"article_id": 1}\n'],
)
def test_foreign_file_is_not_overwritten(synced, tmp_path, format_, theirs):
    file = tmp_path / f"articles.{format_}"
    file.write_bytes(theirs)

    done = export_articles(synced.settings, tmp_path, format_)

    assert file.read_bytes() == theirs
    assert done.exit_code == 3
    assert "copydesk did not write it; move it away" in done.message()


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_earlier_export_is_replaced_even_one_of_no_article(project, tmp_path, format_):
    project.sync("ofweek")
    none = export_articles(project.settings, tmp_path, format_, source="finews")
    some = export_articles(project.settings, tmp_path, format_, source="ofweek")
    project.news_site.edition = 2
    project.sync("ofweek")
    more = export_articles(project.settings, tmp_path, format_)

    name = f"articles.{format_}"
    assert (none.exported.written, some.exported.updated, more.exported.updated) == (
        [name],
        [name],
        [name],
    )


def test_jsonl_has_the_documented_keys_in_order(synced, tmp_path):
    export_articles(synced.settings, tmp_path, "jsonl")

    lines = (tmp_path / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    keys = [
        "article_id",
        "source",
        "source_article_id",
        "url",
        "canonical_url",
        "title",
        "authors",
        "publisher",
        "published_at",
        "published_on",
        "published_raw",
        "published_precision",
        "published_timezone",
        "published_timezone_source",
        "updated_at",
        "categories",
        "tags",
        "language",
        "lead_image",
        "media",
        "body_html",
        "text",
        "completeness",
        "content_hash",
        "parser",
        "parser_version",
        "provenance",
        "original_url",
    ]
    assert [list(json.loads(line)) for line in lines] == [keys] * len(lines)


@pytest.mark.parametrize("format_", ["jekyll", "jsonl", "parquet"])
def test_export_of_an_unknown_source_exits_2_and_leaves_files_alone(
    project, run_cli, tmp_path, format_
):
    project.import_folder(SEEDS)
    out = tmp_path / "out"
    command = ["export", out, "--format", format_, "--json", "--config", project.config]
    code, text, _ = run_cli(*command)
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}

    assert (code, json.loads(text)["articles"]) == (0, 5)
    assert run_cli(*command, "--source", "finew")[0] == 2
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("dialect", ["jekyll", "hexo", "hugo"])
def test_importing_ones_own_export_changes_nothing(stored, tmp_path, dialect):
    tables = ("articles", "revisions", "sightings", "quarantine", "_store.posts")
    before = [stored.rows(f"FROM {table} ORDER BY ALL") for table in tables]
    out = tmp_path / "out"
    export_articles(stored.settings, out, dialect)

    whole = stored.import_folder(out)
    part = stored.import_folder(
        *{file.parent for file in out.rglob("*.*") if file.suffix != ".jsonl"}
    )

    for report in (whole, part):
        totals = report.totals()
        assert totals["discovered"] == totals["unchanged"] == len(before[0])
    assert [stored.rows(f"FROM {table} ORDER BY ALL") for table in tables] == before
    assert export_articles(stored.settings, out, dialect, check=True).exit_code == 0


def test_an_article_is_known_from_its_import_on_and_not_before(stored, tmp_path):
    known = "SELECT article_id FROM articles_as_of(?::TIMESTAMPTZ)"
    ((first,),) = stored.rows("SELECT min(first_seen_at) FROM articles")
    stored.import_folder(SEEDS)
    ((imported,),) = stored.rows("SELECT min(started_at) FROM runs WHERE flow = 'import'")

    with connect_read_only(stored.settings.warehouse.snapshot) as db:
        counts = [len(db.execute(known, [at]).fetchall()) for at in (first, imported)]
        ((total,),) = db.execute("SELECT count(*) FROM articles").fetchall()
        before = first - timedelta(seconds=1)
        assert db.execute(known, [before]).fetchall() == []
    assert counts[0] <= counts[1] == total


def test_a_post_edited_after_the_export_is_a_revision_with_the_time_of_the_edit(stored, tmp_path):
    out = tmp_path / "out"
    export_articles(stored.settings, out, "hexo", source="ofweek")
    post = sorted(out.rglob("*.md"))[0]
    post.write_bytes(post.read_bytes().replace(b"<p>", "<p>更正：".encode(), 1))

    totals = stored.import_folder(post).totals()

    assert (totals["updated"], totals["quarantined"]) == (1, 0)
    ((valid_from, first_seen_at),) = stored.rows(
        "SELECT r.valid_from, a.first_seen_at FROM revisions r JOIN articles a USING (article_id) "
        "WHERE r.revision = 2 AND r.source = 'ofweek'"
    )
    assert first_seen_at < valid_from


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_empty_selection_replaces_a_full_file_only_when_allowed(synced, tmp_path, format_):
    export_articles(synced.settings, tmp_path, format_)
    file = tmp_path / f"articles.{format_}"
    before, future = file.read_bytes(), datetime(2100, 1, 1, tzinfo=UTC)

    refused = export_articles(synced.settings, tmp_path, format_, since=future)
    assert (refused.exit_code, refused.exported.changed) == (3, [file.name])
    assert file.read_bytes() == before
    assert "no article is selected: check --source and --since" in refused.message()

    export_articles(synced.settings, tmp_path, format_, since=future, allow_empty=True)
    assert file.read_bytes() != before
    again = export_articles(synced.settings, tmp_path, format_, since=future)
    assert (again.exit_code, again.exported.identical) == (0, [file.name])

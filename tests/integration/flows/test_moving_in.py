"""The owner of a site of posts moves in: import, sync, corrections, files of others, broken heads."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from flows.import_export.export_posts import export_articles
from parsers.content_hash import content_hash
from tests import site as test_site
from warehouse import connect, observe, transaction, upsert_articles
from warehouse.read.articles import read_records

pytestmark = pytest.mark.e2e
SEEDS = Path(test_site.__file__).parent / "seeds"


@pytest.fixture(scope="module")
def their_site(synced, tmp_path_factory):
    """A site whose generator wrote the posts of finews in a form of its own."""
    site = tmp_path_factory.mktemp("site")
    export_articles(synced.settings, site, "jekyll", source="finews")
    (site / ".copydesk-export.jsonl").unlink()
    posts = sorted(site.rglob("*.md"))
    for number, post in enumerate(posts):
        post.write_bytes(post.read_bytes().replace(b" +08:00\n", b" +0800\n", 1))
        if number % 7 == 0:  # moved away and written again
            (site / "old_post").mkdir(exist_ok=True)
            shutil.copy(post, site / "old_post" / post.name)
    return site


@pytest.fixture
def site(their_site: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(their_site, tmp_path / "site"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.relative_to(folder).as_posix().startswith(".copydesk")
    }


def changed(before: dict[str, bytes], folder: Path) -> dict[str, bytes]:
    return {path: data for path, data in files_of(folder).items() if before.get(path) != data}


def export(project, site, **options):
    """The counts of an export of the imported source that are not zero."""
    done = export_articles(project.settings, site, "jekyll", source="finews", **options)
    return {kind: count for kind, count in done.exported.counts().items() if count}


def test_posts_keep_their_bytes_until_a_source_corrects_their_article(project, site: Path) -> None:
    before = files_of(site)
    assert project.import_folder(site).totals()["quarantined"] == 0
    ((articles,),) = project.rows("SELECT count(*) FROM articles")

    assert project.sync("finews").totals()["updated"] == 0
    ((read,),) = project.rows("SELECT count(*) FROM articles WHERE parser = 'finews'")
    assert read > articles / 2
    assert export(project, site) == {"identical": len(before)}
    assert export(project, site, check=True) == {"identical": len(before)}
    assert files_of(site) == before

    project.news_site.edition = 2
    totals = project.sync("finews").totals()
    done = export(project, site)

    assert totals["updated"] > 0
    assert done["updated"] == totals["updated"]
    assert changed(before, site).keys() - before.keys() == files_of(site).keys() - before.keys()
    assert len(changed(before, site).keys() & before.keys()) == done["updated"]
    assert "changed" not in done
    after = files_of(site)
    again = project.import_folder(site).totals()
    assert again["unchanged"] == again["discovered"] == len(after)
    assert export(project, site) == {"identical": len(after)}


def test_files_of_others_are_updated_from_the_day_they_are_taken_over(project, site: Path) -> None:
    project.sync("finews")
    before = files_of(site)
    renamed = site / "_posts" / "a-name-of-the-owner.md"
    own = sorted((site / "_posts").glob("2022-03-1*.md"))[0]
    article = own.stem
    own.rename(renamed)
    shutil.rmtree(site / "old_post")
    (site / "about.md").write_text("no post")

    left = export(project, site)
    assert (left["changed"], left["written"]) == (len(before) - 8, 1)
    next(site.rglob(f"{article}.md")).unlink()
    taken = export(project, site, take_over=True)
    assert taken == {"taken_over": left["changed"] + 1, "extra": 1}
    again = export(project, site)

    assert again == {"identical": taken["taken_over"], "extra": 1}
    project.news_site.edition = 2
    updated = project.sync("finews").totals()["updated"]
    done = export(project, site)
    assert (done["updated"], done["extra"]) == (updated, 1)
    assert "changed" not in done


BROKEN = {
    "_posts/2022-03-01-a.md": "layout: post\ntitle: a: b\n",
    "_posts/2022-03-02-b.md": "title: @home\ntags:\n\t- one\n",
    "_posts/2022-03-03-c.md": 'title: "the "new" one"\ncover: `x`\n',
    "_posts/2022-03-04-d.md": "title: %d points\ndate: 2022-02-30\n",
    "source/_posts/e.md": "title: 'it's new'\ncomments: false\n",
}
WHOLE = {
    "_posts/2022-03-05-f.md": "title: 'plain'\n",
    "_posts/2022-03-06-g.md": "title: >-\n  a: b\n",
}


def test_heads_that_are_no_yaml_are_rewritten_once_and_stay(project, tmp_path, run_cli) -> None:
    site = tmp_path / "site"
    for path, head in (BROKEN | WHOLE).items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(f"---\n{head}---\n\nThe words of {path}.\n")
    before = files_of(site)
    assert project.import_folder(site).totals()["new"] == len(before)
    tables = ("articles", "revisions", "_store.posts", "quarantine")
    stored = [project.rows(f"FROM {table} ORDER BY ALL") for table in tables]
    command = ["export", site, "--format", "jekyll", "--json", "--config", project.config]
    assert run_cli(*command)[0] == 0
    assert files_of(site) == before

    code, out, _ = run_cli(*command, "--rewrite")

    found = json.loads(out)
    assert (code, found["rewritten"], found["identical"]) == (0, len(BROKEN), len(WHOLE))
    assert changed(before, site).keys() == BROKEN.keys()
    titles = {path: yaml.safe_load(head_of(data))["title"] for path, data in files_of(site).items()}
    assert set(titles.values()) == {
        title for (title,) in project.rows("SELECT title FROM articles")
    }
    for options in ([], ["--rewrite"], ["--check"], ["--rewrite", "--check"]):
        code, out, _ = run_cli(*command, *options)
        assert (code, json.loads(out)["identical"]) == (0, len(before))
    assert project.import_folder(site).totals()["unchanged"] == len(before)
    assert [project.rows(f"FROM {table} ORDER BY ALL") for table in tables] == stored


def head_of(data: bytes) -> str:
    return data.decode().split("---\n")[-2]


def test_a_site_is_imported_from_its_root_with_its_language_and_its_time_zone(
    project, tmp_path, run_cli
) -> None:
    site = tmp_path / "site"
    head = "---\ntitle: {}\ndate: 2022-03-14 08:00:00\n---\nThe words of {}.\n"
    for name in ("_posts/a.md", "news/_posts/b.md", "category/c.md"):
        (site / name).parent.mkdir(parents=True)
        (site / name).write_text(head.format(name, name))
    (site / "_posts/bad.md").write_bytes("---\ntitle: 标题\n---\n正文\n".encode("gbk"))
    (site / "_config.yml").write_text("lang: zh-CN\ntimezone: Asia/Shanghai\n")
    sql = "SELECT language, epoch(published_at)::INT % 86400 // 3600 FROM articles"

    def imported(*options: str) -> tuple[dict[str, int], set[tuple[str, int]]]:
        command = ["import", site, "--json", "--config", project.config, *options]
        code, out, _ = run_cli(*command)
        assert code == 3
        found = json.loads(out)
        assert found["left_out"] == [
            {"folder": ".", "reason": "outside the folders of posts", "files": 1},
            {"folder": "category", "reason": "outside the folders of posts", "files": 1},
        ]
        return found["totals"], set(project.rows(sql))

    totals, values = imported()
    assert (totals["new"], totals["quarantined"], values) == (2, 1, {("zh-CN", 0)})
    for options, expected in (
        (("--time-zone", "America/New_York"), {("zh-CN", 12)}),
        (("--time-zone", "Europe/Berlin", "--language", "de"), {("de", 7)}),
        ((), {("zh-CN", 0)}),
    ):
        for _ in range(2):
            totals, values = imported(*options)
            assert (totals["unchanged"], values) == (2, expected)
            records = project.rows("SELECT count(*) FROM _store.article_records")
        assert imported(*options)[1] == expected
        assert project.rows("SELECT count(*) FROM _store.article_records") == records
    assert project.rows("SELECT DISTINCT revision_count FROM articles") == [(1,)]
    assert project.rows("SELECT categories FROM articles ORDER BY title")[1] == (["news"],)
    assert run_cli("import", site, "--time-zone", "Mars", "--config", project.config)[0] == 2


def test_a_post_without_an_id_keeps_its_file_when_a_source_reads_its_article(
    project, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    for seed in sorted(SEEDS.glob("00[12]*.txt")):
        file = site / "source" / "_posts" / f"{seed.stem}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(seed, file)
    before = files_of(site)
    project.import_folder(site)

    def exported(source: str) -> dict[str, int]:
        done = export_articles(project.settings, site, "hexo", source=source).exported
        return {kind: count for kind, count in done.counts().items() if count}

    assert project.sync("woshipm", "ofweek").totals()["duplicate"] >= len(before)
    done = [exported(source) for source in ("woshipm", "ofweek")]

    assert [one["identical"] for one in done] == [1, 1]
    assert changed(before, site).keys().isdisjoint(before)
    titles = [yaml.safe_load(head_of(data))["title"] for data in files_of(site).values()]
    assert len(titles) == len(set(titles))
    with connect(project.settings.warehouse.path) as db, transaction(db):
        sql = "SELECT article_id FROM articles WHERE parser <> 'posts' AND title LIKE '%碳中和%'"
        rows = list(read_records(db, [article_id for (article_id,) in db.execute(sql).fetchall()]))
        later = [
            replace(row, title=f"{row.title}（更正）", fetched_at=datetime.now(UTC), channel="x",
                    content_hash=content_hash(f"{row.title}（更正）", row.text or ""))
            for row in rows
        ]  # fmt: skip
        upsert_articles(db, map(observe, later), run_id="r")
    project.sync("woshipm")

    assert [exported(source)["updated"] for source in ("woshipm", "ofweek")] == [1, 1]
    assert all("（更正）" in files_of(site)[path].decode() for path in before)

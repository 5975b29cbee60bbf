"""Publications: what is written, moved and removed in the folder of a site, and when."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
import yaml

from flows import cli
from flows.errors import ConfigurationError
from flows.pipeline import locks
from flows.publication.check import check_publications
from flows.publication.publish import lock_name
from flows.publication.publish_all import publish_all
from flows.publication.state import state_file
from tests.integration.import_export.desk import COMMAND, post
from tests.unit.warehouse.factories import NOON


def test_second_publication_writes_nothing_and_runs_no_command(desk):
    desk.configure(command=COMMAND, category_pages="category")
    desk.store(post(1, "降准"), post(2, "加息"))

    first = desk.publish()
    before = desk.times()
    second = desk.publish()

    assert list(desk.files()) == [
        "_posts/2026-03-14-feed_1.md",
        "_posts/2026-03-14-feed_2.md",
        "category/emnews.md",
    ]
    assert (first.state, len(first.changes.written), first.exit_code) == ("published", 3, 0)
    assert (second.state, second.changes.unchanged, second.has_work) == ("unchanged", 3, False)
    assert desk.times() == before
    assert desk.command_count == 1


def test_new_article_is_one_file_and_a_corrected_one_updates_its_own(desk):
    desk.configure(command=COMMAND, file_name="{day}-{title}")
    desk.store(post(1, "降准"))
    desk.publish()
    desk.store(post(2, "加息"))

    added = desk.publish()
    desk.store(replace(post(1, "降准更正"), fetched_at=NOON + timedelta(hours=1)))
    corrected = desk.publish()

    assert added.changes.written == ["_posts/2026-03-14-加息.md"]
    assert corrected.changes.updated == ["_posts/2026-03-14-降准.md"]
    assert "降准更正" in desk.files()["_posts/2026-03-14-降准.md"]
    assert desk.command_count == 3


def test_window_of_days_ends_at_the_newest_article_and_moves_older_posts(desk):
    desk.configure(window_days=2)
    desk.store(post(1, "一", day="2026-03-12"), post(2, "二", day="2026-03-13"))
    first = desk.publish()
    plugin = desk.site / "_posts/2026-03-12-feed_1.md"
    plugin.write_text(plugin.read_text("utf-8").replace("layout: post", "layout: post\npin: 1"))
    desk.store(post(3, "三", day="2026-03-14"))

    second = desk.publish()

    assert first.changes.moved == {}
    assert second.changes.moved == {"_posts/2026-03-12-feed_1.md": "old_post/2026-03-12-feed_1.md"}
    assert list(desk.files()) == [
        "_posts/2026-03-13-feed_2.md",
        "_posts/2026-03-14-feed_3.md",
        "old_post/2026-03-12-feed_1.md",
    ]
    assert "pin: 1" in desk.files()["old_post/2026-03-12-feed_1.md"]
    assert desk.publish().has_work is False


def test_window_of_posts_of_each_source_removes_the_rest(desk):
    desk.configure(window_posts=1, rest="remove")
    desk.store(post(1, "一", day="2026-03-12"), post(2, "二", source="wire", day="2020-01-01"))
    desk.publish()
    desk.store(post(3, "三", day="2026-03-14"))

    done = desk.publish()

    assert list(done.changes.removed) == ["_posts/2026-03-12-feed_1.md"]
    assert list(desk.files()) == ["_posts/2020-01-01-wire_2.md", "_posts/2026-03-14-feed_3.md"]


def test_post_of_an_erased_article_is_removed_and_one_that_vanished_stays(desk):
    desk.store(post(1, "一"), post(2, "二"))
    desk.publish()
    desk.store(erase="feed:1")

    done = desk.publish()

    assert done.changes.removed == {"_posts/2026-03-14-feed_1.md": "its article was erased"}
    assert done.vanished == ["_posts/2026-03-14-feed_2.md"]
    assert done.exit_code == 3
    assert list(desk.files()) == ["_posts/2026-03-14-feed_2.md"]


def test_page_of_a_category_that_the_site_has_stays(desk):
    desk.configure(category_pages="category")
    page = desk.site / "category/emnews.md"
    page.parent.mkdir(parents=True)
    page.write_text("---\nlayout: mine\n---\n")
    desk.store(post(1, "一"), post(2, "二", categories=("a/b: c",)))

    done = desk.publish()

    assert (done.exit_code, page.read_text()) == (0, "---\nlayout: mine\n---\n")
    assert "category/a-b-c.md" in desk.files()


def test_publication_that_another_run_holds_is_an_error_of_the_command_only(desk, monkeypatch):
    monkeypatch.setattr("flows.publication.publish.LOCK_SECONDS", 0.0)
    desk.store(post(1, "一"))
    messages: list[str] = []

    with locks.acquire(desk.settings, lock_name("blog"), flow="publish", run_id="blog"):
        after_sync = publish_all(desk.settings, ["blog"], notify=messages.append)
        code = cli.run(["--config", str(desk.folder / "copydesk.toml"), "publish"])

    assert (after_sync.results, len(messages), code) == ((), 1, 1)


def test_crash_between_two_files_is_continued_and_the_command_runs(desk, monkeypatch):
    desk.configure(command=COMMAND)
    desk.store(post(1, "一"), post(2, "二"))
    written = []

    def crash(path: str, data: bytes) -> None:
        written.append(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("flows.output_folder.OutputFolder.write", lambda _self, *given: crash(*given))
        with pytest.raises(KeyboardInterrupt):
            desk.publish()
    (desk.site / written[0]).parent.mkdir(parents=True)
    torn = desk.site / "_posts/.copydesk-export-999999999.tmp"
    torn.touch()
    desk.store(replace(post(1, "一更正"), fetched_at=NOON + timedelta(hours=1)))
    done = desk.publish()

    assert len(done.changes.written) == 2
    assert desk.command_count == 1
    assert not torn.exists()


def test_one_post_for_articles_with_the_same_content(desk):
    desk.configure(per="content")
    desk.store(post(1, "同一"), post(2, "同一", source="wire"))

    assert desk.publish().changes.written == ["_posts/2026-03-14-feed_1.md"]


def test_dry_run_shows_the_changes_and_makes_none(desk):
    desk.configure(command=COMMAND, window_days=1)
    desk.store(post(1, "一", day="2026-03-12"), post(2, "二"))

    shown = desk.publish(dry_run=True)

    assert shown.changes.written == ["old_post/2026-03-12-feed_1.md", "_posts/2026-03-14-feed_2.md"]
    assert (shown.state, shown.has_work, shown.is_command_pending) == ("dry_run", True, True)
    assert not desk.site.exists()
    assert not state_file(desk.settings, "blog").exists()


def test_options_of_front_matter_reach_posts_that_exist(desk):
    desk.store(post(1, "一"))
    desk.publish()
    desk.configure(front_matter={"layout": "article", "pinned": True, "keywords": ["a b", "c"]})
    changed = desk.publish()
    desk.configure(front_matter={"layout": "article"})
    desk.publish()

    assert changed.changes.updated == ["_posts/2026-03-14-feed_1.md"]
    head = yaml.safe_load(desk.files()["_posts/2026-03-14-feed_1.md"].split("---\n")[1])
    assert (head["layout"], head.get("pinned"), head["title"]) == ("article", None, "一")


def test_folder_that_is_a_link_inside_the_site_is_an_error(desk):
    desk.store(post(1, "一"))
    (desk.folder / "elsewhere").mkdir()
    desk.site.mkdir()
    (desk.site / "_posts").symlink_to(desk.folder / "elsewhere")

    done = desk.publish()

    assert (done.exit_code, list(done.changes.failed)) == (1, ["_posts/2026-03-14-feed_1.md"])
    assert list((desk.folder / "elsewhere").iterdir()) == []


def test_feeds_of_articles_and_corrections_are_written_when_an_article_changes(desk):
    desk.configure(format="feed", base_url="https://news.example.org", window_posts=2)
    desk.store(post(1, "一"), post(2, "二"), post(3, "三"))
    first, quiet = desk.publish(), desk.publish()
    desk.store(replace(post(1, "一更正"), fetched_at=NOON + timedelta(hours=1)))
    state_file(desk.settings, "blog").unlink()
    corrected = desk.publish()

    assert first.changes.written == [
        "articles.atom", "articles.json", "corrections.atom", "corrections.json",
    ]  # fmt: skip
    assert quiet.has_work is False
    assert (corrected.exit_code, len(corrected.changes.updated)) == (0, 4)
    articles = json.loads(desk.files()["articles.json"])
    corrections = json.loads(desk.files()["corrections.json"])
    assert (articles["feed_url"], len(articles["items"])) == (
        "https://news.example.org/articles.json",
        2,
    )
    assert [one["title"] for one in corrections["items"]] == ["一更正"]


def test_site_is_built_when_an_article_or_a_template_changes(desk):
    templates = desk.folder / "templates"
    templates.mkdir()
    desk.configure(format="site", templates="templates", title="Desk", command=COMMAND)
    desk.store(post(1, "一"))
    first, quiet = desk.publish(), desk.publish()
    (templates / "style.css").write_text("body { color: black }")
    shown, styled = desk.publish(dry_run=True), desk.publish()

    assert "Desk" in desk.files()["index.html"]
    assert (first.state, quiet.has_work, shown.has_work) == ("published", False, True)
    assert 0 < styled.changes.written_count < first.changes.written_count
    assert desk.command_count == 2


def test_json_lines_have_the_articles_of_the_window(desk):
    desk.configure(format="jsonl", window_days=1)
    desk.store(post(1, "一", day="2026-03-12"), post(2, "二"))

    first, quiet = desk.publish(), desk.publish()

    assert (first.changes.written, quiet.has_work) == (["articles.jsonl"], False)
    (line,) = desk.files()["articles.jsonl"].splitlines()
    assert json.loads(line)["article_id"] == "feed:2"


def test_doctor_finds_wrong_folders_sources_programs_and_a_failed_command(desk, capsys):
    desk.configure(command=[sys.executable, "-c", "raise SystemExit(1)"])
    desk.store(post(1, "一"))
    before = list(check_publications(desk.settings))
    desk.publish()
    failed = list(check_publications(desk.settings))
    cli.run(["--json", "--config", str(desk.folder / "copydesk.toml"), "doctor"])
    shown = json.loads(capsys.readouterr().out)["checks"]
    (desk.folder / "file").touch()
    desk.configure(folder="file/site", sources=["fed"], command=[["no-such-program"]])
    wrong = list(check_publications(desk.settings))

    assert [one.status for one in before] == ["ok"]
    assert [one.status for one in failed] == ["warning"]
    assert failed[0].as_json() in shown
    assert [one.status for one in wrong] == ["error"] * 3


def test_unknown_source_is_a_configuration_error(desk):
    desk.configure(sources=["fed"])
    desk.store(post(1, "一"))

    with pytest.raises(ConfigurationError, match="did you mean 'feed'"):
        desk.publish()


def test_command_line_prints_one_document(desk, capsys):
    desk.store(post(1, "一"))
    config = ["--config", str(desk.folder / "copydesk.toml")]

    code = cli.run(["--json", *config, "publish", "blog"])
    document = json.loads(capsys.readouterr().out)
    missing = cli.run([*config, "publish", "blok"])

    (found,) = document["publications"]
    assert (code, found["name"], found["state"], found["written"]) == (0, "blog", "published", 1)
    assert missing == 2

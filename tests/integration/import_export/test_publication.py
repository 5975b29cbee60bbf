"""Publications: what is written, moved and removed in the folder of a site, and when."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pytest
import yaml

from flows import cli, settings
from flows.errors import ConfigurationError, Interrupted
from flows.import_export.export_posts import export_articles
from flows.pipeline import locks
from flows.publication import command
from flows.publication.check import check_publications
from flows.publication.publish import lock_name, publish
from flows.publication.publish_all import publish_all
from flows.publication.result import PublicationResult
from flows.publication.state import state_file
from parsers.content_hash import content_hash
from tests import empty_warehouse
from tests.unit.warehouse.factories import NOON, article, upsert
from warehouse import ArticleRow, connect
from warehouse import publish as publish_snapshot
from warehouse.records import suppression
from warehouse.rows import StoredPost

COMMAND = [sys.executable, "-c", "open('commands', 'a').write('x')"]
"""Leaves one letter in the folder each time it runs."""


class Desk:
    """A warehouse, a configuration with one publication, and the folder of its site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        empty_warehouse.place(folder / "data" / "copydesk.duckdb")

    def configure(self, **options: Any) -> None:
        given = {"format": "jekyll", "folder": "site"} | options
        lines = [f"{key} = {_toml(value)}" for key, value in given.items()]
        text = "[publish.blog]\n" + "\n".join(lines) + "\n"
        (self.folder / "copydesk.toml").write_text(text, encoding="utf-8")

    @property
    def settings(self) -> settings.Settings:
        return settings.load(self.folder / "copydesk.toml", {})

    def store(self, *rows: ArticleRow, erase: str = "") -> None:
        path = self.settings.warehouse
        with connect(path.path) as db:
            if rows:
                upsert(db, *rows)
            if erase:
                db.execute("DELETE FROM _store.article_versions")
                suppression.suppress(db, article_id=erase, reason="request", at=NOON)
            publish_snapshot(db, path.snapshot)

    def publish(self, *, dry_run: bool = False) -> PublicationResult:
        return publish(self.settings, "blog", dry_run=dry_run)

    def files(self) -> dict[str, str]:
        found = {
            one.relative_to(self.site).as_posix(): one.read_text("utf-8")
            for one in self.site.rglob("*")
            if one.is_file() and one.name != "commands"
        }
        return dict(sorted(found.items()))

    def times(self) -> dict[Path, int]:
        return {
            one: one.stat().st_mtime_ns
            for one in self.folder.rglob("*")
            if one.is_file() and one.suffix != ".lock"
        }

    @property
    def command_count(self) -> int:
        file = self.site / "commands"
        return len(file.read_text()) if file.exists() else 0


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def post(number: int, text: str, *, day: str = "2026-03-14", **changes: Any) -> ArticleRow:
    """An article of the source ``feed``, published at noon of a day."""
    at = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    given: dict[str, Any] = {
        "source": "feed",
        "published_at": at,
        "published_on": date.fromisoformat(day),
        "content_hash": content_hash(text, text),
    }
    return article(number, text, **{**given, **changes})


def imported(row: ArticleRow, path: str, data: bytes, dialect: str = "jekyll") -> ArticleRow:
    return replace(row, post=StoredPost(dialect=dialect, path=path, data=data), channel="import")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.configure()
    return made


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


def test_failing_command_is_an_error_and_is_repeated_when_nothing_is_new(desk):
    script = "import os, sys; print('no route'); sys.exit(0 if os.path.exists('ok') else 7)"
    desk.configure(command=[COMMAND, [sys.executable, "-c", script]])
    desk.store(post(1, "一"))

    first, again = desk.publish(), desk.publish()
    (desk.site / "ok").touch()
    last, quiet = desk.publish(), desk.publish()

    assert (first.exit_code, first.commands[1].exit_code) == (1, 7)
    assert "exit code 7" in first.error
    assert "no route" in first.error
    assert (again.exit_code, again.changes.written, len(again.commands)) == (1, [], 1)
    assert (last.exit_code, last.state, last.error) == (0, "published", "")
    assert quiet.commands == []
    assert desk.command_count == 1, "the first command had succeeded"


def test_commit_that_someone_else_made_is_no_failure_and_the_push_follows(desk):
    commit = ["git", "-c", "user.name=Desk", "-c", "user.email=desk@example.org", "commit"]
    desk.configure(command=[["git", "add", "--all"], [*commit, "--quiet", "-m", "New"], COMMAND])
    desk.site.mkdir()
    subprocess.run(["git", "init", "--quiet", desk.site], check=True)
    (desk.site / ".git/info/exclude").write_text("commands\n")
    desk.store(post(1, "First text."))
    desk.publish()
    next((desk.site / "_posts").iterdir()).unlink()

    second = desk.publish()
    hook = desk.site / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    desk.store(post(2, "Second text."))
    third = desk.publish()

    assert (second.state, second.error, second.commands[1].exit_code) == ("published", "", 1)
    assert (desk.site / "commands").read_text() == "xx"
    assert (third.state, third.is_command_pending, len(third.commands)) == ("failed", True, 2)


def test_stopped_command_is_ended_and_repeated(desk):
    desk.configure(command=[sys.executable, "-c", "import time; time.sleep(60)"])
    desk.store(post(1, "一"))
    asked = iter([False, False, True])

    with pytest.raises(Interrupted):
        publish(desk.settings, "blog", is_stopping=lambda: next(asked, True))
    desk.configure(command=COMMAND)

    assert desk.publish().state == "published"
    assert desk.command_count == 1


def test_child_that_ignores_the_end_of_its_command_is_killed(desk, monkeypatch):
    monkeypatch.setattr(command, "_KILL_SECONDS", 0.2)
    child = "import fcntl, signal, time; signal.signal(15, signal.SIG_IGN); "
    child += "file = open('../held', 'w'); fcntl.flock(file, fcntl.LOCK_EX); time.sleep(60)"
    arguments = ["sh", "-c", '"$0" -c "$1" & wait', sys.executable, child]
    desk.configure(command=arguments, command_timeout_seconds=1)
    desk.store(post(1, "一"))

    assert desk.publish().commands[0].exit_code is None
    with (desk.folder / "held").open("a") as file:
        assert any(_is_free(file) for _ in range(100))


def _is_free(file: IO[str]) -> bool:
    """Whether the process that held the lock of a file ended; wait a moment if not."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    time.sleep(0.05)
    return False


def test_command_beyond_its_time_is_ended_and_secrets_are_not_printed(desk, monkeypatch):
    monkeypatch.setenv("DEPLOY_TOKEN", "s3cr3t-value")
    script = "import os, time; print(os.environ['DEPLOY_TOKEN'], flush=True); time.sleep(60)"
    desk.configure(command=[sys.executable, "-c", script], command_timeout_seconds=0.5)
    desk.store(post(1, "一"))

    done = desk.publish()

    assert done.commands[0].exit_code is None
    assert "ended after 0.5 seconds" in done.error
    assert "s3cr3t" not in json.dumps(done.as_json())
    assert "***" in done.commands[0].output


def rewritten_by_abbrlink(file: Path, link: str) -> None:
    """What hexo-abbrlink 2 does: dump the head with one more key and a local date."""
    _, head, body = file.read_text("utf-8").split("---\n", 2)
    fields = yaml.safe_load(head) | {"abbrlink": link}
    fields["date"] = "2026-03-14 12:00:00"
    dumped = yaml.safe_dump(fields, allow_unicode=True, sort_keys=False, width=40)
    file.write_text(f"---\n{dumped}---\n{body}", encoding="utf-8")


def test_post_that_abbrlink_rewrote_is_not_edited_and_keeps_its_key(desk):
    desk.configure(format="hexo", command=COMMAND)
    desk.store(post(1, "降准：很长的标题 " * 8), post(2, "二"))
    desk.publish()
    one, other = (desk.site / f"source/_posts/2026-03-14-feed_{n}.md" for n in (1, 2))
    for file in (one, other):
        rewritten_by_abbrlink(file, "52af")
    before = desk.times()

    quiet = desk.publish()
    changed = desk.times()
    other_record = replace(post(2, "二"), provenance='{"title": "css:h1"}')
    desk.store(replace(other_record, fetched_at=NOON + timedelta(minutes=1)))
    same_post = desk.publish()
    desk.store(replace(post(2, "二更正"), fetched_at=NOON + timedelta(hours=1)))
    corrected = desk.publish()

    assert (quiet.has_work, quiet.exit_code, changed) == (False, 0, before)
    assert (same_post.has_work, same_post.changes.unchanged) == (False, 2)
    assert (corrected.changes.updated, corrected.exit_code) == (
        ["source/_posts/2026-03-14-feed_2.md"],
        0,
    )
    assert "二更正" in other.read_text("utf-8")
    assert other.read_text("utf-8").count("\nabbrlink: 52af\n") == 1


def test_lost_state_is_found_again_in_posts_that_abbrlink_rewrote(desk):
    desk.configure(format="hexo")
    desk.store(post(1, "降准"), post(2, "二"))
    desk.publish()
    file = desk.site / "source/_posts/2026-03-14-feed_1.md"
    rewritten_by_abbrlink(file, "52af")
    before = desk.files()
    state_file(desk.settings, "blog").unlink()

    done = desk.publish()

    assert (done.has_work, done.exit_code, done.changes.unchanged) == (False, 0, 2)
    assert desk.files() == before


def test_edited_post_is_left_alone_until_it_is_as_copydesk_wrote_it(desk):
    desk.store(post(1, "降准"))
    desk.publish()
    file = desk.site / "_posts/2026-03-14-feed_1.md"
    ours = file.read_text("utf-8")
    file.write_text(ours.replace("<p>降准</p>", "<p>my own words</p>"), encoding="utf-8")
    desk.store(replace(post(1, "降准更正"), fetched_at=NOON + timedelta(hours=1)))

    edited = desk.publish()
    file.write_text(ours, encoding="utf-8")
    restored = desk.publish()

    assert (list(edited.changes.left_alone), edited.exit_code) == (
        ["_posts/2026-03-14-feed_1.md"],
        3,
    )
    assert restored.changes.updated == ["_posts/2026-03-14-feed_1.md"]


def test_imported_posts_of_the_site_keep_their_bytes_move_and_are_corrected(desk):
    desk.configure(window_days=1)
    old, kept, twin = b"---\ntitle: a\n---\none", b"---\ntitle: b\nurl_id: 7\n---\ntwo", b"two"
    for path, data in {
        "_posts/2026-03-10-a.md": old,
        "_posts/2026-03-14-b.md": kept,
        "old_post/2026-03-14-b.md": twin,
        "_posts/mine.md": b"by hand",
    }.items():
        file = desk.site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    two = post(2, "二")
    desk.store(
        imported(post(1, "一", day="2026-03-10"), "_posts/2026-03-10-a.md", old),
        imported(two, "old_post/2026-03-14-b.md", twin),
        imported(two, "_posts/2026-03-14-b.md", kept),
    )

    shown, first, quiet = desk.publish(dry_run=True), desk.publish(), desk.publish()
    desk.store(replace(post(2, "二更正"), fetched_at=NOON + timedelta(hours=1)))
    corrected = desk.publish()

    assert shown.changes == first.changes
    assert first.changes.moved == {"_posts/2026-03-10-a.md": "old_post/2026-03-10-a.md"}
    assert list(first.changes.removed) == ["old_post/2026-03-14-b.md"]
    assert (first.changes.updated, first.changes.written) == ([], [])
    assert quiet.has_work is False
    assert corrected.changes.updated == ["_posts/2026-03-14-b.md"]
    assert list(desk.files()) == [
        "_posts/2026-03-14-b.md", "_posts/mine.md", "old_post/2026-03-10-a.md",
    ]  # fmt: skip
    assert desk.files()["old_post/2026-03-10-a.md"].encode() == old
    assert "\nurl_id: 7\n" in desk.files()["_posts/2026-03-14-b.md"]


def test_imported_post_that_abbrlink_rewrote_since_is_taken_over(desk):
    desk.configure(format="hexo")
    file = desk.site / "source/_posts/a.md"
    file.parent.mkdir(parents=True)
    stored = "---\ntitle: '降准'\ndate: 2026-03-14 20:00:00 +08:00\n---\n\none".encode()
    file.write_bytes(stored)
    rewritten_by_abbrlink(file, "52af")
    desk.store(imported(post(1, "一"), "source/_posts/a.md", stored, "hexo"))

    first = desk.publish()
    desk.store(replace(post(1, "一更正"), fetched_at=NOON + timedelta(hours=1)))
    corrected = desk.publish()

    assert (first.has_work, first.exit_code) == (False, 0)
    assert corrected.changes.updated == ["source/_posts/a.md"]
    assert "\nabbrlink: 52af\n" in file.read_text("utf-8")


def test_head_that_an_export_repaired_stays_repaired(desk):
    desk.configure(window_days=1)
    file = desk.site / "_posts/2026-03-10-a.md"
    file.parent.mkdir(parents=True)
    stored = b'---\nlayout: post\ntitle: "a "b" c"\n---\n<p>one</p>\n'
    file.write_bytes(stored)
    desk.store(
        imported(post(1, "一", day="2026-03-10"), "_posts/2026-03-10-a.md", stored),
        post(2, "二"),
    )
    report = export_articles(desk.settings, desk.site, "jekyll", source="feed", rewrite=True)
    repaired = file.read_text("utf-8")

    desk.publish()

    assert report.exported.rewritten == ["_posts/2026-03-10-a.md"]
    assert desk.files()["old_post/2026-03-10-a.md"] == repaired
    assert yaml.safe_load(repaired.split("---\n")[1])["title"] == 'a "b" c'


def test_imported_post_that_was_edited_since_is_left_alone_and_gets_no_twin(desk):
    desk.configure(window_days=1)
    file = desk.site / "_posts/2026-03-10-a.md"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"---\ntitle: mine\n---\none")
    stored = b"---\ntitle: a\n---\none"
    desk.store(
        imported(post(1, "一", day="2026-03-10"), "_posts/2026-03-10-a.md", stored),
        post(2, "二"),
    )

    done = desk.publish()

    assert (list(done.changes.left_alone), done.exit_code) == (["_posts/2026-03-10-a.md"], 3)
    assert list(desk.files()) == ["_posts/2026-03-10-a.md", "_posts/2026-03-14-feed_2.md"]


def test_imported_posts_of_sources_that_are_not_published_stay(desk):
    data = b"---\ntitle: a\n---\none"
    for name in ("a", "b"):
        file = desk.site / f"_posts/2026-03-10-{name}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    desk.store(
        imported(post(1, "一"), "_posts/2026-03-10-a.md", data),
        imported(post(2, "二", source="wire"), "_posts/2026-03-10-b.md", data),
        post(3, "三", source="wire"),
    )
    desk.configure(sources=["feed"])
    first = desk.publish()
    desk.configure()
    desk.publish()
    desk.configure(sources=["feed"])
    narrowed = desk.publish()

    assert first.has_work is False
    assert list(narrowed.changes.removed) == ["_posts/2026-03-14-wire_3.md"]
    assert list(desk.files()) == ["_posts/2026-03-10-a.md", "_posts/2026-03-10-b.md"]


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
        patch.setattr(
            "flows.publication.site_folder.SiteFolder.write", lambda _self, *given: crash(*given)
        )
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

"""Posts that a site has already: imported, edited, or written again by a plugin."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import yaml

from flows.import_export.export_posts import export_articles
from flows.publication.state import state_file
from tests.integration.import_export.desk import COMMAND, imported, post
from tests.unit.warehouse.factories import NOON


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

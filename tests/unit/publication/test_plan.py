"""Selection, window, and the place of each post."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from flows.publication.category_pages import category_pages
from flows.publication.plan import in_window, plan_posts, select
from flows.publication.state import Entry
from flows.publish_settings import PublishSettings
from warehouse.read.publication import ImportedFile, PublishedArticle

TODAY = date(2026, 3, 20)


def article(number, day="2026-03-14", *, source="feed", **changes):
    on = date.fromisoformat(day) if day else None
    given = {
        "article_id": f"{source}:{number}",
        "source": source,
        "source_article_id": str(number),
        "title": f"标题 {number}",
        "categories": ("财经",),
        "published_at": datetime.combine(on, time(8), UTC) if on else None,
        "published_on": on,
        "published_precision": "second" if on else "unknown",
        "first_seen_at": datetime(2026, 3, 1, tzinfo=UTC),
        "record": f"r{source}{number}",
        "content": f"c{source}{number}",
    }
    return PublishedArticle(**given | changes)


def options(**given):
    return PublishSettings.model_validate({"format": "jekyll", "folder": "site"} | given)


def entry(key, path, version="old"):
    return key, Entry(key=key, path=path, version=version, sha256="")


def imported(seq, article_id, path, *, is_current=True):
    return ImportedFile(
        seq=seq, article_id=article_id, dialect="jekyll", path=path, is_current=is_current
    )


def paths(plan):
    return {key: one.path for key, one in plan.posts.items()}


def planned(articles, *, files=(), entries=(), erased=(), is_sticky=True, **given):
    return plan_posts(
        articles,
        files,
        dict(entries),
        options(**given),
        today=TODAY,
        is_sticky=is_sticky,
        is_erased=erased.__contains__,
    )


@pytest.mark.parametrize(
    ("days", "inside"),
    [
        (["2026-03-14", "2026-03-13", "2026-03-12"], {"feed:0", "feed:1"}),
        (["2026-03-20", "2026-03-19", "2026-03-18"], {"feed:0", "feed:1"}),
        (["2027-01-01", "2026-03-14", "2026-03-13", "2026-03-12"], {"feed:0", "feed:1", "feed:2"}),
        (["2027-01-01"], {"feed:0"}),
        (["", "2026-03-02", "2026-02-28"], {"feed:0", "feed:1"}),
        (["", "2026-02-11", "2026-02-10", "2026-02-09"], {"feed:0", "feed:1", "feed:2"}),
        (["", "2027-01-01"], {"feed:0", "feed:1"}),
    ],
)
def test_window_of_two_days_ends_at_the_newest_day_that_is_not_in_the_future(days, inside):
    articles = [article(number, day) for number, day in enumerate(days)]

    assert in_window(articles, options(window_days=2), TODAY) == inside


def test_window_of_posts_counts_for_each_source():
    articles = [
        article(1, "2026-03-01"), article(2, "2026-03-02"), article(3, "2026-03-03"),
        article(1, "2020-01-01", source="wire"),
    ]  # fmt: skip

    assert in_window(articles, options(window_posts=2), TODAY) == {"feed:2", "feed:3", "wire:1"}


def test_of_articles_with_one_content_the_published_one_stays_else_the_first():
    early, late = (
        article(1, content="c"),
        article(2, content="c", first_seen_at=datetime.max.replace(tzinfo=UTC)),
    )

    assert select([late, early], options(per="content"), set()) == [early]
    assert select([late, early], options(per="content"), {"feed:2"}) == [late]
    assert select([late, early], options(), {"feed:2"}) == [late, early]


@pytest.mark.parametrize(
    ("format_", "pattern", "expected"),
    [
        ("jekyll", "", "_posts/2026-03-14-feed_7.md"),
        ("jekyll", "{day}-{title}", "_posts/2026-03-14-a-b-c.md"),
        ("hexo", "{categories}/{title}", "source/_posts/财经/人-事/a-b-c.md"),
        ("hexo", "{year}/{month}/{source}-{id}", "source/_posts/2026/03/feed-7.md"),
        ("hugo", "{title}", "content/posts/a-b-c.html"),
    ],
)
def test_new_post_is_named_by_the_pattern_and_stays_in_its_folder(format_, pattern, expected):
    one = article(7, title="../a/b: <c>?", categories=("财经", "人/事"))
    given = {"format": format_} | ({"file_name": pattern} if pattern else {})

    assert paths(planned([one], **given)) == {"feed:7": expected}


def test_post_keeps_its_name_when_its_title_changes_and_until_the_pattern_does():
    one = article(1, title="new")
    entries = [entry("feed:1", "_posts/2026-03-14-old.md")]
    pattern = {"file_name": "{day}-{title}"}

    assert paths(planned([one], entries=entries, **pattern)) == {
        "feed:1": "_posts/2026-03-14-old.md"
    }
    moved = planned([one], entries=entries, is_sticky=False, **pattern)
    assert paths(moved) == {"feed:1": "_posts/2026-03-14-new.md"}


def test_two_posts_never_share_a_path_and_the_older_one_keeps_it():
    one, two = article(1, title="x"), article(2, title="x")
    entries = [entry("feed:1", "_posts/2026-03-14-x.md")]

    found = paths(planned([one, two], entries=entries, file_name="{day}-{title}"))

    assert found["feed:1"] == "_posts/2026-03-14-x.md"
    assert found["feed:2"].startswith("_posts/2026-03-14-x_")


def test_two_posts_that_leave_the_window_to_one_path_get_two():
    entries = [entry("feed:1", "_posts/a.md"), entry("feed:2", "old_post/a.md")]
    articles = [article(1, "2026-01-01"), article(2, "2026-01-02"), article(3)]

    found = paths(planned(articles, entries=entries, window_days=1))

    assert found["feed:2"] == "old_post/a.md"
    assert found["feed:1"].startswith("old_post/a_")


def test_draft_becomes_a_post_when_its_date_is_known():
    entries = [entry("feed:1", "_drafts/feed_1.md")]

    assert paths(planned([article(1, "")], entries=entries, window_days=1)) == {
        "feed:1": "_drafts/feed_1.md"
    }
    assert paths(planned([article(1)], entries=entries)) == {
        "feed:1": "_posts/2026-03-14-feed_1.md"
    }


def test_imported_post_has_its_bytes_until_it_is_corrected_and_its_name_after():
    one = article(1)
    current = planned([one], files=[imported(5, "feed:1", "sub/x.md")])
    corrected = planned([one], files=[imported(5, "feed:1", "_posts/x.md", is_current=False)])

    assert (current.posts["feed:1"].seq, paths(current)) == (5, {"feed:1": "_posts/sub/x.md"})
    assert (corrected.posts["feed:1"].seq, paths(corrected)) == (None, {"feed:1": "_posts/x.md"})


def test_copies_of_an_article_move_with_it_and_none_takes_its_path():
    entries = [
        entry("feed:1", "_posts/a.md", "post:1"),
        entry("feed:1\n_posts/b.md", "_posts/b.md", "post:2"),
        entry("feed:1\nold_post/a.md", "old_post/a.md", "post:3"),
    ]
    files = [imported(1, "feed:1", "_posts/a.md"), imported(2, "feed:1", "_posts/b.md"),
             imported(3, "feed:1", "old_post/a.md")]  # fmt: skip

    plan = planned(
        [article(1, "2026-01-01"), article(2)], files=files, entries=entries, window_days=1
    )

    assert paths(plan)["feed:1"] == "old_post/a.md"
    assert paths(plan)["feed:1\n_posts/b.md"] == "old_post/b.md"
    assert list(plan.dropped) == ["feed:1\nold_post/a.md"]


def test_files_without_a_place_are_dropped_released_or_vanished():
    entries = [
        entry("feed:erased", "1"), entry("feed:vanished", "2"), entry("feed:old", "3"),
        entry("wire:1", "4"), entry("wire:2", "5", "post:9"), entry("feed:new", "6"),
    ]  # fmt: skip
    articles = [
        article("old", "2020-01-01"), article("new"),
        article(1, source="wire"), article(2, source="wire"),
    ]  # fmt: skip

    plan = planned(
        articles, entries=entries, erased={"feed:erased"}, sources=["feed"], window_days=1,
        rest="remove",
    )  # fmt: skip

    assert set(plan.dropped) == {"feed:erased", "feed:old", "wire:1"}
    assert (plan.released, plan.vanished) == (["wire:2"], ["feed:vanished"])
    assert set(plan.posts) == {"feed:new"}


def test_page_of_a_category_has_its_name_where_a_disk_takes_it():
    found = {
        page.path: data.decode()
        for page, data in category_pages({"财联社", "a/b", "Tech", "tech"}, "category")
    }

    assert "category/财联社.md" in found
    assert 'category: "财联社"\n' in found["category/财联社.md"]
    assert "category/a-b.md" in found
    assert len({path.casefold() for path in found}) == 4

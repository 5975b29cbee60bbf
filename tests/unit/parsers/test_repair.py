"""Repair proposals: selectors from pages whose articles are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from parsers import registry
from parsers.model import Listing, Source
from parsers.model import Page as FetchedPage
from parsers.repair import Example, Repair, repair_fields, repair_links
from parsers.repair.candidates import is_stable, rank
from parsers.repair.score import Time, score, text_score
from tests.site import gazette, redesign
from tests.site.gazette import Page, Story

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
STORIES = [Story(number=100 + n, at=NOON - timedelta(hours=31 * n)) for n in range(12)]
SITE = "http://gazette.example"


def source(select: dict[str, str] = redesign.SELECT, **options: object) -> Source:
    return registry.make_source("gazette", "generic", {"select": select, **options})


def page(story: Story, made: Page) -> FetchedPage:
    at = story.at + timedelta(days=9)
    return FetchedPage(url=f"{SITE}{story.path}", text=made.body.decode(), fetched_at=at)


def example(story: Story, made: Page, *, known_at: Page | None = None) -> Example:
    known = registry.parse(source(), page(story, known_at or redesign.before(story)))
    return Example(page=page(story, made), known=known)


def proposed(
    make: Callable[[Story], Page], select: dict[str, str] = redesign.SELECT, corrected: int = 0
) -> Repair:
    """The proposal of stories whose pages were made again; some were corrected since."""
    examples = []
    for number, one in enumerate(STORIES):
        now = replace(one, note="The office corrects.") if number < corrected else one
        examples.append(example(one, make(now)))
    return repair_fields(source(select), examples[::2], examples[1::2])


def after_redesign(story: Story) -> Page:
    return redesign.after(story, STORIES[:3])


def test_redesign_gives_a_selector_for_every_field_that_is_right_on_all_held_back_pages():
    found = proposed(after_redesign)

    assert found.failed == ()
    assert found.changes == {
        "title": '[itemprop="headline"]',
        "published": "span.when::attr(data-published)",
        "authors": "a[rel~=author]",
        "publisher": "span.section-name",
        "body": "div.post-body > p",
    }
    assert {one.field: str(one.before) for one in found.fields} == dict.fromkeys(
        found.changes, "0 of 6"
    )
    assert {str(one.after) for one in found.fields} == {"6 of 6"}


def test_selectors_that_hold_stay_and_nothing_is_changed():
    found = proposed(redesign.before)

    assert found.changes == {}
    assert found.failed == ()
    assert {one.new == one.old for one in found.fields} == {True}


def test_broken_field_alone_is_changed():
    def renamed(story: Story) -> Page:
        made = redesign.before(story)
        return replace(made, body=made.body.replace(b'class="story"', b'class="article-text"'))

    assert proposed(renamed).changes == {"body": "div.article-text"}


def test_articles_that_were_corrected_since_do_not_prevent_a_proposal():
    def corrected_title(story: Story) -> Page:
        made = after_redesign(story)
        if story.number == 100:
            return replace(made, body=made.body.replace(b"quay 100 continue", b"quay 100 end"))
        return made

    found = proposed(corrected_title, corrected=4)

    assert found.failed == ()
    assert found.changes["title"] == '[itemprop="headline"]'


def test_pages_of_the_old_and_the_new_layout_get_a_selector_of_both():
    def mixed(story: Story) -> Page:
        return after_redesign(story) if story.number % 4 < 2 else redesign.before(story)

    found = proposed(mixed, {"title": "article h1", "body": ".story"})

    assert found.failed == ()
    assert found.changes["title"] == 'article h1, [itemprop="headline"]'
    assert found.changes["body"] == "div.post-body > p, div.story"


def test_optional_selector_stays_optional():
    found = proposed(after_redesign, {**redesign.SELECT, "title": "article h1 ?"})

    assert found.changes["title"] == '[itemprop="headline"] ?'


def test_page_without_elements_to_select_has_no_proposal_and_names_the_fields():
    found = proposed(redesign.without_marks)

    assert {"title", "publisher", "authors"} <= {one.field for one in found.failed}
    assert not {"title", "published"} & set(found.changes)


def test_field_without_a_selector_is_proposed_when_the_generic_rules_lose_it():
    def unmarked(story: Story) -> Page:
        made = after_redesign(story)
        return replace(made, body=made.body.replace(b'rel="author" ', b""))

    found = proposed(unmarked, {"body": ".story"})

    assert {"published", "publisher"} <= set(found.changes)
    assert found.failed == ()


@pytest.mark.parametrize(
    ("name", "stable"),
    [
        ("headline", True), ("post-body", True), ("entry_title", True), ("css-1x2y3z", False),
        ("body-101", False), ("mt-four", False), ("Story__title", False), ("flex", False),
    ],
)  # fmt: skip
def test_names_of_builds_positions_and_appearance_are_not_stable(name, stable):
    assert is_stable(name) is stable


def test_meaning_ranks_before_class_and_class_before_element():
    names = ['[itemprop="headline"]', "h2.headline", "h2", "div"]

    assert sorted(names, key=rank) == names


def test_day_counts_as_right_where_only_a_day_is_known():
    known = Time(at=NOON, on=NOON.date(), is_day=False)
    day = Time(at=NOON.replace(hour=0), on=NOON.date(), is_day=True)
    later = Time(at=NOON + timedelta(hours=1), on=NOON.date(), is_day=False)

    assert 0.9 < score(known, day) < 1
    assert score(known, later) == 0
    assert score(day, later) == 1


def test_texts_overlap_by_their_words_and_characters():
    assert text_score("a b c d", "A b c, d") == 1
    assert text_score("港口今天重开", "港口今天") == pytest.approx(0.8)


def links_of(made: Page, **options: object):
    known = {f"{SITE}{one.path}" for one in STORIES}
    own = registry.make_source("gazette", "listing", {"url": f"{SITE}/news", **options})
    at = NOON + timedelta(days=1)
    listing = FetchedPage(url=f"{SITE}/news", text=made.body.decode(), fetched_at=at)
    return repair_links(own, Listing(channel="listing", url=f"{SITE}/news"), listing, known)


def test_redesigned_list_gives_selectors_of_links_and_dates():
    new = Story(number=300, at=NOON)

    found = links_of(redesign.redesigned_list([new, *STORIES]), links="h2 a", date="time")

    assert found.changes == {"links": "a.entry-link", "date": ".date"}
    assert (str(found.before), str(found.after)) == ("0 of 12", "12 of 12")


def test_list_that_can_be_read_keeps_its_selectors():
    found = links_of(gazette.list_page(STORIES), links=".teaser h2 a", date="time")

    assert (found.changes, found.has_failed) == ({}, False)


def test_list_without_known_articles_has_no_proposal():
    found = links_of(redesign.redesigned_list([Story(number=300, at=NOON)]), links="h2 a")

    assert found.has_failed
    assert "fewer than 3 known articles" in found.error

"""The article pages of the gazette before and after a redesign, and pages of a third kind.

``before`` has the selectors of ``SELECT``. ``after`` moves every field: the first heading becomes
the name of the site, the time moves into an attribute, an advertisement interrupts the text, and
teasers of other articles repeat its classes. ``without_marks`` has no element to select.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from tests.site import gazette
from tests.site.gazette import Page, Story

SELECT = {
    "title": "article h1",
    "published": "article time",
    "authors": ".by",
    "publisher": ".desk",
    "body": ".story",
}
WRITERS = ("Mara Quill", "Tom Reed", "Ida Lund")
DESKS = ("Harbour desk", "Council desk")
AD = "Buy the printed gazette at every kiosk of the town, and win a voyage to the islands."


def writer(story: Story) -> str:
    return WRITERS[story.number % len(WRITERS)]


def desk(story: Story) -> str:
    return DESKS[story.number % len(DESKS)]


def paragraphs(story: Story) -> list[str]:
    """The text; each paragraph has words of its story only."""
    fields = {"day": f"{story.at:%A}", "what": f"repair {story.number}", "number": story.number}
    own = (
        f"Crane {story.number * 7} and barge {story.number * 11} carry stones for it. {story.note}"
    )
    return [*(one.format(**fields) for one in gazette.SENTENCES), own.strip()]


def before(story: Story) -> Page:
    """The page that the selectors were written for."""
    text = "".join(f"<p>{one}</p>" for one in paragraphs(story))
    return gazette.html(
        f"<nav><a href='/'>Home</a></nav><article><h1>{story.title}</h1>"
        f'<p class="by">By {writer(story)}</p><p class="desk">{desk(story)}</p>'
        f'<time datetime="{story.at.isoformat()}">{story.at:%d %B %Y}</time>'
        f'<div class="story">{text}</div></article><aside><p>{AD}</p></aside>',
        title=f"{story.title} - Gazette",
    )


def after(story: Story, others: Iterable[Story] = ()) -> Page:
    """The page after the redesign."""
    first, *rest = (f'<p class="css-9x{n}">{one}</p>' for n, one in enumerate(paragraphs(story)))
    teasers = "".join(
        f'<div class="card mt-4"><h3 class="headline">{one.title}</h3>'
        f'<time datetime="{(one.at - timedelta(days=2)).isoformat()}">old</time>'
        f'<a class="author" href="#">{writer(one)}</a><p>{AD}</p></div>'
        for one in others
    )
    return gazette.html(
        f"<header><h1>The Gazette</h1><time>{story.at + timedelta(days=9):%d %B %Y}</time></header>"
        f'<main><div class="css-1a2b3c mt-4"><h2 class="headline" itemprop="headline">{story.title}'
        f'</h2><div class="byline"><a class="author" rel="author" href="/staff">{writer(story)}</a>'
        f'<span class="section-name">{desk(story)}</span><span class="when" '
        f'data-published="{story.at.isoformat()}">some days ago</span></div>'
        f'<div class="post-body" id="body-{story.number}">{first}'
        f'<aside class="promo"><p>{AD}</p></aside>{"".join(rest)}</div></div>'
        f'<div class="more">{teasers}</div></main>',
        title=f"{story.title} - Gazette",
    )


def without_marks(story: Story) -> Page:
    """A page whose fields have no element of their own: all in one run of lines."""
    lines = "<br>".join([AD, story.title, f"{desk(story)}/{writer(story)}", *paragraphs(story), AD])
    return gazette.html(f"<div>{lines}</div>", title="Gazette")


def redesigned_list(stories: Iterable[Story]) -> Page:
    """The list of articles after the redesign."""
    items = "".join(
        f'<li class="entry"><a class="entry-link" href="{one.path}">{one.title}</a>'
        f'<span class="date">{one.at:%d %B %Y}</span></li>'
        for one in stories
    )
    return gazette.html(f"<main><ul class='entries'>{items}</ul></main>")

"""A feed with full text on a site that sends other pages: no entry disappears, no page misleads."""

from __future__ import annotations

from html import escape

import pytest

from tests.site import Fault

ITEMS = {
    "ferry": ("Ferry returns to the harbour", "The ferry came back to the harbour on Monday."),
    "council": ("Council studies the timetable", "Fishermen complained about the new timetable."),
    "price": ("Ticket prices remain low", "A ticket costs four crowns, as it did last year."),
}
POLISH = "Przepraszamy, ta strona została usunięta albo przeniesiona, prosimy spróbować później."


def page(title: str, *paragraphs: str, head: str = "") -> bytes:
    body = "".join(f"<p>{text}</p>" for text in paragraphs)
    return (
        f"<html><head><title>{title} | Gazette</title>{head}</head>"
        f"<body><main><article><h1>{title}</h1>{body}</article></main></body></html>"
    ).encode()


def answer(title: str, *paragraphs: str) -> Fault:
    return Fault(status=200, body=page(title, *paragraphs))


@pytest.fixture
def gazette(project, faults):
    """A project with a source of full text, whose pages are whole."""
    host = f"http://127.0.0.1:{project.news_site.port}"
    items = "".join(
        f"<item><title>{escape(title)}</title><link>{host}/gazette/{name}</link>"
        f"<guid>{name}</guid><description>{text}</description></item>"
        for name, (title, text) in ITEMS.items()
    )
    feed = f"<rss version='2.0'><channel><title>Gazette</title><link>{host}/</link>{items}</channel></rss>"
    faults["/gazette/feed.xml"] = Fault(status=200, body=feed.encode())
    for name, (title, text) in ITEMS.items():
        faults[f"/gazette/{name}"] = answer(title, text, f"{text} More of it: {title}.")
    with project.config.open("a", encoding="utf-8") as file:
        file.write(
            f'\n[sources.gazette]\nparser = "feed"\nurl = "{host}/gazette/feed.xml"\nfull_text = true\n'
        )
    return project


def titles(project):
    return {
        title for (title,) in project.rows("SELECT title FROM articles WHERE source = 'gazette'")
    }


def reasons(project):
    sql = "SELECT reason, count(*) FROM quarantine WHERE resolved_at IS NULL GROUP BY ALL ORDER BY ALL"
    return project.rows(sql)


def test_whole_pages_are_articles_and_the_same_run_changes_nothing(gazette):
    first = gazette.sync("gazette").totals()
    second = gazette.sync("gazette").totals()

    assert (first["new"], first["quarantined"]) == (3, 0)
    assert (second["unchanged"], second["updated"]) == (3, 0)
    assert titles(gazette) == {title for title, _ in ITEMS.values()}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (answer("Page not found", "Use the search, please."), "soft_404"),
        (answer("页面不存在", "您可以返回首页继续浏览其他新闻内容。"), "soft_404"),
        (answer("Before you continue", "We use cookies and data.", POLISH), "consent_page"),
        (answer("请登录", "登录后可以阅读全文，注册只需要一分钟的时间。"), "login_page"),
        (answer("Just a moment...", "Checking your browser, please wait."), "challenge_page"),
        (answer("Gazette", POLISH), "wrong_page"),  # of an unknown shape
        (Fault(status=302, location="/gazette/login?next=1"), "login_page"),
        (Fault(status=302, location="/gazette/start"), "wrong_page"),
    ],
)
def test_page_in_the_place_of_two_articles_is_in_quarantine(gazette, faults, wrong, reason):
    faults["/gazette/login"] = answer("Welcome", POLISH)
    faults["/gazette/start"] = answer("Market closes for a day", "The market closes.", POLISH)
    faults["/gazette/ferry"] = faults["/gazette/council"] = wrong

    report = gazette.sync("gazette")

    assert reasons(gazette) == [(reason, 2)]
    assert titles(gazette) == {ITEMS["price"][0]}
    assert (report.state, report.totals()["quarantined"]) == ("completed_with_warnings", 2)


def test_unknown_page_under_two_addresses_is_no_article(gazette, faults):
    feed = faults["/gazette/feed.xml"].body
    short = feed.replace(b"Ferry returns to the harbour", b"Ferry back")
    short = short.replace(b"Council studies the timetable", b"New timetable")
    faults["/gazette/feed.xml"] = Fault(status=200, body=short)
    faults["/gazette/ferry"] = faults["/gazette/council"] = answer("Gazette", POLISH)

    gazette.sync("gazette")

    assert reasons(gazette) == [("soft_404", 2)]


@pytest.mark.parametrize("count", [2, 3])
def test_without_a_listing_a_text_of_three_addresses_is_no_article(gazette, faults, count):
    with gazette.config.open("a", encoding="utf-8") as file:
        file.write('\n[sources.pages]\nparser = "generic"\n')
    host = f"http://127.0.0.1:{gazette.news_site.port}"
    faults["/pages/"] = answer("Gazette", POLISH)
    urls = [f"{host}/pages/{number}" for number in range(count)]

    totals = gazette.fill("pages", urls=urls).totals()

    assert (totals["new"], totals["duplicate"], totals["quarantined"]) == (
        (1, 1, 0) if count == 2 else (0, 0, 3)
    )


def test_stored_article_remains_and_its_failure_ends_with_the_fault(gazette, faults):
    gazette.sync("gazette")
    whole = faults["/gazette/ferry"]
    faults["/gazette/ferry"] = answer("Sign in", "Please sign in to read the article.")
    gazette.age(hours=2)
    gazette.sync("gazette")
    assert (len(titles(gazette)), reasons(gazette)) == (3, [("login_page", 1)])

    faults["/gazette/ferry"] = whole
    gazette.sync("gazette")

    assert (len(titles(gazette)), reasons(gazette)) == (3, [])


def test_one_article_at_two_addresses_is_a_duplicate(gazette, faults):
    title, text = ITEMS["ferry"]
    host = f"http://127.0.0.1:{gazette.news_site.port}"
    feed = faults["/gazette/feed.xml"].body.decode()
    again = f"<item><title>{title}</title><link>{host}/gazette/again</link></item></channel>"
    faults["/gazette/feed.xml"] = Fault(status=200, body=feed.replace("</channel>", again).encode())
    faults["/gazette/again"] = answer(title, text, f"{text} More of it: {title}.")

    counts = gazette.sync("gazette").totals()

    assert (counts["new"], counts["duplicate"], counts["quarantined"]) == (3, 1, 0)


def test_paywall_leaves_a_teaser(gazette, faults):
    title, text = ITEMS["ferry"]
    declared = (
        '<script type="application/ld+json">{"@type": "NewsArticle", '
        f'"headline": "{title}", "isAccessibleForFree": false}}</script>'
    )
    faults["/gazette/ferry"] = Fault(status=200, body=page(title, text, head=declared))

    gazette.sync("gazette")

    sql = "SELECT completeness, count(*) FROM articles WHERE source = 'gazette' GROUP BY ALL ORDER BY ALL"
    assert gazette.rows(sql) == [("full", 2), ("teaser", 1)]

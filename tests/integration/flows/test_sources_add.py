"""``copydesk sources add`` and ``init --discover``: from the address of a site to a source."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows import settings
from flows.serve.run_local import sync_without_prefect
from tests.site import gazette
from tests.site.gazette import GazetteSite, Story

NOW = datetime.now(UTC).replace(microsecond=0)
STORIES = [Story(number=n, at=NOW - timedelta(hours=n)) for n in range(1, 7)]
COMMENT = "# my own comment, which stays\n"


@pytest.fixture
def site() -> Iterator[GazetteSite]:
    with GazetteSite() as running:
        running.put(STORIES)
        running.pages["/"] = gazette.html("<h1>Gazette</h1>")
        yield running


@pytest.fixture
def config(site: GazetteSite, elsewhere: Path) -> Path:
    file = elsewhere / "copydesk.toml"
    text = f'{COMMENT}[fetch]\nallow_private_hosts = ["{site.host}"]\ndeadline_seconds = 3\n'
    file.write_text(text, encoding="utf-8")
    return file


def offer(site: GazetteSite, kind: str) -> str:
    """Make the site offer one kind of listing; return the address that a person knows."""
    if kind == "feed":
        head = '<link rel="alternate" type="application/rss+xml" href="/rss">'
        site.pages |= {"/": gazette.html("", head=head), "/rss": gazette.feed(STORIES)}
        return "/"
    if kind == "sitemap":
        robots = f"User-agent: *\nSitemap: {gazette.BASE}/maps.xml".encode()
        site.pages |= {
            "/robots.txt": gazette.Page(body=robots, content_type="text/plain"),
            "/maps.xml": gazette.index({"/posts.xml.gz": None}),
            "/posts.xml.gz": gazette.zipped(gazette.sitemap(STORIES)),
        }
        return "/"
    site.pages |= {
        "/news": gazette.list_page(STORIES[:4], older="/news/2"),
        "/news/2": gazette.list_page(STORIES[4:]),
    }
    return "/news"


@pytest.mark.parametrize("kind", ["feed", "sitemap", "listing"])
def test_added_source_is_checked_and_synced(site, config, run_cli, kind):
    address = site.url + offer(site, kind)

    code, out, _ = run_cli("sources", "add", address, "--name", "gazette", "--json")

    added = json.loads(out)
    assert code == 0
    assert added["chosen"]["parser"] == kind
    assert added["article"]["title"].startswith("Harbour report")
    assert len(added["entries"]) >= 4
    assert config.read_text(encoding="utf-8").startswith(COMMENT)
    assert run_cli("sources", "check", "gazette")[0] == 0
    report = sync_without_prefect(settings.load(), ["gazette"], limit=None, dry_run=False)
    assert report.state == "completed"
    assert report.totals()["new"] == (4 if kind == "listing" else 6)


def test_listing_has_the_selectors_of_links_dates_and_the_next_page(site, config, run_cli):
    run_cli("sources", "add", site.url + offer(site, "listing"), "--name", "gazette")

    section = tomllib.loads(config.read_text(encoding="utf-8"))["sources"]["gazette"]
    assert section["parser"] == "listing"
    assert section["date"] == "time"
    assert section["next_page"] == "a[rel~=next]"
    assert "a" in section["links"]


def test_dry_run_shows_the_section_and_writes_nothing(site, config, run_cli):
    before = config.read_bytes()

    code, out, _ = run_cli("sources", "add", site.url + offer(site, "feed"), "--dry-run")

    assert code == 0
    assert "[sources.127_0_0_1]" in out
    assert "full_text = true" in out
    assert config.read_bytes() == before
    assert list(config.parent.iterdir()) == [config]


def test_feed_at_a_usual_address_is_found_and_a_redirect_home_is_none(site, config, run_cli):
    site.pages["/atom.xml"] = gazette.feed(STORIES)

    code, out, _ = run_cli("sources", "add", site.url, "--json")

    assert (code, json.loads(out)["chosen"]["url"]) == (0, f"{site.url}/atom.xml")


def test_feed_of_comments_is_shown_and_never_chosen(site, config, run_cli):
    head = (
        '<link rel="alternate" type="application/rss+xml" title="Comments" href="/comments/feed">'
    )
    site.pages |= {
        "/article": gazette.html("", head=head),
        "/comments/feed": gazette.feed(STORIES[:1]),
        "/": gazette.html("", head='<link rel="feed" href="/rss">'),
        "/rss": gazette.feed(STORIES),
    }

    _, out, _ = run_cli("sources", "add", f"{site.url}/article", "--json")

    added = json.loads(out)
    assert added["chosen"]["url"] == f"{site.url}/rss"
    assert [one["url"] for one in added["candidates"] if one["comments"]] == [
        f"{site.url}/comments/feed"
    ]


def test_address_of_the_feed_or_sitemap_itself_is_taken(site, config, run_cli):
    offer(site, "sitemap")
    site.pages["/rss"] = gazette.Page(
        body=b"\xef\xbb\xbf\n" + gazette.feed(STORIES).body, content_type="text/html"
    )

    found = [
        json.loads(run_cli("sources", "add", site.url + path, "--json")[1])["chosen"]
        for path in ("/rss", "/maps.xml", "/robots.txt")
    ]

    assert [one["parser"] for one in found] == ["feed", "sitemap", "sitemap"]


def test_candidate_without_articles_is_not_written(site, config, run_cli):
    before = config.read_bytes()
    address = site.url + offer(site, "sitemap")
    for story in STORIES:
        site.pages[story.path] = gazette.html("<p>Moved.</p>", title="Moved")

    code, _, err = run_cli("sources", "add", address)

    assert code == 1
    assert "sitemap" in err
    assert config.read_bytes() == before


def test_feed_whose_pages_cannot_be_read_keeps_its_own_text_and_the_reason_is_shown(
    site, config, run_cli
):
    address = site.url + offer(site, "feed")
    for story in STORIES:
        site.pages[story.path] = gazette.html("<p>Moved.</p>", title="Moved")

    _, out, _ = run_cli("sources", "add", address, "--json")

    added = json.loads(out)
    assert added["chosen"]["options"] == {"full_text": False}
    assert any("full_text = true" in note for note in added["notes"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["/nothing"], 1),
        (["/", "--parser", "feed"], 1),
        (["/", "--name", "Not a name"], 2),
        (["/", "--name", "all"], 2),
        (["/", "--parser", "rss"], 2),
    ],
)
def test_address_or_option_that_cannot_be_used_writes_nothing(
    site, config, run_cli, arguments, code
):
    before = config.read_bytes()

    assert run_cli("sources", "add", site.url + arguments[0], *arguments[1:])[0] == code
    assert config.read_bytes() == before


@pytest.mark.parametrize(
    "address", ["ftp://gazette.example/", "http://a\\@b/", "", "http://10.0.0.1/"]
)
def test_address_that_is_not_allowed_is_refused(config, run_cli, address):
    assert run_cli("sources", "add", address)[0] in {1, 2}


def test_same_address_and_same_name_are_refused(site, config, run_cli):
    address = site.url + offer(site, "feed")
    run_cli("sources", "add", address, "--name", "gazette")

    assert run_cli("sources", "add", address, "--name", "other")[0] == 2
    assert run_cli("sources", "add", f"{site.url}/rss")[0] == 2
    assert run_cli("sources", "add", address, "--name", "gazette")[0] == 2


def test_candidate_that_is_a_source_already_is_left_out(site, config, run_cli):
    offer(site, "feed")
    run_cli("sources", "add", f"{site.url}/rss", "--name", "gazette")
    address = site.url + offer(site, "listing")

    code, out, _ = run_cli("sources", "add", address, "--json")

    assert (code, json.loads(out)["chosen"]["parser"]) == (0, "listing")
    assert any("gazette" in note for note in json.loads(out)["notes"])


def test_without_a_file_nothing_is_written_where_no_contact_is(site, elsewhere, run_cli):
    assert run_cli("sources", "add", site.url)[0] == 2
    assert list(elsewhere.iterdir()) == []


def test_file_that_cannot_take_a_section_stays_as_it_is(site, config, run_cli):
    text = config.read_text(encoding="utf-8")
    config.write_text(
        f'sources = {{ feed = {{ parser = "feed", url = "https://a.example/" }} }}\n{text}',
        encoding="utf-8",
    )
    before = config.read_bytes()

    assert run_cli("sources", "add", site.url + offer(site, "feed"))[0] == 2
    assert config.read_bytes() == before


def test_secret_of_the_address_is_in_the_file_and_nowhere_else(site, config, run_cli):
    site.pages["/rss?token=abcdef0123456789"] = gazette.feed(STORIES)

    code, out, err = run_cli("sources", "add", f"{site.url}/rss?token=abcdef0123456789", "--json")

    assert code == 0
    section = next(iter(tomllib.loads(config.read_text(encoding="utf-8"))["sources"].values()))
    assert section["url"].endswith("token=abcdef0123456789")
    assert "abcdef0123456789" not in out + err


def test_init_starts_from_nothing_and_looks_at_each_site(site, elsewhere, run_cli, monkeypatch):
    monkeypatch.setenv("COPYDESK_FETCH__ALLOW_PRIVATE_HOSTS", f'["{site.host}"]')
    address = site.url + offer(site, "listing")
    arguments = ("--source", f"gazette={address}", "--source", f"none={site.url}/nothing")

    code, out, _ = run_cli(
        "init", "--contact", "https://gazette.test/us", "--discover", *arguments, "--json"
    )

    document = json.loads(out)
    assert (code, document["sources"], len(document["errors"])) == (3, ["gazette"], 1)
    assert settings.load(elsewhere / "copydesk.toml").source("gazette").parser.name == "listing"

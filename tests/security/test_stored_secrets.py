"""A secret of an address is in no byte of the data folder, and in no message."""

from __future__ import annotations

import base64
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import duckdb
import pytest
from warcio.archiveiterator import ArchiveIterator

from flows import settings
from flows.admin.check_sources import check_sources, describe_sources
from flows.admin.doctor import check_installation
from flows.errors import ConfigurationError
from flows.fetch import FetchError
from flows.import_export.export_posts import export_articles
from flows.pipeline.date_range import parse_request
from flows.pipeline.parse_page import parse_page
from flows.pipeline.run import RunEnvironment, use_environment
from flows.secrets.urls import SECRETS
from flows.serve.run_local import sync_without_prefect
from tests.integration.fetch.faultserver import FaultServer, Reply, Seen, reply

PASSWORD, TOKEN, DECLARED = "w0rd/of-pass", "T0k3n.Value", "3nv/Secret"
BASIC = base64.b64encode(f"desk:{PASSWORD}".encode()).decode()
FORMS = [PASSWORD, TOKEN, DECLARED, BASIC, "w0rd%2Fof-pass", "3nv%2FSecret", "s3ss10n", "c00kie"]


def article(seen: Seen, title: str) -> bytes:
    text = (
        "<p>The ferry returned to the harbour on Monday, and its captain gave the reason.</p>" * 8
    )
    body = f"<html><h1>{title}</h1><article>{text}<p>{seen.path} {PASSWORD}</p></article></html>"
    return reply(200, body.encode(), "Content-Type: text/html")


def feed(seen: Seen) -> bytes:
    own = f"http://desk:{PASSWORD}@{seen.headers['host']}/feed?token={TOKEN}"
    items = "".join(
        f"<item><title>Ferry {n}</title><link>/{name}?token={TOKEN}</link></item>"
        for n, name in enumerate(("page", "moved", "gone", "empty"))
    )
    items += (
        f"<item><title>No link</title><guid>g</guid><description>see {own}</description></item>"
    )
    text = f"<rss version='2.0'><channel><title>G</title><link>{own}</link>{items}<item/></channel></rss>"
    fields = (
        "Content-Type: text/xml",
        "Content-Encoding: gzip",
        f"Link: <{own}>",
        f"X-Auth: {BASIC}",
    )
    return reply(200, gzip.compress(text.encode()), *fields)


def route(seen: Seen) -> Reply:
    """A server that knows its secrets and repeats them wherever it can."""
    path = seen.path
    if path.startswith("/env/"):
        item = f"<item><title>Env</title><link>{path}</link><description>{path} {DECLARED}</description></item>"
        text = f"<rss version='2.0'><channel><title>G</title>{item}</channel></rss>"
        return reply(200, text.encode(), "Content-Type: text/xml")
    if path.startswith("/feed"):
        to = f"Location: /feed2?session=s3ss10n&token={TOKEN}"
        return reply(302, f"<a href='{to}'>".encode(), to, "Set-Cookie: id=c00kie")
    if path.startswith("/feed2"):
        return feed(seen)
    if path.startswith("/moved"):
        return reply(301, path.encode(), f"Location: /page?again=1&token={TOKEN}")
    if path.startswith("/page"):
        return article(seen, "A page")
    if path.startswith("/empty"):
        return reply(200, f"<html>{path}</html>".encode(), "Content-Type: text/html")
    return reply(f"404 {path}")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    found = FaultServer(lambda seen: feed(seen) if seen.path.startswith("/feed2") else route(seen))
    yield found
    found.close()


@pytest.fixture
def config(server: FaultServer, tmp_path: Path) -> Path:
    file = tmp_path / "copydesk.toml"
    file.write_text(
        f"""
[fetch]
allow_private_hosts = ["{server.host}"]
[sources.paper]
parser = "feed"
full_text = true
url = "http://desk:w0rd%2Fof-pass@{server.host}/feed?token={TOKEN}"
[sources.broken]
parser = "feed"
url = "http://desk:w0rd%2Fof-pass@{server.host}/empty?token={TOKEN}"
[sources.declared]
parser = "feed"
url = "http://{server.host}/env/{{FEED_SECRET}}/rss?q={{FEED_SECRET}}"
secret_env = "FEED_SECRET"
""",
        encoding="utf-8",
    )
    return file


def texts_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every byte of a folder: files, rows of databases, records of archives."""
    for file in folder.rglob("*"):
        yield "name", str(file).encode()
        if file.is_dir():
            continue
        data = file.read_bytes()
        yield file.name, data
        if file.suffix == ".duckdb":
            with duckdb.connect(str(file), read_only=True) as db:
                for name in db.sql(
                    "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
                ).fetchall():
                    for row in db.sql(f"FROM {name[0]}").fetchall():
                        yield (
                            name[0],
                            b" ".join(
                                one if isinstance(one, bytes) else str(one).encode() for one in row
                            ),
                        )
        if file.name.endswith(".warc.gz"):
            for record in ArchiveIterator(io.BytesIO(data)):
                yield file.name, f"{record.rec_headers} {record.http_headers}".encode()
                body = record.raw_stream.read()
                yield file.name, gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


def assert_no_secret(folder: Path, *messages: object) -> None:
    places = [*texts_of(folder), *(("message", str(one).encode()) for one in messages)]
    assert any(b"***" in data for _, data in places)
    found = [(place, form) for place, data in places for form in FORMS if form.encode() in data]
    assert found == []


def test_secrets_reach_the_server_and_no_file_or_message(server, config, caplog) -> None:
    caplog.set_level("DEBUG")
    chosen = settings.load(config, {"FEED_SECRET": DECLARED})
    messages: list[str] = []
    reports = []
    for _ in range(2):
        with use_environment(RunEnvironment(notify=messages.append)):
            sources = ["paper", "broken", "declared"]
            reports.append(sync_without_prefect(chosen, sources, limit=None, dry_run=False))
    asked = [(seen.path, seen.headers.get("authorization")) for seen in server.log]
    config.unlink()

    assert asked.count((f"/feed?token={TOKEN}", f"Basic {BASIC}")) == 2
    assert asked.count((f"/feed2?session=s3ss10n&token={TOKEN}", f"Basic {BASIC}")) == 2
    assert asked.count(("/env/3nv%2FSecret/rss?q=3nv%2FSecret", None)) == 2
    assert (f"/page?again=1&token={TOKEN}", f"Basic {BASIC}") in asked
    first, second = ({one.source: one.counts for one in report.stats} for report in reports)
    assert first["paper"]["new"] >= 2
    assert first["paper"]["quarantined"] >= 1
    assert first["paper"]["failed"] == 1
    assert second["paper"]["new"] == second["declared"]["new"] == 0
    assert second["declared"]["unchanged"] == 1
    checks = [
        list(check_installation(chosen, verify=True)),
        describe_sources(chosen),
        check_sources(chosen),
    ]
    folder = config.parent
    for format_ in ("jekyll", "jsonl", "csv"):
        export_articles(chosen, folder / format_, format_)
    assert_no_secret(
        folder, caplog.text, messages, chosen, *(r.as_json() for r in reports), *checks
    )


def test_a_page_of_a_person_is_masked_too(server, config) -> None:
    chosen = settings.load(config, {"FEED_SECRET": DECLARED})
    url = f"http://desk:{PASSWORD}@{server.host}/page?token={TOKEN}".replace("w0rd/", "w0rd%2F")

    request = parse_request(chosen, "paper", urls=[url])
    printed = parse_page(chosen, url, source=None, url=None, format_="json")
    with pytest.raises(FetchError) as caught:
        parse_page(chosen, url.replace("page", "gone"), source=None, url=None, format_="json")

    config.unlink()
    assert_no_secret(
        config.parent,
        request,
        printed,
        caught.value,
    )


@pytest.mark.parametrize(
    "text",
    [
        'url = "http://desk:pl4nted@[x/feed"',
        'url = "ftp://desk:pl4nted@example.org/feed"',
        'url = "http://desk:pl4/nted@example.org/feed?token=pl4nted"',
        'url = "http://a\\\\@desk:pl4nted@b/?key=pl4nted"',
        'url = "https://example.org/{PLANTED}"\nsecret_env = "PLANTED"',
        'url = ["https://desk:pl4nted@example.org/feed?key=pl4nted"]',
        'url = "https://example.org/"\nunknown = "https://desk:pl4nted@example.org/"',
    ],
)
def test_an_error_of_the_configuration_shows_no_secret(text, tmp_path) -> None:
    config = tmp_path / "copydesk.toml"
    config.write_text(f'[sources.paper]\nparser = "feed"\n{text}\n', encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        settings.load(config, {})

    assert "pl4" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://a\\\\@b/",
        "http:\\\\\\\\a/",
        "http:a",
        " https://a/",
        "https://a/\\tb",
        "https://a b/",
    ],
)
def test_an_address_that_parsers_read_differently_is_refused(url, tmp_path) -> None:
    config = tmp_path / "copydesk.toml"
    config.write_text(f'[sources.paper]\nparser = "feed"\nurl = "{url}"\n', encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"sources\.paper\.url"):
        settings.load(config, {})


def test_instances_and_routes_of_rsshub_may_have_keys(tmp_path) -> None:
    config = tmp_path / "copydesk.toml"
    config.write_text(
        '[rsshub]\nsecret_env = "HUB"\n'
        'instances = ["https://reader:pl4nted@a.example/", "https://b.example?key={HUB}"]\n'
        '[sources.paper]\nparser = "rsshub"\nroute = "/woshipm/latest?token=pl4nted"\n',
        encoding="utf-8",
    )

    found = settings.load(config, {"HUB": "pl4nted/hub"})

    assert found.rsshub.instances == ("https://***@a.example/", "https://b.example?key=***")
    assert found.source("paper").text("route") == "/woshipm/latest?token=***"
    assert "pl4nted" not in str(found)
    assert SECRETS.reveal("https", "b.example", "/x?token=***&key=***") == (
        "/x?token=pl4nted&key=pl4nted%2Fhub"
    )
    with pytest.raises(ConfigurationError, match="HUB is not set"):
        settings.load(config, {})


@pytest.fixture
def faulty() -> Iterator[Callable[[Callable[[Seen], Reply]], FaultServer]]:
    """Starts servers; they are closed at the end."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(closing(FaultServer(answer)))


def test_key_of_an_instance_is_sent_to_it_alone_and_stored_nowhere(tmp_path, faulty) -> None:
    asked: list[str] = []

    def instance(seen: Seen) -> Reply:
        asked.append(seen.path)
        item = "<item><title>Ferry</title><description>It returned.</description></item>"
        text = f"<rss version='2.0'><channel><title>G</title>{item}</channel></rss>"
        return reply(200, text.encode(), "Content-Type: text/xml")

    first = faulty(lambda seen: asked.append(seen.path) or reply(403, seen.path.encode()))
    second = faulty(instance)
    config = tmp_path / "copydesk.toml"
    config.write_text(
        f'[warehouse]\npath = "a.duckdb"\n[archive]\npath = "archive"\n'
        f'[fetch]\nallow_private_hosts = ["{first.host}", "{second.host}"]\n'
        f'respect_robots = false\n[rsshub]\nsecret_env = "HUB"\n'
        f'instances = ["http://{first.host}", "http://{second.host}/?key={{HUB}}"]\n'
        '[sources.a]\nparser = "rsshub"\nroute = "/a"\n'
        '[sources.b]\nparser = "rsshub"\nroute = "/b?limit=1"\n',
        encoding="utf-8",
    )
    with use_environment(RunEnvironment(notify=lambda _text: None)):
        found = settings.load(config, {"HUB": "pl4nted-key"})
        reports = [sync_without_prefect(found, [slug]) for slug in ("a", "b")]
    stored = b"".join(data for _, data in texts_of(tmp_path))
    with duckdb.connect(str(found.warehouse.path), read_only=True) as db:
        fetches = db.execute("SELECT url, final_url, status FROM fetches ORDER BY url").fetchall()
        ids = db.execute("SELECT article_id FROM articles ORDER BY 1").fetchall()

    assert [one.state for one in reports] == ["completed", "completed"]
    assert asked == ["/a", "/a?key=pl4nted-key", "/b?limit=1", "/b?limit=1&key=pl4nted-key"]
    assert b"pl4nted" not in stored
    assert fetches == [
        ("https://rsshub.invalid/a", f"http://{second.host}/a?key=***", 200),
        ("https://rsshub.invalid/b?limit=1", f"http://{second.host}/b?limit=1&key=***", 200),
    ]
    assert [id_.partition("#")[0] for (id_,) in ids] == [
        "a:https://rsshub.invalid/a", "b:https://rsshub.invalid/b?limit=1",
    ]  # fmt: skip


def test_a_host_entry_that_is_none_is_refused_with_the_configuration(tmp_path) -> None:
    config = tmp_path / "copydesk.toml"
    config.write_text('[fetch]\nallow_private_hosts = ["http://x/y"]\n', encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"fetch\.allow_private_hosts"):
        settings.load(config, {})

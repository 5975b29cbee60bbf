"""The configuration: valid values are accepted, and wrong keys are reported."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from flows import settings
from flows.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[3] / "deploy" / "copydesk.example.toml"


def written(folder: Path, text: str) -> Path:
    file = folder / "copydesk.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_no_file_means_the_three_built_in_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    found = settings.load(environ={})

    assert [source.slug for source in found.selected_sources()] == ["finews", "woshipm", "ofweek"]
    assert found.warehouse.path == tmp_path / "data" / "copydesk.duckdb"


def test_example_file_shows_every_key_with_its_default(tmp_path):
    example = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    sections = {name: value for name, value in example.items() if name != "sources"}

    assert sections == settings.Settings().model_dump(mode="json", exclude={"sources"})


def test_example_file_is_accepted_and_equals_the_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = written(tmp_path, EXAMPLE.read_text(encoding="utf-8"))

    found, defaults = settings.load(file, {}), settings.load(environ={})

    assert found.model_dump(exclude={"sources"}) == defaults.model_dump(exclude={"sources"})
    assert found.selected_sources() == defaults.selected_sources()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[warehouse]\npth = "x"', "warehouse.pth: unknown key, did you mean 'warehouse.path'?"),
        ('[warehose]\npath = "x"', "warehose: unknown key, did you mean 'warehouse'?"),
        ("[fetch]\ntimeout_seconds = 'soon'", "fetch.timeout_seconds: expected a valid number"),
        ("[fetch]\nconcurrency = 0", "fetch.concurrency: expected greater than or equal to 1"),
        ('[sources.x]\nurl = "http://a.example"', "sources.x.parser: this key must be given"),
        ('[sources.x]\nparser = "rsshubb"', "no parser 'rsshubb', did you mean 'rsshub'?"),
        (
            '[sources.x]\nparser = "finews"\nwitness = "y"',
            "sources.x.witness: expected the address",
        ),
        (
            '[sources.x]\nparser = "finews"\nwitness = "ftp://y"',
            "sources.x.witness: expected an http",
        ),
        ('[sources.x]\nparser = "finews"\nchanels = []', "chanels"),
        ('[sources.x]\nparser = "finews"\nchannels = "emnews"', "sources.x.channels"),
        (
            '[sources.x]\nparser = "finews"\ntime_zone = "Mars"',
            "sources.x.time_zone: expected a zone",
        ),
        (
            '[sources.x]\nparser = "finews"\ntime_zone = ""',
            "'Europe/Berlin' or 'UTC', found ''; without a zone to name, leave the key out",
        ),
        (
            '[sources.x]\nparser = "generic"\nurl = "http://a.example"\ntime_zone = "none"',
            "found 'none'; without a zone to name, leave the key out",
        ),
        (
            '[sources.x]\nparser = "finews"\ntime_zone = "asia/shanghai "',
            "found 'asia/shanghai ', did you mean 'Asia/Shanghai'?",
        ),
        ('[defaults]\ntime_zone = ""', "defaults.time_zone: expected a zone of the IANA list"),
        ('[run]\nrunner = "threads"', "run.runner: unknown key"),
        ("[serve]\nruns_at_once = 2", "serve.runs_at_once: unknown key"),
        (
            '[sources.x]\nparser="finews"\nbase_url = "nonsense"',
            "sources.x.base_url: expected an http",
        ),
        (
            '[sources.x]\nparser="finews"\nbase_url = "ftp://a.example"',
            "sources.x.base_url: expected an",
        ),
        (
            '[sources.x]\nparser="finews"\nchannels = []',
            "sources.x.channels: expected at least one",
        ),
        (
            '[sources.x]\nparser="finews"\narticle_urls = ["http://evil.example/x"]',
            "sources.x.article_urls: expected a share link",
        ),
        ('[sources.x]\nparser="finews"\nschedule = "every minute or so"', "sources.x.schedule"),
        ('[sources."../up"]\nparser="finews"', "expected a name of small letters"),
        ('[sources."a:b"]\nparser="finews"', "expected a name of small letters"),
        ('warehouse = "x.duckdb"', "warehouse: expected a section ([warehouse])"),
        ("[warehouse", "is not TOML"),
    ],
)
def test_wrong_key_is_named_with_what_was_expected(tmp_path, text, expected):
    file = written(tmp_path, text)

    with pytest.raises(ConfigurationError) as caught:
        settings.load(file, {})

    assert expected in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '[sources.a]\nparser="feed"\nurl="desk:pl4nted@example.org/feed.xml"',
        '[sources.a]\nparser="feed"\nurl="example.org/feed.xml?member=pl4nted"',
        '[sources.a]\nparser="feed"\nurl={ a = "https://desk:pl4nted@example.org/feed.xml" }',
        '[sources."https://desk:pl4nted@example.org/"]\nparser="feed"\nurl="https://example.org/"',
        'warehouse = "https://desk:pl4nted@example.org/"',
        '[archive]\npath = ["https://example.org/?token=pl4nted"]',
    ],
)
def test_a_wrong_address_is_shown_without_its_secret(tmp_path, text):
    with pytest.raises(ConfigurationError) as caught:
        settings.load(written(tmp_path, text), {})

    assert "pl4nted" not in str(caught.value)


def test_section_without_parser_changes_the_built_in_source(tmp_path):
    text = '[sources.finews]\nbase_url = "http://127.0.0.1:1"\nschedule = "every 1 hour"'

    found = settings.load(written(tmp_path, text), {})

    assert list(found.sources) == ["finews"]
    assert found.source("finews").text("base_url") == "http://127.0.0.1:1"
    assert len(found.source("finews").texts("channels")) == 5
    assert settings.source_schedules(found)["finews"].value == "3600"


def test_route_names_no_instance_unless_a_url_is_given(tmp_path):
    text = """
        [rsshub]
        instances = ["http://127.0.0.1:1/"]
        [sources.a]
        parser = "rsshub"
        route = "/woshipm/latest"
        [sources.b]
        parser = "rsshub"
        route = "/x"
        url = "http://127.0.0.1:2/x"
    """
    file = written(tmp_path, text)
    first = settings.load(file, {}).source("a").text("url")
    other = settings.load(file, {"COPYDESK_RSSHUB__INSTANCES": '["https://b.example"]'})

    assert first == other.source("a").text("url") == "https://rsshub.invalid/woshipm/latest"
    assert other.source("b").text("url") == "http://127.0.0.1:2/x"
    with pytest.raises(ConfigurationError, match=r"sources\.a\.route: .*\[rsshub\]"):
        settings.load(file, {"COPYDESK_RSSHUB__INSTANCES": "[]"})


def test_section_with_a_route_is_a_feed_of_rsshub(tmp_path):
    text = """
        [rsshub]
        instances = ["https://a.example"]
        [sources.x]
        route = "/x"
        [sources.woshipm]
        route = "/woshipm/popular"
    """
    found = settings.load(written(tmp_path, text), {})

    assert [found.source(slug).parser.name for slug in ("x", "woshipm")] == ["rsshub", "rsshub"]
    assert found.sources["woshipm"].time_zone == "Asia/Shanghai"


def test_built_in_sources_need_no_rsshub_instance(tmp_path):
    found = settings.load(written(tmp_path, ""), {})

    assert found.rsshub.instances == ()
    assert found.source("woshipm").text("base_url") == "https://www.woshipm.com"


def test_language_and_categories_of_defaults_are_for_parsers_that_declare_none(tmp_path):
    text = """
        [rsshub]
        instances = ["https://a.example"]
        [defaults]
        language = "zh-CN"
        categories = ["财经"]
        [sources.feed]
        parser = "feed"
        url = "http://a.example/feed"
        [sources.own]
        parser = "rsshub"
        route = "/x"
        language = ""
        categories = ["a", "b"]
        [sources.finews]
        [sources.ofweek]
    """
    found = settings.load(written(tmp_path, text), {})
    feed, own, ofweek = map(found.source, ("feed", "own", "ofweek"))

    assert (feed.text("language"), feed.texts("categories")) == ("zh-CN", ("财经",))
    assert (own.text("language"), own.texts("categories")) == ("", ("a", "b"))
    assert ofweek.texts("categories") == ("新媒体", "高科技行业门户", "新闻")
    assert "language" not in found.source("finews").options


def test_defaults_fill_what_a_source_leaves_out(tmp_path):
    text = """
        [defaults]
        schedule = "0 * * * *"
        time_zone = "Europe/Berlin"
        [sources.feed]
        parser = "feed"
        url = "http://a.example/feed"
        [sources.mirror]
        parser = "finews"
        [sources.other]
        parser = "feed"
        url = "http://b.example/feed"
        schedule = ""
        time_zone = "UTC"
    """

    found = settings.load(written(tmp_path, text), {})

    zones = {slug: source.time_zone for slug, source in found.sources.items()}
    assert zones == {"feed": "Europe/Berlin", "mirror": "Asia/Shanghai", "other": "UTC"}
    assert found.source("feed").text("time_zone") == "Europe/Berlin"
    assert list(settings.source_schedules(found)) == ["feed", "mirror"]


def test_source_of_a_user_without_a_zone_is_scheduled_in_utc(tmp_path):
    text = '[sources.a]\nparser = "feed"\nurl = "http://a.example/feed"\nschedule = "0 6 * * *"'

    found = settings.load(written(tmp_path, text), {})

    assert settings.source_schedules(found)["a"].zone == "UTC"
    assert found.source("a").text("time_zone") == ""


def test_every_wrong_key_is_named_at_once(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        settings.load(written(tmp_path, "[fetch]\nconcurrency = 0\ntimeout = 3"), {})

    assert "fetch.concurrency" in str(caught.value)
    assert "fetch.timeout: unknown key, did you mean 'fetch.timeout_seconds'?" in str(caught.value)


def test_named_file_must_exist(tmp_path):
    with pytest.raises(ConfigurationError, match="there is no configuration file"):
        settings.load(tmp_path / "absent.toml", {})


def test_environment_overrides_the_file(tmp_path):
    file = written(tmp_path, "[fetch]\nconcurrency = 3\n[sources.a]\nparser='finews'")
    environ = {
        "COPYDESK_FETCH__CONCURRENCY": "5",
        "COPYDESK_WAREHOUSE__PATH": "/data/news.duckdb",
        "COPYDESK_FETCH__ALLOW_PRIVATE_HOSTS": '["127.0.0.1:8765"]',
        "COPYDESK_SOURCES__A__BASE_URL": "http://127.0.0.1:8765",
        "UNRELATED": "1",
    }

    found = settings.load(file, environ)

    assert found.fetch.concurrency == 5
    assert found.warehouse.path == Path("/data/news.duckdb")
    assert found.fetch.allow_private_hosts == ("127.0.0.1:8765",)
    assert found.source("a").text("base_url") == "http://127.0.0.1:8765"


def test_mistyped_environment_key_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match=r"warehouse\.pth"):
        settings.load(written(tmp_path, ""), {"COPYDESK_WAREHOUSE__PTH": "x"})


def test_environment_can_point_a_built_in_source_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    found = settings.load(environ={"COPYDESK_SOURCES__FINEWS__BASE_URL": "http://127.0.0.1:1"})

    assert found.source("finews").text("base_url") == "http://127.0.0.1:1"
    assert [source.slug for source in found.selected_sources()] == ["finews", "woshipm", "ofweek"]


def test_unknown_source_is_refused_with_the_nearest_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match="no source 'finew', did you mean 'finews'"):
        settings.load(environ={}).selected_sources(("finew",))


def test_snapshot_lies_beside_its_own_warehouse(tmp_path):
    file = written(tmp_path, '[warehouse]\npath = "x/a.duckdb"')

    assert settings.load(file, {}).warehouse.snapshot == tmp_path / "x" / "a.read.duckdb"
    elsewhere = settings.load(file, {"COPYDESK_WAREHOUSE__PATH": "other/o.duckdb"}).warehouse
    assert elsewhere.snapshot == tmp_path / "other" / "o.read.duckdb"


def test_paths_count_from_the_folder_of_the_file(tmp_path):
    file = written(tmp_path, '[warehouse]\npath = "x/a.duckdb"')

    found = settings.load(file, {})

    assert found.warehouse.path == tmp_path / "x" / "a.duckdb"
    assert found.archive.path == tmp_path / "data" / "archive"

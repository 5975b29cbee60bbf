"""``copydesk init`` writes a configuration that works and never overwrites one."""

from __future__ import annotations

import json
import sys
import tomllib

import pytest

from flows import settings
from flows.admin.new_config import write_config
from flows.errors import ConfigurationError

CONTACT = "https://gazette.test/contact"


def test_written_file_loads_and_has_the_contact_and_the_sources(run_cli, elsewhere):
    feeds = ["https://www.harbour.test/feed.xml", "tides=https://harbour.test/tides.xml"]
    arguments = [word for one in ("ofweek", *feeds) for word in ("--source", one)]

    code, out, _ = run_cli("init", "--contact", CONTACT, *arguments, "--json")

    chosen = settings.load(None, {})
    assert (code, json.loads(out)["sources"]) == (0, ["ofweek", "harbour_test", "tides"])
    assert chosen.fetch.user_agent == f"copydesk/0.2 (+{CONTACT})"
    assert chosen.sources["ofweek"].time_zone == "Asia/Shanghai"
    assert chosen.source("tides").options["url"] == "https://harbour.test/tides.xml"


def test_written_sources_can_be_checked(run_cli, elsewhere, project, monkeypatch):
    host = project.news_site.url.partition("//")[2]
    monkeypatch.setenv("COPYDESK_FETCH__ALLOW_PRIVATE_HOSTS", f'["{host}"]')
    monkeypatch.setenv("COPYDESK_SOURCES__OFWEEK__BASE_URL", project.news_site.url)
    run_cli("init", "--config", "new.toml", "--contact", CONTACT, "--source", "ofweek")

    code, out, _ = run_cli("sources", "check", "--config", "new.toml", "--json")

    assert (code, [one["ok"] for one in json.loads(out)["sources"]]) == (0, [True])


def test_terminal_is_asked_for_contact_and_sources(run_cli, elsewhere, project, monkeypatch):
    host = project.news_site.url.partition("//")[2]
    monkeypatch.setenv("COPYDESK_FETCH__ALLOW_PRIVATE_HOSTS", f'["{host}"]')
    answers = iter([CONTACT, f"finews {project.news_site.url}/woshipm/latest"])
    monkeypatch.setattr("click.prompt", lambda *_text, **_options: next(answers))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    assert run_cli("init", "--config", "new.toml")[0] == 0
    assert list(settings.load(elsewhere / "new.toml", {}).sources) == ["finews", "127_0_0_1"]


def test_existing_file_is_kept(run_cli, elsewhere):
    file = elsewhere / "copydesk.toml"
    file.write_text("# mine", encoding="utf-8")

    assert run_cli("init", "--contact", CONTACT)[0] == 2
    assert file.read_text(encoding="utf-8") == "# mine"


@pytest.mark.parametrize(
    ("contact", "sources"),
    [
        ("", ["finews"]),
        ("nobody", ["finews"]),
        ("https://example.org/contact", ["finews"]),
        ("https://grüße.test/\n", ["finews"]),
        (CONTACT, ["finew"]),
        (CONTACT, ["finews", "finews"]),
        (CONTACT, ["all=https://harbour.test/feed"]),
        (CONTACT, []),
    ],
)
def test_value_that_cannot_be_used_writes_nothing(tmp_path, contact, sources):
    with pytest.raises(ConfigurationError):
        write_config(tmp_path / "copydesk.toml", contact=contact, sources=sources)

    assert list(tmp_path.iterdir()) == []


def test_address_of_a_feed_cannot_add_keys(tmp_path):
    url = 'https://harbour.test/feed?a="]"'

    file = write_config(tmp_path / "new.toml", contact=CONTACT, sources=[f"tides={url}"])

    assert tomllib.loads(file.read_text("utf-8"))["sources"]["tides"]["url"] == url


def test_script_without_a_contact_is_refused(run_cli, elsewhere):
    assert run_cli("init", "--json")[0] == 2


def test_run_without_a_file_or_with_the_example_contact_has_advice(elsewhere):
    from flows.admin.new_config import advice

    built_in = advice(settings.load(None, {}), None)
    write_config(elsewhere / "copydesk.toml", contact=CONTACT, sources=["finews"])

    assert len(built_in) == 2
    assert "copydesk init" in built_in[0]
    assert advice(settings.load(None, {}), None) == []

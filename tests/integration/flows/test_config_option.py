"""--config has priority over the environment, and the demo stays in its own folder."""

from __future__ import annotations

import pytest

from flows.cli import demo_run
from flows.errors import ConfigurationError, RunFailed


@pytest.fixture
def config_of(monkeypatch):
    """The configuration file that a command uses, by its words."""
    used = []

    def run_sync(_settings, _names, *, config, **_options):
        used.append(config)
        raise RunFailed("far enough")

    monkeypatch.setattr("flows.serve.run_local.run_sync", run_sync)

    def ask(*arguments):
        from flows.cli import run

        run([*map(str, arguments)])
        return used[-1]

    return ask


@pytest.mark.parametrize("is_before", [True, False])
def test_configuration_that_is_typed_wins_over_the_environment(
    tmp_path, monkeypatch, config_of, is_before
):
    for name in ("named.toml", "typed.toml"):
        (tmp_path / name).write_text("")
    monkeypatch.setenv("COPYDESK_CONFIG", str(tmp_path / "named.toml"))
    options = ("--config", tmp_path / "typed.toml")

    arguments = (*options, "sync") if is_before else ("sync", *options)

    assert config_of(*arguments) == tmp_path / "typed.toml"
    assert config_of("sync") == tmp_path / "named.toml"


@pytest.mark.parametrize(
    "name", ["COPYDESK_WAREHOUSE__PATH", "COPYDESK_ARCHIVE__PATH", "COPYDESK_SOURCES__FINEWS__URL"]
)
def test_demo_goes_nowhere_but_into_its_own_folder(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, str(tmp_path / "production.duckdb"))

    with pytest.raises(ConfigurationError, match=f"env -u {name} copydesk demo"):
        demo_run.run_demo(
            tmp_path / "demo", notify=lambda _text: None, on_progress=lambda *_far: None
        )

    assert not (tmp_path / "demo").exists()
    assert not (tmp_path / "production.duckdb").exists()

"""The Prefect server's address and environment; one process serves a warehouse."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from flows.errors import ConfigurationError, RunFailed
from flows.prefect_api import (
    RunServer,
    ServerInfo,
    configured_server,
    find_run_server,
    find_server,
    own_api_url,
    prefect_home,
    prepare_client,
    single_instance,
)
from flows.serve.deployments import RegisteredDeployment, Registration
from flows.serve.prefect_server import PrefectServer, check_exposure, server_environment
from flows.serve.sd_notify import sd_notify
from flows.serve.supervisor import announcement, pool_name
from flows.settings import Settings

OWN = ServerInfo(pid=1, api_url="http://127.0.0.1:4200/api", is_own=True)
FOREIGN = ServerInfo(pid=1, api_url="http://prefect.example.org/api", is_own=False)


def settings_with(**serve: object) -> Settings:
    return Settings.model_validate({"serve": serve})


def settings_at(path: Path) -> Settings:
    return Settings.model_validate({"warehouse": {"path": str(path)}})


@pytest.fixture(autouse=True)
def no_prefect_home(monkeypatch):
    monkeypatch.delenv("PREFECT_HOME", raising=False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, None), ({"PREFECT_API_URL": " "}, None), ({"PREFECT_API_URL": "http://a/api/"}, "http://a/api")],
)  # fmt: skip
def test_empty_server_address_is_none_and_one_may_end_in_a_slash(given, expected):
    environ = dict(given)

    assert configured_server(environ) == expected
    assert environ.get("PREFECT_API_URL") == expected


def test_home_of_prefect_is_beside_the_warehouse_or_where_the_environment_sets_it(
    tmp_path, monkeypatch
):
    assert prefect_home(settings_at(tmp_path / "c.duckdb")) == tmp_path / "prefect"
    monkeypatch.setenv("PREFECT_HOME", "elsewhere")
    assert prefect_home(settings_at(tmp_path / "c.duckdb")) == Path.cwd() / "elsewhere"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4200/api"),
        ("localhost", "http://127.0.0.1:4200/api"),
        ("0.0.0.0", "http://127.0.0.1:4200/api"),  # noqa: S104
        ("::", "http://[::1]:4200/api"),
        ("192.0.2.1", "http://192.0.2.1:4200/api"),
    ],
)
def test_own_server_is_reached_at_an_address_of_this_machine(host, url):
    assert own_api_url(settings_with(host=host)) == url


def test_client_of_our_own_server_has_its_password_and_no_key_of_another_one():
    environ = {"PREFECT_SERVER_API_AUTH_STRING": "project:secret", "PREFECT_API_KEY": "of another"}

    prepare_client(environ, Settings(), OWN.api_url, is_own=True)

    assert environ["PREFECT_API_AUTH_STRING"] == "project:secret"
    assert environ["PREFECT_API_URL"] == OWN.api_url
    assert "PREFECT_API_KEY" not in environ


def test_client_of_another_server_keeps_its_key():
    environ = {"PREFECT_SERVER_API_AUTH_STRING": "project:secret", "PREFECT_API_KEY": "key"}

    prepare_client(environ, Settings(), FOREIGN.api_url, is_own=False)

    assert environ["PREFECT_API_KEY"] == "key"
    assert "PREFECT_API_AUTH_STRING" not in environ


def test_no_proxy_handles_requests_to_this_machine():
    environ = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "intranet"}

    prepare_client(environ, Settings(), "http://192.0.2.1:4200/api", is_own=True)

    hosts = environ["NO_PROXY"].split(",")
    assert hosts[0] == "intranet"
    assert {"127.0.0.1", "localhost", "192.0.2.1"} <= set(hosts)
    assert environ["no_proxy"] == environ["NO_PROXY"]


def test_authority_of_the_environment_is_trusted_unless_prefect_has_its_own(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    environ = {"REQUESTS_CA_BUNDLE": str(bundle)}
    chosen = environ | {"PREFECT_API_SSL_CERT_FILE": "/chosen.pem"}

    for one in (environ, chosen):
        prepare_client(one, Settings(), FOREIGN.api_url, is_own=False)

    assert environ["PREFECT_API_SSL_CERT_FILE"] == str(bundle)
    assert chosen["PREFECT_API_SSL_CERT_FILE"] == "/chosen.pem"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104
def test_address_beyond_loopback_needs_a_password(host):
    with pytest.raises(ConfigurationError, match=r"serve\.host"):
        check_exposure(settings_with(host=host), {})
    check_exposure(settings_with(host=host), {"PREFECT_SERVER_API_AUTH_STRING": "project:secret"})


def test_loopback_needs_no_password():
    for host in ("127.0.0.1", "localhost", "::1"):
        check_exposure(settings_with(host=host), {})


def test_server_sends_no_telemetry_keeps_leases_on_disk_and_deletes_old_runs():
    environ = server_environment(settings_with(run_retention_days=3))

    assert environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environ["DO_NOT_TRACK"] == "1"
    assert environ["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith("filesystem")
    assert environ["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"] == str(3 * 86_400)


def test_setting_of_the_user_wins(monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "P9D")

    assert server_environment(Settings())["PREFECT_SERVER_EVENTS_RETENTION_PERIOD"] == "P9D"


def test_every_setting_of_the_server_is_one_that_prefect_has():
    from prefect.settings import get_current_settings

    known = set(get_current_settings().to_environment_variables())
    own = {name for name in server_environment(Settings()) if name not in os.environ}
    assert own - known - {"DO_NOT_TRACK", "MALLOC_ARENA_MAX"} <= {
        # Without a value unless set.
        "PREFECT_SERVER_UI_API_URL",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY",
    }


# --- one process per warehouse ---------------------------------------------------------------


def test_one_process_serves_a_warehouse_and_others_find_its_server(tmp_path):
    settings = settings_at(tmp_path / "c.duckdb")
    assert find_server(settings) is None

    with single_instance(settings, OWN):
        assert find_server(settings) == OWN
        with (
            pytest.raises(RunFailed, match=r"process 1, http://127.0.0.1:4200\)"),
            single_instance(settings, OWN),
        ):
            pytest.fail("two serve one warehouse")

    assert find_server(settings) is None


def test_run_uses_the_server_of_the_environment_or_else_that_of_serve(tmp_path):
    settings = settings_at(tmp_path / "c.duckdb")
    named = {"PREFECT_API_URL": "https://prefect.example/api/"}
    with single_instance(settings, OWN):
        other = find_run_server(named, settings)
        assert other == RunServer(api_url="https://prefect.example/api")
        assert not other.is_own
        served = find_run_server({}, settings)
        assert served == RunServer(api_url=OWN.api_url, serve=OWN)
        assert served.is_own
    assert find_run_server({}, settings) is None


def test_look_of_another_command_does_not_keep_serve_from_starting(tmp_path):
    settings = settings_at(tmp_path / "c.duckdb")
    with single_instance(settings, OWN):
        pass
    for _ in range(3):
        assert find_server(settings) is None
        with single_instance(settings, OWN):
            pass


def test_pool_of_another_server_is_of_this_warehouse_alone(tmp_path):
    one, other = (settings_at(tmp_path / name) for name in ("a.duckdb", "b.duckdb"))

    assert pool_name(one, OWN) == pool_name(other, OWN) == "copydesk"
    assert pool_name(one, FOREIGN) == pool_name(one, FOREIGN)
    assert pool_name(one, FOREIGN) != pool_name(other, FOREIGN)


# --- messages ----------------------------------------------------------------------------------


def test_port_of_another_program_is_not_called_a_server_to_use(tmp_path):
    import threading

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        url = f"http://127.0.0.1:{port}/api"
        server = PrefectServer(tmp_path, host="127.0.0.1", port=port, api_url=url)
        taken.settimeout(0)

        with pytest.raises(RunFailed, match="--port") as caught:
            server.start({}, stop=threading.Event())

    assert "PREFECT_API_URL" not in str(caught.value)


def test_address_that_is_not_of_this_machine_is_called_that(tmp_path):
    import threading

    server = PrefectServer(tmp_path, host="192.0.2.1", port=4200, api_url="http://192.0.2.1/api")

    with pytest.raises(RunFailed, match="an address of this machine"):
        server.start({}, stop=threading.Event())


def test_announcement_names_schedules_pauses_and_requests():
    found = Registration(
        deployments=(
            RegisteredDeployment(name="sync/a", schedule="every hour", is_paused=False),
            RegisteredDeployment(name="sync/b", schedule="every day", is_paused=True),
            RegisteredDeployment(name="reparse/reparse", schedule="", is_paused=False),
        )
    )

    lines = announcement(OWN, found).splitlines()

    assert lines[0].endswith("http://127.0.0.1:4200")
    assert [line.split()[0] for line in lines if line.startswith("  ")] == ["sync/a", "sync/b"]
    assert [("paused" in line) for line in lines[2:4]] == [False, True]
    assert lines[4].endswith("reparse/reparse")


def test_readiness_is_sent_to_systemd_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    sd_notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    sd_notify("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        sd_notify("READY=1")

        assert listening.recv(100) == b"READY=1"

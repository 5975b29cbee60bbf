"""`copydesk alerts test`, and what doctor says of the addresses."""

from __future__ import annotations

import json

import pytest

from flows.admin import doctor
from tests.integration.flows.press import SQL, alerts


def test_alerts_test_reports_each_address(press, hook, post, run_cli):
    down = "json://127.0.0.1:1/planted"
    press.configure(alerts(hook.address, post.address, down, "nonsense://x", queries=SQL))
    press.sync()

    code, out, _ = run_cli("--config", press.folder / "copydesk.toml", "alerts", "test")

    assert code == 1
    assert "127.0.0.1" not in out
    assert "planted" not in out
    *addresses, query = out.splitlines()
    labels = ["address 1 (json)", "address 2 (mailto)", "address 3 (json)", "address 4 (nonsense)"]
    assert [one.partition(": ")[0] for one in addresses] == labels
    assert [one.endswith(": accepted") for one in addresses] == [True, True, False, False]
    assert query == "query titles: 3 rows"
    assert hook.messages == ["copydesk: test message\n" + hook.received[0]["message"]]
    assert post.mails[0]["Subject"] == "copydesk: test message"


def test_alerts_test_without_an_address_is_a_usage_error(press, run_cli):
    code, _, err = run_cli("--config", press.folder / "copydesk.toml", "alerts", "test")

    assert code == 2
    assert "no address is configured" in err


@pytest.mark.parametrize(
    ("address", "sql"),
    [
        ("env:DESK_HOOK", SQL),
        ("nonsense://x", SQL),
        ("", '[alerts.queries.bad]\nsql = "SELECT nothing FROM articles"\n'),
    ],
)
def test_alerts_test_with_a_wrong_address_or_query_is_a_configuration_error(
    press, hook, run_cli, address, sql
):
    press.sync()
    press.configure(alerts(*filter(None, (hook.address, address)), queries=sql))
    file = press.folder / "copydesk.toml"

    code, out, _ = run_cli("--config", file, "--json", "alerts", "test")

    found = json.loads(out)
    assert code == 2
    assert found["addresses"][0]["accepted"]
    assert sum(one["error"] is not None for one in found["addresses"] + found["queries"]) == 1


def test_alerts_test_runs_no_query_before_the_first_sync(press, hook, run_cli):
    press.configure(alerts(hook.address, queries=SQL))

    code, out, _ = run_cli("--config", press.folder / "copydesk.toml", "alerts", "test")

    assert (code, out) == (0, "address 1 (json): accepted\n")


def test_alerts_test_succeeds_when_every_address_accepts(press, hook, run_cli):
    press.configure(alerts(hook.address))

    code, out, _ = run_cli("--config", press.folder / "copydesk.toml", "--json", "alerts", "test")

    assert code == 0
    assert '"accepted": true' in out


def test_doctor_names_the_variable_of_an_address_that_is_not_set(press, monkeypatch):
    press.configure(alerts("env:DESK_HOOK"))

    def found() -> tuple[str, str]:
        checks = doctor.check_installation(press.settings)
        (check,) = [one for one in checks if one.name == "alerts"]
        return check.status, check.message

    unset = found()
    monkeypatch.setenv("DESK_HOOK", "json://desk.example/hook")

    assert unset[0] == "warning"
    assert unset[1].startswith("DESK_HOOK of [alerts] is not set in this environment")
    assert found()[0] == "ok"

"""The command line: text, JSON, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import demo_site, settings
from tests import site
from tests.site import Fault

SEEDS = Path(site.__file__).parent / "seeds"
COMMAND = [sys.executable, "-m", "flows.cli"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sink"], "No such command 'sink'"),
        (["sync", "--limit", "0"], "'--limit'"),
        (["parse"], "give either FILE"),
        (["export", "out"], "'--format'"),
        (["--config", "absent.toml", "sources"], "there is no configuration file absent.toml"),
        (["sync", "finew"], "no source 'finew', did you mean 'finews'"),
        (["query", "select 1", "--format", "parquet"], "--output"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_invalid_command_exits_2_with_the_reason(run_cli, elsewhere, arguments, message):
    code, out, err = run_cli(*arguments)

    assert code == 2
    assert message in err
    assert out == ""


def test_mistyped_key_exits_2_names_the_key_and_the_nearest(run_cli, elsewhere):
    (elsewhere / "copydesk.toml").write_text('[warehouse]\npth = "x"\n', encoding="utf-8")

    code, _, err = run_cli("sync")

    assert code == 2
    assert "warehouse.pth: unknown key, did you mean 'warehouse.path'?" in err


def test_error_with_json_is_one_document_on_stdout(run_cli, elsewhere):
    code, out, err = run_cli("query", "select 1", "--json")

    document = json.loads(out)
    assert (code, document["exit_code"]) == (1, 1)
    assert document["error"] in err


@pytest.mark.parametrize("place", ["before", "after"])
def test_global_options_work_before_and_after_the_command(run_cli, elsewhere, place):
    arguments = ["--json", "sources"] if place == "before" else ["sources", "--json"]

    code, out, _ = run_cli(*arguments)

    assert code == 0
    assert [row["source"] for row in json.loads(out)["sources"]] == ["finews", "woshipm", "ofweek"]


def test_sources_have_lists_in_their_document(run_cli, elsewhere):
    _, out, _ = run_cli("sources", "--json")

    finews = json.loads(out)["sources"][0]
    assert finews["channels"] == ["emnews", "media", "market-37", "market-38", "market-39"]
    assert len(finews["listings"]) == 5
    assert all(one.startswith("http://finews.zning.xyz/") for one in finews["listings"])


def test_sources_are_shown_with_a_line_for_each_listing(run_cli, elsewhere):
    code, out, _ = run_cli("sources")

    lines = out.splitlines()
    assert (code, len(lines)) == (0, 12)
    assert lines[0] == "finews: parser finews, schedule */5 * * * * (Asia/Shanghai)"
    assert lines[1].split() == [
        "emnews", "http://finews.zning.xyz/web/webapi?type=102&count=500&newsid=1",
    ]  # fmt: skip
    assert max(map(len, lines)) < 100


@pytest.mark.e2e
def test_sources_check_prints_one_line_a_source(run_cli, project):
    project.settings.warehouse.path.unlink()
    code, out, _ = run_cli("sources", "check", "--config", project.config)

    lines = out.splitlines()
    assert len(lines) == 5
    assert code == 0
    assert lines[0].startswith("finews (finews): ok: 46 entries in 5 listings, 1 bad entry;")
    assert all("; for example: " in line for line in lines)
    assert not project.settings.warehouse.path.exists()


@pytest.mark.e2e
def test_sources_check_names_what_is_wrong_and_exits_3(run_cli, project, faults):
    faults["/woshipm"] = Fault(body=b"<html></html>")

    code, out, _ = run_cli(
        "sources", "check", "woshipm", "ofweek", "--config", project.config, "--json"
    )

    found = {line["source"]: line for line in json.loads(out)["sources"]}
    assert code == 3
    assert (found["woshipm"]["ok"], found["ofweek"]["ok"]) == (False, True)
    assert "HTML" in found["woshipm"]["errors"][0]


@pytest.mark.e2e
def test_source_that_is_fetched_by_address_is_healthy(run_cli, project):
    text = project.config.read_text(encoding="utf-8")
    channels = 'channels = ["emnews", "media", "market-37", "market-38", "market-39"]'
    added = '[sources.pages]\nparser = "generic"\n'
    project.config.write_text(text.replace(channels, "channels = []") + added, encoding="utf-8")

    code, out, _ = run_cli(
        "sources", "check", "finews", "pages", "--config", project.config, "--json"
    )

    finews, pages = json.loads(out)["sources"]
    assert code == 0
    assert (finews["listings"], finews["entries"], bool(finews["sample"])) == (0, 1, True)
    assert (pages["listings"], pages["entries"], pages["ok"]) == (0, 0, True)
    assert [one.is_stale for one in project.sync("finews", "pages").stats] == [False, False]


@pytest.mark.e2e
def test_sources_check_names_a_listing_none_of_whose_lines_can_be_read(run_cli, project, faults):
    faults["/newmarket/web/webapi?marketType=37"] = Fault(rename=(b'"infoCode"', b'"code"'))

    code, out, _ = run_cli("sources", "check", "finews", "--config", project.config)

    first, *problems = out.splitlines()
    assert code == 3
    assert first.startswith("finews (finews): WARNING: ")
    assert problems[0].startswith("    ! market-37: ")
    assert "infoCode" in problems[0]


@pytest.mark.e2e
def test_sync_prints_counts_problems_and_the_documented_json(
    run_cli, project, prefect_server, monkeypatch
):
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)

    code, out, err = run_cli("sync", "finews", "--config", project.config)

    assert code == 3
    assert "finews" in out
    assert "! finews: media" in out
    assert "finews: 47 of 47" in err

    code, out, _ = run_cli("sync", "finews", "--json", "--config", project.config)
    document = json.loads(out)
    counters = {
        "source", "discovered", "fetched", "not_modified", "new", "updated", "unchanged",
        "duplicate", "quarantined", "failed", "suppressed", "skipped", "gaps", "seconds",
    }  # fmt: skip
    assert {"run_id", "flow", "state", "sources", "totals"} <= set(document)
    assert all(set(source) == counters for source in document["sources"])
    assert set(document["totals"]) == counters - {"source"}
    assert document["flow"] == "sync"


@pytest.mark.e2e
def test_query_answers_in_every_format(run_cli, project, tmp_path):
    run_cli("import", SEEDS, "--config", project.config, "-q")
    sql = (
        "select source, count(*) as n, max(published_at) as at from articles group by 1 order by 1"
    )

    code, table, _ = run_cli("query", sql, "--config", project.config)
    assert code == 0
    assert table.splitlines()[0].split() == ["source", "n", "at"]
    assert "2022-04-20 10:11:37+00:00" in table

    rows = json.loads(run_cli("query", sql, "--json", "--config", project.config)[1])
    assert rows[0] == {"source": "finews", "n": 3, "at": "2022-04-20T10:11:37+00:00"}

    assert run_cli("query", sql, "--format", "csv", "--config", project.config)[1].startswith(
        "source,n,at"
    )

    file = tmp_path / "out.parquet"
    code, _, err = run_cli(
        "query", sql, "--format", "parquet", "--output", file, "--config", project.config
    )
    assert code == 0
    assert "3 rows" in err
    assert file.read_bytes()[:4] == b"PAR1"


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("drop view articles", "read-only statement"),
        ("select 1; select 2", "one SQL statement"),
        ("select nothing from articles", "nothing"),
        ("select * from read_csv('/etc/passwd')", "disabled"),
    ],
)
def test_refused_query_prints_the_reason(run_cli, synced, sql, message):
    code, out, err = run_cli("query", sql, "--config", synced.config)

    assert (code, out) == (2, "")
    assert message in err


def test_query_before_the_first_run_names_the_command_to_run(run_cli, elsewhere):
    code, _, err = run_cli("query", "select 1")

    assert code == 1
    assert "copydesk.read.duckdb" in err
    assert "copydesk sync" in err


@pytest.mark.e2e
def test_import_and_export_from_the_shell(run_cli, project, tmp_path):
    code, out, _ = run_cli("import", SEEDS, "--json", "--config", project.config)
    assert (code, json.loads(out)["totals"]["new"]) == (0, 5)

    for dialect in ("jekyll", "hexo"):
        code, out, _ = run_cli(
            "export", SEEDS, "--format", dialect, "--check", "--json", "--config", project.config
        )
        assert (code, json.loads(out)["identical"]) == (0, 5)

    code, out, _ = run_cli("export", tmp_path / "o", "--format", "hexo", "--config", project.config)
    assert code == 0
    assert "5 written" in out


def test_import_of_a_folder_without_posts_names_the_expected_files(run_cli, elsewhere):
    (elsewhere / "nothing").mkdir()

    code, _, err = run_cli("import", "nothing")

    assert code == 0
    assert "nothing: " in err
    assert ".htm" in err


@pytest.mark.e2e
def test_doctor_checks_versions_and_warehouse(run_cli, project):
    run_cli("import", SEEDS, "--config", project.config, "-q")

    code, out, _ = run_cli("doctor", "--verify", "--json", "--config", project.config)

    checks = {one["name"]: one for one in json.loads(out)["checks"]}
    assert checks["duckdb"]["status"] == checks["prefect"]["status"] == "ok"
    assert "5 articles" in checks["warehouse"]["message"]
    assert code in (0, 3)


def test_doctor_warns_about_the_example_contact(run_cli, elsewhere):
    code, out, _ = run_cli("doctor")

    assert code == 3
    assert "example contact" in out


def test_reader_that_closes_early_is_no_error(elsewhere):
    piped = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m flows.cli doctor --json | head -c 1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "Traceback" not in piped.stderr


@pytest.mark.e2e
def test_demo_site_writes_its_port_and_ends_on_interrupt(elsewhere):
    served = subprocess.Popen(
        [*COMMAND, "demo-site", "--port", "0", "--port-file", "port"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not (elsewhere / "port").exists():
            assert time.monotonic() < deadline, "no port file"
            assert served.poll() is None
            time.sleep(0.02)
        port = int((elsewhere / "port").read_text(encoding="ascii"))
        assert f"http://127.0.0.1:{port}" in served.stderr.readline()
    finally:
        served.send_signal(2)
        _, err = served.communicate(timeout=30)
    assert served.returncode == 0
    assert "stopped" in err


@pytest.mark.e2e
def test_demo_then_sync_on_the_same_configuration_finds_nothing_new(
    tmp_path, run_cli, prefect_server
):
    folder = tmp_path / "d"
    code, out, _ = run_cli("demo", "--output", folder, "--json")
    assert code == 0
    assert all(one["new"] > 0 and one["failed"] == 0 for one in json.loads(out)["sources"])

    config = folder / "copydesk.toml"
    (host,) = settings.load(config, {}).fetch.allow_private_hosts
    with demo_site.serve(int(host.rpartition(":")[2])):
        _, out, _ = run_cli("--config", config, "sync", "--json")
    totals = json.loads(out)["totals"]
    assert (totals["new"], totals["updated"], totals["failed"]) == (0, 0, 0)
    assert totals["not_modified"] + totals["unchanged"] > 20  # nothing is due again

    sql = "select count(*) as articles, count(distinct content_hash) as contents from articles"
    (counts,) = json.loads(run_cli("--config", config, "query", "--json", sql)[1])
    assert counts == {"articles": 97, "contents": 70}

    code, _, err = run_cli("demo", "--output", folder)
    assert (code, str(folder) in err) == (2, True)


def test_dry_run_of_a_sync_lists_only_what_is_new(project):
    first = project.sync("ofweek", dry_run=True)
    project.sync("ofweek", limit=4)
    second = project.sync("ofweek", dry_run=True)

    listed = [sum("would fetch" in text for text in one.warnings) for one in (first, second)]
    assert listed == [11, 7]

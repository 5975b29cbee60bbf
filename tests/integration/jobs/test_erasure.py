"""Erasure on request: data is gone from archive, warehouse and snapshots, and stays out."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from flows import cli
from flows.admin import erasure
from flows.admin.compact import compact_warehouse
from flows.admin.erasure import ErasureRequest
from flows.archive import ArchiveError, read_record, verify
from flows.cli import erase as command
from flows.pipeline import locks
from flows.settings import ConfigurationError
from warehouse import connect
from warehouse.care import snapshot
from warehouse.care.integrity import verify as verify_warehouse
from warehouse.errors import WarehouseError, WarehouseMissing

ID = "finews:NW202203142308441556"
TEXT = "/NewsData/GetNewsText.do?id=NW202203142308441556"
OFWEEK = "SELECT count(*) FROM articles WHERE source = 'ofweek'"
PLACE = "SELECT archive_file, archive_offset FROM fetches WHERE url LIKE '%NW202203142308441556%'"


@pytest.fixture(autouse=True)
def no_reader_is_on_its_way(monkeypatch):
    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", -1.0)


@pytest.fixture
def run_cli(stored, capfd):
    def run(*arguments):
        code = cli.run(["--config", str(stored.config), *arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def erase(project, *article_ids, source=""):
    return erasure.erase(
        project.settings,
        ErasureRequest(article_ids=article_ids, source=source),
        reason="by request",
        notify=project.messages.append,
        on_progress=lambda *_: None,
    )


def compact(project):
    return compact_warehouse(project.settings, fetches_before=None, notify=project.messages.append)


def problems(project):
    with connect(project.settings.warehouse.path) as db:
        return verify_warehouse(db, is_deep=True).problems


def asked_for(project, target):
    return sum(one.target == target for one in project.news_site.requests)


def test_erased_article_is_gone_from_tables_archive_and_snapshots(stored):
    ((file, offset),) = stored.rows(PLACE)
    ((count,),) = stored.rows("SELECT count(*) FROM articles")
    before = verify(stored.settings.archive.path)
    assert read_record(stored.settings.archive.path, file, offset).body

    done = erase(stored, ID)

    assert (done.removed.articles, done.removed.contents, done.removed.fetches) == (1, 1, 1)
    assert (done.redacted, done.remaining, done.exit_code) == (1, [], 0)
    assert stored.rows("SELECT count(*) FROM articles") == [(count - 1,)]
    assert stored.rows(PLACE) == []
    with pytest.raises(ArchiveError, match="was erased on request"):
        read_record(stored.settings.archive.path, file, offset)
    after = verify(stored.settings.archive.path)
    assert (after.records, after.damaged, after.cut) == (before.records, (), ())
    assert len(snapshot.list_snapshots(stored.settings.warehouse.snapshot)) == 1
    assert problems(stored) == ()


def test_next_sync_neither_fetches_nor_stores_what_was_erased(stored):
    erase(stored, ID)
    asked = asked_for(stored, TEXT)

    report = stored.sync("finews")

    assert asked_for(stored, TEXT) == asked
    assert stored.rows(f"SELECT 1 FROM articles WHERE article_id = '{ID}'") == []
    assert stored.rows("SELECT suppressed FROM runs ORDER BY started_at DESC LIMIT 1") == [(1,)]
    assert report.totals()["gaps"] == 0


def test_undone_suppression_lets_the_next_sync_bring_it_back(stored):
    erase(stored, ID)
    (stone,) = erasure.list_suppressed(stored.settings)
    assert (stone.article_id, stone.reason) == (ID, "by request")

    assert erasure.restore(stored.settings, ErasureRequest(article_ids=(ID,))) == {ID: True}

    assert stored.sync("finews").totals()["new"] == 1
    assert erasure.list_suppressed(stored.settings) == []
    assert problems(stored) == ()


def test_erased_source_leaves_no_page_and_is_not_fetched_again(stored):
    before = stored.rows(OFWEEK)
    pages = stored.rows("SELECT archive_file, archive_offset FROM fetches WHERE source = 'finews'")

    done = erase(stored, source="finews")

    assert (done.redacted, done.removed.fetches, done.remaining) == (len(pages), len(pages), [])
    assert stored.rows("SELECT DISTINCT source FROM articles") == [("ofweek",)]
    assert stored.rows("SELECT count(*) FROM quarantine WHERE source = 'finews'") == [(0,)]
    for file, offset in pages:
        with pytest.raises(ArchiveError, match="erased"):
            read_record(stored.settings.archive.path, file, offset)
    asked = len(stored.news_site.requests)
    report = stored.sync("finews")
    assert len(stored.news_site.requests) == asked
    assert any("remove [sources.finews]" in one for one in report.warnings)
    assert stored.rows(OFWEEK) == before


def test_page_whose_bytes_another_article_needs_stays_until_that_is_erased_too(stored):
    entry = '{"source_article_id": "other"}'
    with connect(stored.settings.warehouse.path) as db:
        db.execute(
            "INSERT INTO _store.fetches SELECT * REPLACE (uuid() AS url_key, 'https://other.example/' "
            f"AS url, '{entry}' AS listing_entry) FROM _store.fetches WHERE url LIKE '%NW202203142308441556%'"
        )
        ((file, offset),) = db.execute(f"{PLACE} AND url NOT LIKE '%other%'").fetchall()

    done = erase(stored, ID)

    assert (done.redacted, done.exit_code) == (0, 3)
    assert any(
        "the same bytes" in one and "erase that article too" in one for one in done.remaining
    )
    assert read_record(stored.settings.archive.path, file, offset).body

    assert erase(stored, "finews:other").exit_code == 0

    with pytest.raises(ArchiveError, match="was erased on request"):
        read_record(stored.settings.archive.path, file, offset)


def test_page_that_could_not_be_erased_is_erased_when_asked_again(stored, monkeypatch):
    def refuse(path, _offset):
        raise ArchiveError(f"{path} cannot be written")

    monkeypatch.setattr(erasure, "overwrite_record", refuse)
    done = erase(stored, ID)
    assert (done.redacted, done.exit_code) == (0, 3)
    assert any("repair that" in one for one in done.remaining)
    monkeypatch.undo()
    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", -1.0)

    done = erase(stored, ID)

    assert (done.redacted, done.exit_code) == (1, 0)


def test_page_whose_archive_file_is_missing_is_named(stored):
    for file in stored.settings.archive.path.glob("*.warc.gz"):
        file.unlink()

    done = erase(stored, ID)

    assert (done.redacted, done.exit_code) == (0, 3)
    assert any("cannot be read" in one for one in done.remaining)


def test_erasure_that_was_killed_after_the_archive_finishes_when_repeated(stored, monkeypatch):

    def killed(*_arguments, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erasure.rows, "erase", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(stored, ID)

    done = erase(stored, ID)
    assert (done.redacted, done.removed.articles, done.remaining) == (0, 1, [])


def test_snapshot_that_a_reader_keeps_open_is_named(stored, monkeypatch):
    link = stored.settings.warehouse.snapshot
    code = (
        "import duckdb, sys; db = duckdb.connect(sys.argv[1], read_only=True);"
        "print('open', flush=True); sys.stdin.readline()"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code, str(link.resolve())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert reader.stdout.readline() == "open\n"
        old = link.resolve()
        done = erase(stored, ID)
        assert [str(old) in one for one in done.remaining] == [True]
        assert "a reader has open" in done.remaining[0]
    finally:
        reader.communicate("\n", timeout=30)
    assert compact(stored).open_snapshots == ()
    assert not old.exists()


def test_source_with_a_run_is_locked(stored):
    with (
        locks.acquire(stored.settings, "finews", flow="sync", run_id="7"),
        pytest.raises(locks.SourceLocked, match="sync run 7"),
    ):
        erase(stored, ID)


def test_erasure_without_a_warehouse_makes_none(project):
    project.settings.warehouse.path.unlink()
    with pytest.raises(WarehouseError, match="no such warehouse"):
        erase(project, ID)
    assert not project.settings.warehouse.path.exists()


# --- suppressed articles ---------------------------------------------------------------------


def test_name_that_is_not_stored_is_reported_and_suppressed(stored):
    result = erase(stored, "finews:NW0")

    assert (result.not_found, result.is_empty, result.exit_code) == (["finews:NW0"], True, 3)
    assert [one.article_id for one in erasure.list_suppressed(stored.settings)] == ["finews:NW0"]
    assert stored.messages == []  # the file is not written again

    again = erase(stored, "finews:NW0")

    assert (again.absent, again.exit_code) == ({"finews:NW0": True}, 0)


def test_stored_and_other_names_are_reported_apart(stored):
    result = erase(stored, ID, "finews:NW0")

    document = result.as_json()
    assert (result.exit_code, document["not_found"]) == (3, ["finews:NW0"])
    assert (document["erased"], document["removed"]["articles"]) == ([ID, "finews:NW0"], 1)
    assert stored.rows(f"SELECT 1 FROM articles WHERE article_id = '{ID}'") == []


def test_unknown_source_is_not_found(stored):
    result = erase(stored, source="finew")

    assert (result.not_found, result.exit_code) == (["finew"], 3)


def test_article_that_is_only_in_quarantine_is_found(stored):
    ((failed,),) = stored.rows("SELECT article_id FROM quarantine WHERE article_id LIKE '%:2%'")

    result = erase(stored, failed)

    assert (result.exit_code, result.removed.quarantine) == (0, 1)


def test_preview_counts_and_changes_nothing(stored):
    preview = erasure.preview(stored.settings, ErasureRequest(article_ids=(ID, "finews:NW0")))

    assert f"{ID}: 1 article, 1 content" in preview
    assert "finews:NW0" in preview
    assert stored.rows(f"SELECT 1 FROM articles WHERE article_id = '{ID}'") == [(1,)]
    assert erasure.list_suppressed(stored.settings) == []


@pytest.mark.parametrize("name", ["finews", "", "finews:", ":1"])
def test_name_that_is_no_id_is_refused(name):
    with pytest.raises(ConfigurationError, match="source_article_id"):
        erasure.require_article_ids(ErasureRequest(article_ids=(ID, name)))


def test_url_is_refused_with_the_id_of_its_article(stored):
    ((url,),) = stored.rows(f"SELECT url FROM articles WHERE article_id = '{ID}'")

    with pytest.raises(ConfigurationError, match=ID):
        erasure.reject_urls(stored.settings, ErasureRequest(article_ids=(url,)))
    with pytest.raises(ConfigurationError, match="no stored article"):
        erasure.reject_urls(stored.settings, ErasureRequest(article_ids=("https://x.example/",)))


# --- the command line ------------------------------------------------------------------------


def test_erase_asks_before_it_deletes(stored, run_cli, monkeypatch):
    assert run_cli("erase", ID)[0] == 2  # no terminal to ask at
    asked = []
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(command, "sys", terminal)
    monkeypatch.setattr(command.click, "confirm", lambda text, **_: asked.append(text))

    assert run_cli("erase", ID)[0] == 1
    assert len(asked) == 1
    assert stored.rows(f"SELECT 1 FROM articles WHERE article_id = '{ID}'") == [(1,)]


def test_erase_lists_and_restores(stored, run_cli):
    assert run_cli("erase", ID, "--yes", "--reason", "by request")[0] == 0

    code, out, _ = run_cli("--json", "erase", "--list")
    (suppression,) = json.loads(out)["suppressions"]
    assert (code, suppression["article_id"], suppression["reason"]) == (0, ID, "by request")

    assert run_cli("erase", "--undo", ID)[0] == 0
    assert run_cli("erase", "--undo", ID)[0] == 3


@pytest.mark.parametrize("arguments", [[], [ID, "--source", "finews"], ["--undo"]])
def test_erase_needs_articles_or_a_source(run_cli, arguments):
    assert run_cli("erase", *arguments)[0] == 2


# --- compact ---------------------------------------------------------------------------------


def test_compact_reports_sizes_and_damages_nothing(stored):
    result = compact(stored)

    assert result.exit_code == 0
    assert 0 < result.as_json()["bytes_after"] <= result.as_json()["bytes_before"]
    assert problems(stored) == ()


def test_compact_needs_a_warehouse(project):
    project.settings.warehouse.path.unlink()
    with pytest.raises(WarehouseMissing):
        compact(project)

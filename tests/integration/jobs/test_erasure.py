"""A publisher's right: what is forgotten is gone from everywhere we keep words, and stays out."""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from flows import cli
from flows.admin import erasure
from flows.admin.erasure_request import ErasureRequest
from flows.archive import ArchiveError, read_record, verify
from flows.cli import erase
from flows.pipeline import locks
from warehouse import connect
from warehouse.care import snapshot
from warehouse.care.integrity import verify as verify_warehouse
from warehouse.errors import WarehouseError

from .conftest import loads

pytestmark = pytest.mark.e2e

ID = "finews:NW202203142308441556"
TEXT = "/NewsData/GetNewsText.do?id=NW202203142308441556"
OFWEEK = "SELECT count(*) FROM articles WHERE source = 'ofweek'"
PLACE = "SELECT archive_file, archive_offset FROM pages WHERE url LIKE '%NW202203142308441556%'"


@pytest.fixture(autouse=True)
def no_reader_is_on_its_way(monkeypatch):
    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", -1.0)


@pytest.fixture
def typed(stored, capfd):
    def run(*words):
        code = cli.run(["--config", str(stored.config), *words])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def forget(desk, *article_ids, source=""):
    return erasure.erase(
        desk.settings,
        ErasureRequest(article_ids=article_ids, source=source),
        reason="by request",
        notify=desk.said.append,
        progress=lambda *_: None,
    )


def problems(desk):
    with connect(desk.settings.warehouse.path) as db:
        return verify_warehouse(db, is_deep=True).problems


def asked_for(desk, target):
    return sum(one.target == target for one in desk.stand.requests)


def test_forgotten_article_is_gone_from_tables_archive_and_snapshots(stored):
    ((file, offset),) = stored.rows(PLACE)
    ((count,),) = stored.rows("SELECT count(*) FROM articles")
    before = verify(stored.settings.archive.path)
    assert read_record(stored.settings.archive.path, file, offset).body

    done = forget(stored, ID)

    assert (done.removed.articles, done.removed.contents, done.removed.pages) == (1, 1, 1)
    assert (done.erased, done.remains, done.exit_code) == (1, [], 0)
    assert stored.rows("SELECT count(*) FROM articles") == [(count - 1,)]
    assert stored.rows(PLACE) == []
    with pytest.raises(ArchiveError, match="was erased on request"):
        read_record(stored.settings.archive.path, file, offset)
    after = verify(stored.settings.archive.path)
    assert (after.records, after.damaged, after.cut) == (before.records, (), ())
    assert len(snapshot.list_snapshots(stored.settings.warehouse.snapshot)) == 1
    assert problems(stored) == ()


def test_next_sync_neither_fetches_nor_stores_what_was_forgotten(stored):
    forget(stored, ID)
    asked = asked_for(stored, TEXT)

    report = stored.sync("finews")

    assert asked_for(stored, TEXT) == asked
    assert stored.rows(f"SELECT 1 FROM articles WHERE article_id = '{ID}'") == []
    assert any("1 passed over, because they are to be forgotten" in one for one in report.warnings)
    assert stored.rows("SELECT forgotten FROM runs ORDER BY started_at DESC LIMIT 1") == [(1,)]
    assert report.totals()["gaps"] == 0


def test_undone_tombstone_lets_the_next_sync_bring_it_back(stored):
    forget(stored, ID)
    (stone,) = erasure.list_suppressed(stored.settings)
    assert (stone.article_id, stone.reason) == (ID, "by request")

    assert erasure.restore(stored.settings, ErasureRequest(article_ids=(ID,))) == {ID: True}

    assert stored.sync("finews").totals()["new"] == 1
    assert erasure.list_suppressed(stored.settings) == []
    assert problems(stored) == ()


def test_forgotten_source_leaves_no_page_of_its_own_and_is_not_asked_again(stored):
    before = stored.rows(OFWEEK)
    pages = stored.rows("SELECT archive_file, archive_offset FROM pages WHERE source = 'finews'")

    done = forget(stored, source="finews")

    assert (done.erased, done.removed.pages, done.remains) == (len(pages), len(pages), [])
    assert stored.rows("SELECT DISTINCT source FROM articles") == [("ofweek",)]
    assert stored.rows("SELECT count(*) FROM quarantine WHERE source = 'finews'") == [(0,)]
    for file, offset in pages:
        with pytest.raises(ArchiveError, match="erased"):
            read_record(stored.settings.archive.path, file, offset)
    asked = len(stored.stand.requests)
    report = stored.sync("finews")
    assert len(stored.stand.requests) == asked
    assert any("nothing is fetched: remove [sources.finews]" in one for one in report.warnings)
    assert stored.rows(OFWEEK) == before


def test_page_whose_bytes_another_article_needs_stays_until_that_is_forgotten_too(stored):
    entry = '{"source_article_id": "other"}'
    with connect(stored.settings.warehouse.path) as db:
        db.execute(
            "INSERT INTO _store.pages SELECT * REPLACE (uuid() AS url_key, 'https://other.example/' "
            f"AS url, '{entry}' AS entry) FROM _store.pages WHERE url LIKE '%NW202203142308441556%'"
        )
        ((file, offset),) = db.execute(f"{PLACE} AND url NOT LIKE '%other%'").fetchall()

    done = forget(stored, ID)

    assert (done.erased, done.exit_code) == (0, 3)
    assert any(
        "the very same bytes" in one and "forget that article too" in one for one in done.remains
    )
    assert read_record(stored.settings.archive.path, file, offset).body

    assert forget(stored, "finews:other").exit_code == 0

    with pytest.raises(ArchiveError, match="was erased on request"):
        read_record(stored.settings.archive.path, file, offset)


def test_page_that_could_not_be_erased_is_erased_when_asked_again(stored, monkeypatch):
    def refuse(folder, file, offset):
        raise ArchiveError(f"{folder / file} cannot be written")

    monkeypatch.setattr(erasure, "redact_record", refuse)
    done = forget(stored, ID)
    assert (done.erased, done.exit_code) == (0, 3)
    assert any("put that right, then ask again" in one for one in done.remains)
    monkeypatch.undo()
    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", -1.0)

    done = forget(stored, ID)

    assert (done.erased, done.exit_code) == (1, 0)


def test_forgetting_that_was_killed_after_the_archive_finishes_when_asked_again(
    stored, monkeypatch
):

    def killed(*_arguments, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erasure.store, "forget", killed)
        with pytest.raises(KeyboardInterrupt):
            forget(stored, ID)

    done = forget(stored, ID)
    assert (done.erased, done.removed.articles, done.remains) == (0, 1, [])


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
        done = forget(stored, ID)
        assert [str(old) in one for one in done.remains] == [True]
        assert "a reader has open" in done.remains[0]
    finally:
        reader.communicate("\n", timeout=30)
    assert (
        erasure.compact_warehouse(
            stored.settings, fetches_before=None, notify=stored.said.append
        ).left
        == ()
    )
    assert not old.exists()


def test_source_that_is_being_read_is_not_forgotten_meanwhile(stored):
    with (
        locks.acquire(stored.settings, "finews", flow="sync", run_id="7"),
        pytest.raises(locks.SourceLocked, match="sync run 7"),
    ):
        forget(stored, ID)


def test_forgetting_without_a_warehouse_makes_none(desk):
    with pytest.raises(WarehouseError, match="no such warehouse"):
        forget(desk, ID)
    assert not desk.settings.warehouse.path.exists()


# --- typed ---------------------------------------------------------------------------------


def test_forget_asks_first_and_says_what_would_go(stored, typed):

    code, _, err = typed("erase", ID)

    assert code == 2
    assert re.search(r"1 article, 1 content .* would be deleted for good; add --yes", err)
    assert stored.rows(f"SELECT 1 FROM articles WHERE article_id = '{ID}'") == [(1,)]


def test_forget_of_what_is_not_there_says_so_and_keeps_it_out(stored, typed):
    size = stored.settings.warehouse.path.stat().st_size
    words = ["erase", "finews:NW0", "--yes"]

    code, out, err = typed(*words)

    assert code == 3
    assert "nothing of finews:NW0 is stored, so nothing was deleted" in out
    assert "`copydesk forget --undo finews:NW0` lets it in again" in out
    assert "forgot" not in out
    assert "anew" not in err
    assert stored.settings.warehouse.path.stat().st_size <= size + 262_144
    assert [one.article_id for one in erasure.list_suppressed(stored.settings)] == ["finews:NW0"]

    code, out, _ = typed(*words)
    assert code == 0
    assert "finews:NW0 was forgotten before; nothing more of it was there" in out


def test_forget_of_some_that_are_there_names_the_others(stored, typed):
    code, out, _ = typed("--json", "erase", ID, "finews:NW0", "--yes")

    done = loads(out)
    assert (code, done["not_found"], done["removed"]["articles"]) == (3, ["finews:NW0"], 1)
    assert stored.rows(f"SELECT 1 FROM articles WHERE article_id = '{ID}'") == []


def test_forget_of_an_unknown_source_says_so(stored, typed):
    code, out, _ = typed("erase", "--source", "finew", "--yes")

    assert code == 3
    assert "nothing of the source finew is stored" in out


def test_forget_asks_nothing_about_deleting_where_nothing_is(stored, typed):
    code, _, err = typed("erase", "finews:NW0")

    assert code == 2
    assert "nothing of finews:NW0 is stored, it would only be kept out" in err


def test_forget_that_is_not_wanted_deletes_nothing_and_says_so(stored, typed, monkeypatch):
    asked = []
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(erase, "sys", terminal)
    monkeypatch.setattr(erase.click, "confirm", lambda words, **_: asked.append(words))

    code, _, err = typed("erase", ID)

    assert (code, "nothing was deleted" in err, "interrupted" in err) == (1, True, False)
    assert re.search("1 article, 1 content .* for good. Do it", asked[0])
    assert stored.rows(f"SELECT 1 FROM articles WHERE article_id = '{ID}'") == [(1,)]


def test_article_that_is_only_in_quarantine_is_there(stored, typed):
    ((failed,),) = stored.rows("SELECT article_id FROM quarantine WHERE article_id LIKE '%:2%'")

    code, out, _ = typed("erase", failed, "--yes")

    assert (code, "1 page in quarantine" in out) == (0, True)


@pytest.mark.parametrize("options", [["--yes"], ["--undo"], []], ids=" ".join)
def test_forget_of_what_is_no_id_is_usage_and_shows_one(typed, options):
    for name in ("finews", "", "finews:", ":1"):
        code, out, err = typed("erase", ID, name, *options)

        assert (code, out) == (2, "")
        assert f"such as finews:NW202203142308441556), found {name!r}: `copydesk query`" in err


def test_forget_refuses_an_address_and_names_its_article(stored, typed):
    ((url,),) = stored.rows(f"SELECT url FROM articles WHERE article_id = '{ID}'")

    code, _, err = typed("erase", url, "--yes")
    assert (code, f"it is the address of {ID}" in err) == (2, True)

    code, _, err = typed("erase", "https://nowhere.example/x", "--yes")
    assert (code, "no stored article has it" in err) == (2, True)
    assert erasure.list_suppressed(stored.settings) == []


def test_forget_list_and_undo_as_typed(stored, typed):

    code, out, _ = typed("erase", ID, "--yes", "--reason", "by request")
    assert code == 0
    assert f"forgot {ID}: 1 article, 1 content that" in out
    assert "Backups, exports and files that were imported" in out

    code, out, _ = typed("erase", "--list")
    assert (code, ID in out, "by request" in out) == (0, True, True)

    code, out, _ = typed("--json", "erase", "--undo", ID)
    assert (code, out.split()) == (0, ["{", '"lifted":', "{", f'"{ID}":', "true", "}", "}"])
    code, out, _ = typed("erase", "--undo", ID)
    assert (code, "not kept out" in out) == (3, True)


@pytest.mark.parametrize("words", [[], [ID, "--source", "finews"], ["--undo"]])
def test_forget_wants_articles_or_a_source(stored, typed, words):
    code, _, err = typed("erase", *words)

    assert code == 2
    assert "name the articles" in err


def test_compact_says_what_it_gave_back(stored, typed):

    code, out, err = typed("compact")

    assert code == 0
    assert re.search(r"MB became [\d.]+ MB; \d+ sightings became \d+", out)
    assert "anew" in err
    assert problems(stored) == ()


def test_compact_without_a_warehouse_says_what_makes_one(stored, typed):
    stored.settings.warehouse.path.unlink()

    code, _, err = typed("compact")

    assert code == 1
    assert "`copydesk sync` or `copydesk import` makes one" in err

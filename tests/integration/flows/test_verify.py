"""``copydesk doctor --verify``: blocks, hashes, and the archive against the tables."""

from __future__ import annotations

import os
import shutil

import pytest

from flows import cli
from flows.admin import doctor
from warehouse import connect, publish
from warehouse.block_file import read_block_file

pytestmark = pytest.mark.e2e


def verify_one(project, what):
    """The failed results of one check as (status, message), and the messages of those that are ok."""
    found = [
        one for one in doctor.check_installation(project.settings, verify=True) if one.name == what
    ]
    return (
        [(one.status, one.message) for one in found if one.status != "ok"],
        [one.message for one in found if one.status == "ok"],
    )


def change(project, *statements):
    """Change the warehouse by SQL, and publish it."""
    with connect(project.settings.warehouse.path) as db:
        for sql in statements:
            db.execute(sql)
        publish(db, project.settings.warehouse.snapshot)


def archive_files(project):
    return sorted(project.settings.archive.path.glob("*.warc.gz"))


def test_sound_warehouse_and_archive_are_ok_with_their_speed(stored):
    ((count,),) = stored.rows("SELECT count(*) FROM fetches WHERE archive_file IS NOT NULL")

    for what, message in {
        "blocks": "every rule holds",
        "snapshot blocks": "equal",
        "hashes": "records match",
        "archive": f"{count} fetches",
    }.items():
        bad, (good,) = verify_one(stored, what)
        assert (bad, message in good) == ([], True)
        assert "a second)" in good


def test_damaged_block_of_the_snapshot_is_an_error_with_the_next_step(stored):
    change(stored)
    path = stored.settings.warehouse.snapshot.resolve()
    with path.open("rb") as file:
        found = read_block_file(file.fileno())
    block = max(set(range(found.header.block_count)) - found.free - found.metadata)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(found.header.offset(block) + 1000)
        file.write(b"damage")

    (((level, message),), _) = verify_one(stored, "snapshot blocks")

    assert level == "error"
    assert "1 block differs" in message
    assert f"{stored.settings.warehouse.path}.checkpoints" in message


def test_revisits_are_compared_with_the_page_they_repeat(stored):
    stored.age(hours=2)
    stored.sync("finews", "ofweek")
    ((revisits,),) = stored.rows("SELECT count(*) FROM fetches WHERE status = 304")

    bad, (good,) = verify_one(stored, "archive")

    assert bad == []
    assert revisits > 0
    assert f"{len(stored.rows('FROM fetches'))} fetches" in good


def test_archive_file_that_is_gone_is_named_with_what_needs_it(stored):
    (file,) = archive_files(stored)
    ((count,),) = stored.rows("SELECT count(*) FROM fetches")
    file.rename(file.with_suffix(".away"))

    (((level, message),), _) = verify_one(stored, "archive")

    assert level == "error"
    assert str(file) in message
    assert f"{count} fetches" in message
    assert "backup" in message


def test_damaged_record_is_named_with_its_place_and_its_fetch(stored):
    file, offset, url = stored.rows(
        "SELECT archive_file, archive_offset, url FROM fetches ORDER BY archive_offset LIMIT 1"
    )[0]
    path = stored.settings.archive.path / file
    data = bytearray(path.read_bytes())
    data[offset + 200] ^= 0x10
    path.write_bytes(data)

    bad, good = verify_one(stored, "archive")

    assert good == []
    assert [level for level, _ in bad] == ["error", "error"]
    assert bad[0][1].startswith(f"1 damaged record: {path} at offset {offset}: ")
    assert bad[1][1].startswith(f"1 fetch does not match the archive: {url}: its page cannot")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("body_sha256 = repeat('0', 64)", "its record holds another page"),
        ("archive_offset = archive_offset + 1", "has no record at offset"),
        ("final_url = 'http://elsewhere.example/'", "its record belongs to"),
    ],
)
def test_fetch_that_does_not_agree_with_the_archive_is_named(stored, damage, problem):
    one = stored.rows("SELECT url FROM fetches WHERE body_sha256 IS NOT NULL ORDER BY url LIMIT 1")[
        0
    ][0]
    change(stored, f"UPDATE _store.fetches SET {damage} WHERE url = '{one}'")

    (((level, message),), _) = verify_one(stored, "archive")

    assert level == "error"
    assert message.startswith("1 fetch does not match the archive: " + one)
    assert problem in message


def test_archive_file_without_a_fetch_is_a_warning(stored):
    (file,) = archive_files(stored)
    other = file.with_name("copydesk-20260101-000000-0badcafe.warc.gz")
    shutil.copy(file, other)
    os.utime(other, (1, 1))

    (((level, message),), good) = verify_one(stored, "archive")

    assert level == "warning"
    assert str(other) in message
    assert "copydesk backfill SOURCE --archive" in message
    assert good


def test_file_that_a_killed_process_left_unfinished_is_a_warning(stored):
    (file,) = archive_files(stored)
    with file.open("ab") as stream:
        stream.write(file.read_bytes()[:100])

    (((level, message),), good) = verify_one(stored, "archive")

    assert (level, bool(good)) == ("warning", True)
    assert f"{file} at " in message


def test_changed_title_is_an_error_of_key_and_hash(stored):
    article_id = stored.rows("SELECT article_id FROM articles ORDER BY 1 LIMIT 1")[0][0]
    own = article_id.partition(":")[2]
    change(
        stored,
        f"UPDATE _store.article_records SET title = '换了' WHERE source_article_id = '{own}'",
    )

    bad, _ = verify_one(stored, "hashes")

    assert [level for level, _ in bad] == ["error", "error"]
    assert "record_key does not match its columns" in bad[0][1]
    assert "content hash" in bad[1][1]
    assert f"{article_id} (换了)" in bad[1][1]


def test_changed_body_is_an_error_of_its_key(stored):
    change(
        stored,
        "UPDATE _store.contents SET body_html = '<p>换了</p>' WHERE seq = (SELECT min(seq) FROM _store.contents)",
    )

    (((level, message),), _) = verify_one(stored, "hashes")

    assert level == "error"
    assert "1 records" in message
    assert "body_key does not match" in message


def test_broken_rule_is_an_error_that_names_what_to_do(stored):
    change(stored, "DELETE FROM _store.sightings")

    (((level, message),), _) = verify_one(stored, "blocks")

    assert level == "error"
    assert "versions without a sighting" in message
    assert "backup" in message


def test_warehouse_of_an_older_version_is_a_warning(stored):
    change(
        stored,
        "DELETE FROM _store.migrations WHERE version = (SELECT max(version) FROM _store.migrations)",
    )

    found = {one.name: one for one in doctor.check_installation(stored.settings, verify=True)}

    assert found["warehouse"].status == "warning"
    assert "1 pending migration" in found["warehouse"].message
    assert "blocks" not in found


def test_writers_are_not_blocked_while_verify_compares(stored, monkeypatch):
    """The long part reads the snapshot, so no run waits for it."""
    written = []

    def write(*arguments):
        with connect(stored.settings.warehouse.path, wait_seconds=0):
            written.append(True)
        return iter(())

    monkeypatch.setattr(doctor, "check_hashes", write)
    verify_one(stored, "hashes")

    assert written == [True]


def test_exit_code_is_that_of_the_worst_result(stored, capfd):
    arguments = ["--config", str(stored.config), "--quiet", "doctor", "--verify"]
    assert cli.run(arguments) == 0

    archive_files(stored)[0].unlink()
    assert cli.run(arguments) == 1
    assert "error    archive" in capfd.readouterr().out


def test_impossible_column_is_an_error_and_the_other_rows_are_checked(stored):
    one, other = stored.rows(
        "SELECT source_article_id, content_hash FROM articles ORDER BY 1 LIMIT 2"
    )
    change(
        stored, f"UPDATE _store.contents SET content_hash = 'cd1:?' WHERE content_hash = '{one[1]}'"
    )
    change(
        stored,
        f"UPDATE _store.article_records SET title = '换了' WHERE source_article_id = '{other[0]}'",
    )

    (keys, _), _ = verify_one(stored, "hashes")

    assert keys[0] == "error"
    assert "content_hash does not match its columns" in keys[1]
    assert "record_key does not match its columns" in keys[1]

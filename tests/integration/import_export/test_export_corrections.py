"""An exported correction keeps the keys that the owner of the site added to the post."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from flows.import_export.export_posts import ExportReport, export_articles
from tests.integration.import_export.desk import Desk, imported, post
from tests.unit.warehouse.factories import NOON

PATHS = {"jekyll": "_posts/2026-03-14-a.md", "hexo": "source/_posts/a.md"}
STORED = b"---\ntitle: a\npinned: true\naliases:\n  - /old/a\n---\none"
ADDED = {"pinned": True, "aliases": ["/old/a"]}


def head(folder: Path, dialect: str = "jekyll") -> dict[str, object]:
    return dict(yaml.safe_load((folder / PATHS[dialect]).read_text("utf-8").split("---\n")[1]))


def correct(desk: Desk, text: str, hours: int) -> None:
    desk.store(replace(post(1, text), fetched_at=NOON + timedelta(hours=hours)))


def export(
    desk: Desk, folder: Path, dialect: str = "jekyll", **options: bool
) -> tuple[ExportReport, dict[str, int]]:
    report = export_articles(desk.settings, folder, dialect, **options)
    return report, {kind: count for kind, count in report.exported.counts().items() if count}


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("is_fresh", [True, False], ids=["fresh folder", "folder of the import"])
def test_correction_keeps_added_keys_and_a_check_agrees(desk, dialect, is_fresh):
    file = desk.site / PATHS[dialect]
    file.parent.mkdir(parents=True)
    if not is_fresh:
        file.write_bytes(STORED)
    desk.store(imported(post(1, "一"), PATHS[dialect], STORED, dialect))
    correct(desk, "一更正", 1)

    _, written = export(desk, desk.site, dialect)
    first = file.read_bytes()
    _, again = export(desk, desk.site, dialect)
    checked, _ = export(desk, desk.site, dialect, check=True)
    correct(desk, "再更正", 2)
    _, corrected = export(desk, desk.site, dialect)

    assert written == ({"written": 1} if is_fresh else {"updated": 1})
    assert b"pinned: true\naliases:\n  - /old/a\n---\n" in first
    assert "一更正" in first.decode()
    assert (again, checked.exit_code, corrected) == ({"identical": 1}, 0, {"updated": 1})
    assert head(desk.site, dialect).items() >= ADDED.items()
    assert "再更正" in file.read_text("utf-8")


def test_post_that_is_taken_over_keeps_the_keys_of_its_file_and_not_of_its_import(desk):
    file = desk.site / PATHS["jekyll"]
    file.parent.mkdir(parents=True)
    desk.store(imported(post(1, "一"), PATHS["jekyll"], STORED))
    correct(desk, "一更正", 1)
    file.write_bytes(b"---\ntitle: a\npinned: false\nslug: mine\n---\none, edited")

    _, left = export(desk, desk.site)
    _, taken = export(desk, desk.site, take_over=True)
    _, again = export(desk, desk.site)

    assert (left, taken, again) == ({"changed": 1}, {"taken_over": 1}, {"identical": 1})
    assert {"pinned": False, "slug": "mine"}.items() <= head(desk.site).items()
    assert "aliases" not in head(desk.site)


def test_head_behind_a_link_adds_no_key(desk):
    file, outside = desk.site / PATHS["jekyll"], desk.folder / "outside.md"
    file.parent.mkdir(parents=True)
    outside.write_bytes(b"---\nsecret: x\n---\n")
    file.symlink_to(outside)
    desk.store(imported(post(1, "一"), PATHS["jekyll"], STORED))
    correct(desk, "一更正", 1)

    report, _ = export(desk, desk.site, take_over=True)

    assert list(report.exported.failed) == [PATHS["jekyll"]]
    assert b"secret" in outside.read_bytes()

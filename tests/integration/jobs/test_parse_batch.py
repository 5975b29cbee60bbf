"""``copydesk parse --batch``: many saved pages to articles, whatever the pages do."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from flows.errors import RunFailed
from flows.pipeline import parse_batch
from flows.pipeline.parse_batch import ManifestLine, parse_line, parse_manifest, read_page_file

SENTENCES = "".join(
    f"<p>The ferry came back to the harbour on day {day}, a year after the storm had torn its ramp away.</p>"
    for day in ("one", "two", "three")
)
CHINESE = "".join(
    f"<p>渡口管理处周{day}宣布，停航三周的港口航线恢复运行，首班船载着四十名乘客离开码头。</p>"
    for day in "一二三"
)


def page(title: str = "Ferry returns", body: str = SENTENCES, head: str = "") -> str:
    return (
        f"<html><head><title>{title}</title>{head}</head><h1>{title}</h1><div>{body}</div></html>"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain.html").write_text(page(), encoding="utf-8")
    (tmp_path / "packed.html.gz").write_bytes(gzip.compress(page().encode()))
    (tmp_path / "gbk.html").write_bytes(page("渡口恢复通航", CHINESE).encode("gb18030"))
    (tmp_path / "empty.html").write_bytes(b"")
    return tmp_path


def manifest(folder: Path, *lines: dict[str, Any] | str) -> Path:
    file = folder / "manifest.jsonl"
    file.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8"
    )
    return file


def line(name: str, **others: str) -> dict[str, Any]:
    return {"id": name, "html": name, "url": f"https://gazette.example/{name}", **others}


def test_every_page_has_a_record_and_a_failed_one_an_error(folder: Path):
    names = ("plain.html", "packed.html.gz", "gbk.html", "empty.html", "missing.html")
    out = folder / "out.json"

    done = parse_manifest(manifest(folder, *map(line, names)), out)

    found = json.loads(out.read_text(encoding="utf-8"))
    assert set(found) == set(names)
    assert {name for name in names if "error" in found[name]} == {"empty.html", "missing.html"}
    assert found["gbk.html"]["title"] == "渡口恢复通航"
    assert found["gbk.html"]["language"] == "zh"
    assert found["packed.html.gz"]["text"] == found["plain.html"]["text"]
    assert all(record["ms"] >= 0 for record in found.values())
    assert (done.page_count, done.error_count) == (5, 2)
    assert not list(folder.glob(".*part"))


def test_the_record_is_the_article_json_in_its_order(folder: Path):
    from flows.pipeline.article_json import ARTICLE_KEYS

    record = json.loads(
        parse_line(
            ManifestLine(id="a", html=folder / "plain.html", url="https://gazette.example/a")
        )
    )

    assert tuple(record)[: len(ARTICLE_KEYS)] == ARTICLE_KEYS
    assert record["article_id"] == "generic:https://gazette.example/a"
    assert record["published_at"] is None


def test_the_day_of_a_page_that_names_only_its_last_change_is_that_of_the_change(tmp_path: Path):
    file = tmp_path / "a.html"
    file.write_text(page(head='<meta name="lastmod" content="2024-05-02T10:00:00Z">'), "utf-8")

    record = json.loads(parse_line(ManifestLine(id="a", html=file, url="")))

    assert (record["published_at"], record["date"]) == (None, "2024-05-02")


@pytest.mark.parametrize(
    ("raw", "day"),
    [("2024-05-02T23:30:00-03:00", "2024-05-02"), ("2024-05-02T00:10:00+08:00", "2024-05-02")],
)
def test_the_day_is_the_one_the_page_prints(tmp_path: Path, raw: str, day: str):
    file = tmp_path / "a.html"
    file.write_text(page(head=f'<meta property="article:published_time" content="{raw}">'), "utf-8")

    assert json.loads(parse_line(ManifestLine(id="a", html=file, url="")))["date"] == day


def test_a_page_without_an_address_is_known_by_its_file(folder: Path):
    record = json.loads(parse_line(ManifestLine(id="a", html=folder / "plain.html", url="")))

    assert record["source_article_id"] == (folder / "plain.html").resolve().as_uri()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "expected a JSON object"),
        ("[]", "expected {"),
        ('{"id": "a"}', "expected {"),
        ('{"id": 7, "html": "plain.html"}', "expected {"),
    ],
)
def test_a_broken_line_stops_the_batch_by_number_and_leaves_no_file(
    folder: Path, text: str, problem: str
):
    out = folder / "out.json"

    with pytest.raises(RunFailed, match=r"manifest\.jsonl:2:") as caught:
        parse_manifest(manifest(folder, line("plain.html"), text), out)

    assert problem in str(caught.value)
    assert not out.exists()
    assert not list(folder.glob(".*part"))


def test_an_id_that_comes_twice_stops_the_batch(folder: Path):
    with pytest.raises(RunFailed, match="occurs twice"):
        parse_manifest(
            manifest(folder, line("plain.html"), line("plain.html")), folder / "out.json"
        )


def test_an_empty_manifest_gives_an_empty_object(folder: Path):
    out = folder / "out.json"

    assert parse_manifest(manifest(folder, ""), out).page_count == 0
    assert json.loads(out.read_text(encoding="utf-8")) == {}


def test_a_page_that_takes_too_long_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parse_batch, "TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(parse_batch, "read_page_file", _never)

    record = json.loads(parse_line(ManifestLine(id="a", html=folder / "plain.html", url="")))

    assert record["error"].startswith("PageTimeoutError")


def test_a_page_file_that_does_not_exist_is_named(folder: Path):
    record = json.loads(parse_line(ManifestLine(id="a", html=folder / "none.html")))

    assert str(folder / "none.html") in record["error"]
    assert "Errno" not in record["error"]


def _never(_path: Path) -> bytes:
    while True:
        pass


def test_a_page_that_ends_its_process_costs_no_other_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(parse_batch, "parse_line", _dies_on_one)
    names = [f"{number}.html" for number in range(3)]

    found = dict(
        parse_batch._records(iter([ManifestLine(id=n, html=folder / n, url="") for n in names]), 2)
    )

    assert set(found) == set(names)
    assert [name for name in names if "error" in found[name]] == ["2.html"]


def _dies_on_one(given: ManifestLine) -> str:
    if given.id == "2.html":
        os._exit(1)
    return json.dumps({"title": given.id})


def test_a_cut_gzip_file_is_no_page(tmp_path: Path):
    cut = tmp_path / "cut.html.gz"
    cut.write_bytes(gzip.compress(page().encode() + os.urandom(5000))[:-2000])

    with pytest.raises(ValueError, match="expected a whole gzip file"):
        read_page_file(cut)


def test_only_so_many_bytes_of_a_page_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parse_batch, "MAX_BYTES", 1000)
    (tmp_path / "big.html").write_bytes(b"x" * 5000)
    (tmp_path / "bomb.html.gz").write_bytes(gzip.compress(b"x" * 5000))

    assert len(read_page_file(tmp_path / "big.html")) == 1000
    with pytest.raises(ValueError, match="cut or too large"):
        read_page_file(tmp_path / "bomb.html.gz")


def test_paths_are_found_beside_the_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir("/")
    out = folder / "out.json"

    assert parse_manifest(manifest(folder, line("plain.html")), out).error_count == 0

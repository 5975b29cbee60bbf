"""``copydesk parse`` as a person types it: one page to one article, nothing stored."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "flows.cli"]
FERRY = (
    "<html><head><title>A ferry returns - Harbour</title></head><body><article>"
    "<h1>A ferry returns</h1><p>"
    + "The ferry came back on Saturday, an hour late and full of people. " * 6
    + "</p></article></body></html>"
).encode()


@pytest.mark.e2e
def test_parse_reads_one_page_and_stores_nothing(run_cli, project):
    project.settings.warehouse.path.unlink()
    link = "https://finance.eastmoney.com/a/202203142308441556.html"
    page = f"{project.news_site.url}/a/202203142308441556.html"

    code, out, _ = run_cli("parse", page, "--source", "finews", "--config", project.config)

    article = json.loads(out)
    assert code == 0
    assert article["title"].startswith("电商、社交、搜索等“主业”强项面临挑战")
    assert article["article_id"] == "finews:202203142308441556"
    assert article["canonical_url"] == link
    assert not project.settings.warehouse.path.exists()

    code, post, _ = run_cli("parse", page, "--format", "jekyll", "--config", project.config)
    assert code == 0
    assert post.startswith("---\nlayout: post\n")


def test_parse_reads_a_file_and_standard_input(run_cli, elsewhere, monkeypatch):
    page = (
        "<html><head><title>A ferry returns - Harbour</title><meta charset=utf-8></head><body><article>"
        "<h1>A ferry returns</h1><time datetime='2026-03-14T08:00:00Z'></time><p>"
        + "The ferry came back on Saturday, an hour late and full of people. " * 6
        + "</p></article></body></html>"
    ).encode()
    (elsewhere / "page.html").write_bytes(page)

    code, out, _ = run_cli("parse", "page.html", "--url", "https://harbour.example/ferry")
    assert (code, json.loads(out)["title"]) == (0, "A ferry returns")

    piped = subprocess.run(
        [*COMMAND, "parse", "-", "--url", "https://harbour.example/ferry"],
        input=page, capture_output=True, check=False,
    )  # fmt: skip
    assert json.loads(piped.stdout) == json.loads(out)


def test_parse_of_an_unreadable_page_reports_it(run_cli, elsewhere):
    (elsewhere / "empty.html").write_bytes(b"<html></html>")

    code, out, err = run_cli("parse", "empty.html", "--url", "https://harbour.example/x")

    assert (code, out) == (1, "")
    assert "expected" in err


def test_parse_batch_writes_one_article_or_error_for_each_line(run_cli, elsewhere):
    (elsewhere / "empty.html").write_bytes(b"<html></html>")
    manifest = elsewhere / "manifest.jsonl"
    line = {"id": "one", "html": str(elsewhere / "empty.html"), "url": "https://a.example/1"}
    manifest.write_text(json.dumps(line) + "\n", encoding="utf-8")

    code, _, err = run_cli("parse", "--batch", manifest, elsewhere / "out.json")

    out = json.loads((elsewhere / "out.json").read_text(encoding="utf-8"))
    assert code == 0
    assert set(out) == {"one"}
    assert "error" in out["one"]
    assert "1" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["absent.html"], 2, "absent.html: no such file"),
        (["www.harbour.example/a"], 2, "write https://www.harbour.example/a"),
        (["harbour.example/a"], 2, "write https://harbour.example/a"),
        (["ftp://harbour.example/a"], 2, "only URLs"),
        (["."], 2, "--batch MANIFEST.jsonl"),
        ([""], 2, "an empty name"),
        (["ferry.html"], 1, "ferry.html: expected an id"),
        (["ferry.html"], 1, "give it with --url"),
        (["ferry.html", "--source", "finews"], 1, "give it with --url"),
        (["ferry.html", "--url", "harbour"], 2, "--url: expected"),
        (["cut.gz", "--url", "https://a.example/1"], 1, "cut.gz: expected a whole gzip file"),
        (["bad.gz", "--url", "https://a.example/1"], 1, "bad.gz: expected a whole gzip file"),
        (["ferry.html", "--batch", "ferry.html", "o"], 2, "--batch"),
        (["--batch", "absent", "o.json"], 2, "'absent' does not exist"),
        (["--batch", "ferry.html", "no/o.json"], 2, "there is no folder no to write o.json into"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_message_of_an_impossible_parse_names_the_remedy(
    run_cli, elsewhere, arguments, code, message
):
    (elsewhere / "ferry.html").write_bytes(FERRY)
    (elsewhere / "cut.gz").write_bytes(gzip.compress(FERRY)[:-20])
    (elsewhere / "bad.gz").write_bytes(b"\x1f\x8bgarbage")

    found, out, err = run_cli("parse", *arguments)

    assert (found, out) == (code, "")
    assert message in err


def test_parse_reads_a_packed_page(run_cli, elsewhere):
    (elsewhere / "ferry.gz").write_bytes(gzip.compress(FERRY))

    code, out, _ = run_cli("parse", "ferry.gz", "--url", "https://harbour.example/ferry")

    assert (code, json.loads(out)["title"]) == (0, "A ferry returns")

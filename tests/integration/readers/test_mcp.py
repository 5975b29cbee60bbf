"""``copydesk mcp``, through the official client."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import timedelta

import pytest
from mcp import Client, StdioServerParameters

from flows import cli
from flows.admin import mcp_server
from flows.admin.mcp_server import MAX_BYTES, NOTICE, Tools, make_server
from tests.integration.readers.conftest import CORRECTED, INJECTION, NEW, OLD
from tests.unit.warehouse.factories import HOUR, NOON, article, upsert
from warehouse import connect, transaction

TOOLS = {"search", "article", "revisions", "as_of", "views", "query"}
ROWS, SECONDS = 5, 1.5


@pytest.fixture(scope="module")
def tools(desk):
    tools = Tools(desk.settings, max_rows=ROWS, max_seconds=SECONDS)
    yield tools
    tools.close()


@pytest.fixture(scope="module")
def server(tools):
    return make_server(tools)


@pytest.fixture
def ask(server):
    """Call a tool; return its answer."""

    async def call(name, arguments):
        async with Client(server) as client:
            return await client.call_tool(name, arguments)

    return lambda tool, **arguments: asyncio.run(call(tool, arguments))


@pytest.fixture
def found(ask):
    """Call a tool; return what it found."""

    def call(tool, **arguments):
        answer = ask(tool, **arguments)
        assert not answer.is_error, answer.content
        return answer.structured_content["untrusted"]

    return call


@pytest.fixture(scope="module")
def listed(server):
    async def tools_of():
        async with Client(server) as client:
            return await client.list_tools()

    return {tool.name: tool for tool in asyncio.run(tools_of()).tools}


def test_client_lists_tools_that_only_read(listed):
    assert set(listed) == TOOLS
    assert all(tool.annotations.read_only_hint for tool in listed.values())
    assert all(NOTICE in tool.description for tool in listed.values())


def test_descriptions_have_the_comments_of_views_and_columns(listed, found):
    (articles,) = found("views", view="articles")["views"]
    comments = {column["name"]: column["comment"] for column in articles["columns"]}

    assert articles["comment"] in listed["query"].description
    assert f"published_on: {comments['published_on']}" in listed["article"].description


def test_every_answer_has_the_texts_of_pages_in_the_field_untrusted(ask, listed):
    answer = ask("article", article_id="finews:hostile").structured_content
    trusted = {name: value for name, value in answer.items() if name != "untrusted"}

    assert answer["notice"] == NOTICE
    assert answer["untrusted"]["article"]["text"] == INJECTION
    assert INJECTION not in json.dumps(trusted)
    for tool in listed.values():
        assert set(tool.output_schema["properties"]) == {
            "notice",
            "snapshot_published_at",
            "untrusted",
        }


def test_search_finds_articles_of_a_source_and_time(found):
    hits = found("search", query="降准", source="finews", since="2026-03-14")["hits"]

    assert [hit["article_id"] for hit in hits] == [CORRECTED]
    assert found("search", query="降准", until="2026-03-14")["hits"] == []


def test_article_has_its_fields_its_text_in_parts_and_its_sightings(found):
    whole = found("article", article_id=CORRECTED)
    part = found("article", article_id=CORRECTED, start=2, length=3)["article"]

    assert whole["article"]["title"] == "今日降准"
    assert whole["article"]["text"] == NEW
    assert whole["article"]["provenance"] == {"title": "listing:title"}
    assert "body_html" not in whole["article"]
    assert len(whole["sightings"]) == 2
    assert (part["text"], part["text_length"]) == (NEW[2:5], len(NEW))


def test_revisions_have_the_changed_fields_and_the_words(found):
    first, second = found("revisions", article_id=CORRECTED, diff=True)["revisions"]

    assert first["changed_fields"] == []
    assert "title" in second["changed_fields"]
    inserted = "".join(one["text"] for one in second["diff"]["title"] if one["kind"] == "insert")
    assert inserted == "今日"


def test_as_of_knows_nothing_that_was_seen_later(found, ask):
    at = (NOON + HOUR / 2).isoformat()

    (then,) = found("as_of", at=at, article_id=CORRECTED)["articles"]
    (later,) = found("as_of", at=(NOON + HOUR).isoformat(), article_id=CORRECTED)["articles"]
    everything = found("as_of", at=at)["articles"]

    assert (then["title"], then["text"]) == ("降准", OLD)
    assert later["title"] == "今日降准"
    assert CORRECTED in {one["article_id"] for one in everything}
    assert all("text" not in one for one in everything)
    assert found("as_of", at=(NOON - HOUR).isoformat())["articles"] == []
    assert ask("as_of", at=(NOON - HOUR).isoformat(), article_id=CORRECTED).is_error


def test_a_time_without_a_zone_is_utc(found):
    naive = (NOON + HOUR / 2).replace(tzinfo=None).isoformat()

    assert found("as_of", at=naive, article_id=CORRECTED)["articles"][0]["title"] == "降准"


def test_query_returns_rows_and_cuts_them_at_the_limit(found):
    few = found("query", sql="SELECT title FROM articles WHERE article_id = 'finews:hostile'")
    many = found("query", sql="SELECT unnest(range(100)) AS a")

    assert few == {"columns": ["title"], "rows": [["Net zero"]], "is_cut": False}
    assert many == {"columns": ["a"], "rows": [[n] for n in range(ROWS)], "is_cut": True}


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM _store.contents",
        "CREATE TEMP TABLE t (a INT)",
        "COPY articles TO 'leak.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "ATTACH 'other.duckdb' AS other",
        "SET memory_limit = '8GB'",
        "SELECT 1; SELECT 2",
        "SELECT nope",
        "SELECT count(*) FROM range(100000000000)",
        f"SELECT repeat('x', {MAX_BYTES})",
    ],
)
def test_statement_that_writes_reads_files_or_costs_too_much_is_refused(ask, found, sql):
    assert ask("query", sql=sql).is_error
    assert found("query", sql="SELECT 1 AS a")["rows"] == [[1]]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("article", {"article_id": "finews:nope"}),
        ("revisions", {"article_id": "finews:nope"}),
        ("views", {"view": "nope"}),
        ("search", {"query": "降准", "source": "nope"}),
        ("search", {"query": "降准", "limit": 51}),
        ("as_of", {"at": "yesterday"}),
    ],
)
def test_wrong_arguments_are_errors_that_the_client_sees(ask, tool, arguments):
    answer = ask(tool, **arguments)

    assert answer.is_error
    assert any(str(value) in answer.content[0].text for value in arguments.values())


def test_call_without_enough_memory_is_an_error_with_its_cause(ask, monkeypatch):
    monkeypatch.setitem(mcp_server.LIMITS, "memory_limit", "4MB")
    answer = ask("as_of", at=NOON.isoformat())

    assert answer.is_error
    assert "memory" in answer.content[0].text


def test_unknown_id_gets_the_nearest_one(ask):
    assert CORRECTED in ask("article", article_id="finews:korrected").content[0].text


def test_answer_that_is_too_large_is_an_error(desk, ask):
    text = "降" * (MAX_BYTES // 5)  # three bytes each
    desk.change(lambda db: upsert(db, article("long", text)))

    assert ask("article", article_id="finews:long").is_error  # title and text


def test_every_tool_reads_the_snapshot_while_a_run_writes(desk, found):
    with connect(desk.settings.warehouse.path) as db, transaction(db):
        assert found("query", sql="SELECT 1 AS a")["rows"] == [[1]]
        assert found("search", query="zero")["hits"][0]["article_id"] == "finews:hostile"
        assert found("as_of", at=NOON.isoformat(), article_id=CORRECTED)["articles"]
        assert found("revisions", article_id=CORRECTED)["revisions"]


def test_each_call_reads_the_newest_snapshot(desk, ask):
    sql = "SELECT count(*) FROM articles"
    before = ask("query", sql=sql).structured_content
    desk.change(lambda db: upsert(db, article("newest", "Newest")))
    after = ask("query", sql=sql).structured_content

    assert after["untrusted"]["rows"][0][0] == before["untrusted"]["rows"][0][0] + 1
    assert after["snapshot_published_at"] > before["snapshot_published_at"]


def test_command_serves_a_client_on_stdin_and_stdout(desk):
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "flows.cli", "--config", str(desk.config), "mcp"]
    )

    async def call():
        async with Client(command) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            answer = await client.call_tool("query", {"sql": "SELECT 41 + 1 AS a"})
            return names, answer.structured_content["untrusted"]["rows"]

    assert asyncio.run(asyncio.wait_for(call(), timedelta(seconds=60).total_seconds())) == (
        TOOLS,
        [[42]],
    )


def test_without_the_package_the_command_ends_with_code_2(desk, capfd, monkeypatch):
    monkeypatch.delitem(sys.modules, "flows.admin.mcp_server")
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)

    assert cli.run(["--config", str(desk.config), "mcp"]) == 2
    assert "copydesk[mcp]" in capfd.readouterr().err


def test_no_other_command_imports_the_package():
    code = "import sys, flows.cli; print('mcp' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout == "False\n"

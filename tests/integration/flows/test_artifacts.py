"""The artifacts of a run: the table and the failures; no text of a page is markup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flows import settings
from flows.cli import demo_run
from flows.pipeline.stats import RunReport, SourceStats
from flows.reporting import artifacts
from flows.reporting.artifacts import Failure
from flows.reporting.markdown import bullet_list, code_span
from flows.serve.run_local import sync_without_prefect
from flows.text import humanize_duration
from tests import site

ATTACKS = (
    "[click](javascript:alert(1))",
    "![x](http://127.0.0.1/beacon.png)",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "` [a](http://127.0.0.1) `",
    "``` \n\n# heading\n\n| a | b |\n|---|---|\n",
    "https://example.org/ www.example.org project@example.org",
    "first\n\n- second\r\n> third\u2028[x]: http://127.0.0.1 'y'",
    "a\u202egnp.exe\u200b\x00\x1b[31m",
    "`" * 20,
    "\\` \\[x](y) &lt;b&gt; &#60;b&#62;",
)
RICH = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HARMLESS = {"text", "code_inline", "softbreak", "strong_open", "strong_close"}
BLOCKS = {"bullet_list_open", "list_item_open", "paragraph_open", "inline", "paragraph_close",
          "list_item_close", "bullet_list_close"}  # fmt: skip


def markup_of(text: str) -> set[str]:
    """The Markdown tokens of a text, except lists, plain text and code."""
    tokens = RICH.parse(text)
    inside = {child.type for token in tokens for child in token.children or ()}
    return ({token.type for token in tokens} - BLOCKS) | (inside - HARMLESS)


def text_outside_code(text: str) -> str:
    tokens = [child for token in RICH.parse(text) for child in token.children or ()]
    return "".join(one.content for one in tokens if one.type == "text")


@given(st.one_of(st.sampled_from(ATTACKS), st.text(), st.text(alphabet="`[]()<>!#*_|\\\n a-")))
def test_words_of_a_page_are_never_markup(page_text):
    for text in (code_span(page_text), bullet_list([page_text, page_text])):
        assert markup_of(text) == set()
        assert text_outside_code(text).strip() in {"", "(nothing)", "(nothing)(nothing)"}


def test_code_keeps_the_words_and_cuts_long_ones():
    assert code_span("a `b` c") == "``a `b` c``"
    assert code_span("`b`") == "`` `b` ``"
    assert code_span("x" * 400) == "`" + "x" * 299 + "…`"
    assert code_span("one\n two\u202e\tthree") == "`one two three`"
    assert code_span("\u200b") == "(nothing)"


# --- the table -------------------------------------------------------------------------


def report(*stats: SourceStats) -> RunReport:
    return RunReport(
        run_id="20260301T000000-1", flow="sync", state="completed_with_warnings", stats=stats
    )


def tally(source: str, **counts: int) -> SourceStats:
    one = SourceStats(source=source, seconds=1.25)
    one.add(**counts)
    return one


def test_result_table_has_a_row_a_source_and_a_total_in_the_order_people_read():
    found = artifacts.result_table(
        report(tally("a", discovered=9, new=2, failed=1), tally("b", updated=3, gaps=1))
    )

    names = ["source", "new", "updated", "unchanged", "duplicate", "quarantined", "failed",
             "gaps", "seconds"]  # fmt: skip
    assert [list(row) for row in found] == [names] * 3
    assert [list(row.values()) for row in found] == [
        ["a", 2, 0, 0, 0, 0, 1, 0, 1.2],
        ["b", 0, 3, 0, 0, 0, 0, 1, 1.2],
        ["total", 2, 3, 0, 0, 0, 1, 1, 1.2],
    ]


def test_one_source_needs_no_total():
    assert [row["source"] for row in artifacts.result_table(report(tally("a", new=1)))] == ["a"]


def test_result_names_what_to_do_and_no_secrets():
    one = tally("a", new=2, quarantined=1)
    one.gap("possible gap at http://project:planted-secret@127.0.0.1/[list](x)")

    text = artifacts.result_markdown(report(one))

    assert "**completed with warnings**" in text
    assert "planted-secret" not in text
    assert "copydesk-quarantine" in text
    assert "`copydesk gaps`" in text
    assert markup_of(text) == set()


def test_quarantine_names_reason_expected_found_and_the_exact_command():
    failure = Failure(
        quarantine_id="1a2b3c4d-0000-0000-0000-000000000000", source="a", channel="news",
        what="http://project:planted-secret@127.0.0.1/1", reason="layout_changed",
        expected="one h1 [here](http://127.0.0.1)", found="<h1>none</h1>\n\n# none", attempts=2,
    )  # fmt: skip

    text = artifacts.quarantine_markdown([failure], 3)

    assert "`copydesk quarantine show 1a2b3c4d`" in text
    assert "- expected: `one h1 [here](http://127.0.0.1)`" in text
    assert "- found: `<h1>none</h1> # none`" in text
    assert "attempt 2" in text
    assert "and 2 more: `copydesk quarantine list`" in text
    assert "planted-secret" not in text
    assert markup_of(text) == set()


def test_run_is_shown_with_its_own_failures(tmp_path, monkeypatch):
    shown = {}

    def keep(**artifact):
        shown[artifact["key"]] = artifact

    monkeypatch.setattr(artifacts, "create_table_artifact", keep)
    monkeypatch.setattr(artifacts, "create_markdown_artifact", keep)
    with site.serve() as news_site:
        config = demo_run.write_config(
            tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL
        )
        chosen = settings.load(config, {})
        done = sync_without_prefect(chosen, ["finews"], limit=None, dry_run=False)

    artifacts.create_run_artifacts(done, chosen)

    (row,) = shown["copydesk-result"]["table"]
    assert (row["source"], row["quarantined"]) == ("finews", 3)
    assert shown["copydesk-quarantine"]["markdown"].count("copydesk quarantine show ") == 3


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 seconds"), (720, "12 minutes"), (12600, "3.5 hours")]
)
def test_duration_is_shown_in_its_largest_useful_unit(seconds, text):
    assert humanize_duration(seconds) == text

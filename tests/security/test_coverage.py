"""No case of the shared corpus of attacks is without a test."""

from __future__ import annotations

import pytest

from tests.e2e import test_backfill_asked
from tests.integration.fetch.test_attacks import OURS as FETCHING
from tests.integration.flows import test_showing
from tests.security import (
    test_configuration,
    test_costly_pages,
    test_feeds,
    test_posts,
    test_prefect,
    test_queries,
)
from tests.security.payloads import CORPUS, cases_of_the_corpus
from tests.unit.serve import test_environment

COVERED = {
    "xml-laughs": test_feeds.test_an_entity_bomb_is_refused_unread,
    "xml-xxe_http": test_feeds.test_no_feed_opens_a_file_or_a_connection,
    "xml-deep": test_feeds.test_a_deep_feed_ends_in_words,
    "xml-notwf": test_feeds.test_items_of_a_broken_feed_are_still_read,
    "xml-html": test_feeds.test_html_instead_of_a_feed_is_refused_by_name,
    "xml-badlinks": test_feeds.test_hostile_links_are_refused_one_by_one,
    "html-deepfont": test_costly_pages.test_no_page_costs_more_than_seconds_or_brings_a_control_in,
    "html-hugeattr": test_costly_pages.test_no_page_costs_more_than_seconds_or_brings_a_control_in,
    "html-entities": test_costly_pages.test_no_page_costs_more_than_seconds_or_brings_a_control_in,
    "html-script": test_costly_pages.test_no_page_costs_more_than_seconds_or_brings_a_control_in,
    "path-16": test_posts.test_ids_that_a_disk_could_confuse_get_files_of_their_own,
    "path-symlink": test_posts.test_no_export_writes_through_a_link,
    "sql-06": test_queries.test_a_file_name_is_no_sql,
    "sql-07": test_queries.test_a_limit_is_a_number_before_anything_happens,
    "sql-nul": test_queries.test_nul_never_reaches_the_warehouse,
    "prefect-01": test_environment.test_address_beyond_loopback_needs_a_password,
    "prefect-03": test_prefect.test_key_that_would_be_sent_instead_of_the_password_is_taken_out,
    "prefect-05": test_prefect.test_no_result_is_stored_so_that_none_can_be_replaced_by_a_pickle,
    "prefect-06": test_prefect.test_no_result_is_stored_so_that_none_can_be_replaced_by_a_pickle,
    "prefect-07": test_showing.test_words_of_a_page_are_never_markup,
    "prefect-09": test_backfill_asked.test_what_cannot_be_meant_is_refused_before_anything_runs,
    "prefect-10": test_prefect.test_deployments_pull_nothing_and_take_one_variable_of_the_environment,
    "cfg-01": test_configuration.test_the_configuration_is_toml_and_nothing_else,
}
"""Cases that name a situation; those that are a payload go through the tests themselves."""

BY_PAYLOAD = {
    "html-sanitize", "yaml", "path-traversal", "sql", "log-injection", "csv-injection",
}  # fmt: skip

NOT_APPLICABLE = {
    "xml-sitemap-index-loop": "copydesk reads no sitemap: sources have lists and feeds",
    "xml-sitemap-huge": "copydesk reads no sitemap; a body is capped at max_body_bytes",
    "cfg-02": "TOML has no aliases; those of a post's head: test_no_head_of_a_post_executes_...",
    "cfg-03": "no option is a selector: test_no_option_is_a_selector_or_a_pattern",
    "cfg-04": "no option is a pattern; our own patterns: test_no_pattern_of_ours_backtracks",
}

ELSEWHERE = FETCHING | {
    "ssrf",  # tests/integration/fetch/test_guard.py
}


@pytest.mark.skipif(not CORPUS.is_file(), reason="../shared/corpus is not there; our own cases are")
def test_no_case_of_the_corpus_is_without_a_test() -> None:
    ours = [case for case in cases_of_the_corpus() if case["category"] not in ELSEWHERE]
    named = {case["id"] for case in ours if case["category"] not in BY_PAYLOAD}

    assert named <= set(COVERED) | set(NOT_APPLICABLE)
    assert set(COVERED) | set(NOT_APPLICABLE) <= {case["id"] for case in ours}
    assert {case["category"] for case in ours} >= BY_PAYLOAD
    assert len(ours) > 50

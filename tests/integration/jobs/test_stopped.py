"""Stopped runs and deadlines: no unfinished step counts as done, no step runs twice."""

from __future__ import annotations

from flows.pipeline import steps
from flows.pipeline.backfill_context import BackfillContext
from parsers import registry
from parsers.errors import LayoutChanged
from parsers.model import BadEntry, Entry
from tests.site import Fault

OPEN_LINES = "SELECT count(*) FROM quarantine WHERE article_id IS NULL AND resolved_at IS NULL"


def test_replay_that_is_stopped_resolves_no_line_whose_article_was_not_fetched(
    project, monkeypatch
):
    hidden: list[str] = []
    read = registry.entries

    def with_broken_lines(source, listing, page):
        for one in read(source, listing, page):
            is_shown = not isinstance(one, Entry) or one.content is not None
            if is_shown or (len(hidden) == 3 and one.source_article_id not in hidden):
                yield one
            elif one.source_article_id not in hidden:
                hidden.append(one.source_article_id)
                raw = f'{{"n": {len(hidden)}}}'
                error = LayoutChanged("expected an x, found none")
                yield BadEntry(channel=one.channel, raw=raw, error=error)

    with monkeypatch.context() as broken:
        broken.setattr(registry, "entries", lambda *page: tuple(with_broken_lines(*page)))
        project.sync("finews")
    ((lines,),) = project.rows(OPEN_LINES)
    assert lines >= 3
    fetch = steps.fetch

    def interrupted(run, source, batch):
        if batch.targets:
            run.environment.stop.set()
        return fetch(run, source, batch)

    with monkeypatch.context() as stopped:
        stopped.setattr(steps, "fetch", interrupted)
        assert project.replay().state == "interrupted"

    assert project.rows(OPEN_LINES) == [(lines,)]
    project.replay()
    stored = {one for (one,) in project.rows("SELECT source_article_id FROM articles")}
    assert stored >= set(hidden)
    assert project.rows(OPEN_LINES) == [(lines - 3,)]


def test_chunk_out_of_time_that_misses_a_page_is_planned_once(project, monkeypatch):
    monkeypatch.setattr(BackfillContext, "chunk_seconds", 1e-6)
    project.sync("ofweek")
    urls = [url for (url,) in project.rows("SELECT url FROM articles ORDER BY url")]
    project.start_new_warehouse()
    project.faults["/" + urls[0].split("/", 3)[3]] = Fault(status=500)

    plans = []
    for _ in range(3):
        _, job = project.backfill("ofweek", urls=urls)
        plans.append([(one.entry_count, one.state) for one in job.plan.chunks])

    assert len(urls) > sum(entries for entries, state in plans[0] if state != "done") > 0
    assert sum(entries for entries, _ in plans[0]) == len(urls)
    assert plans[1] == plans[2] == plans[0]

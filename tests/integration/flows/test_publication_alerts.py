"""Alerts about publications: one message when one fails, and one when it works again."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from flows.alerts.deliver import send_alerts
from flows.pipeline.run import RunContext
from flows.publication import publish_all as publish_all_module
from flows.publication.check import check_publications
from flows.publication.failures import error_of, publication_errors
from flows.publication.publish_all import publish_after_sync, publish_all, with_work
from tests.integration.flows.press import Press
from tests.integration.flows.receivers import Webhook

FAIL = [sys.executable, "-c", "print('remote: refused'); raise SystemExit(7)"]
FAIL_OTHERWISE = [sys.executable, "-c", "raise SystemExit(8)"]
WORK = [sys.executable, "-c", ""]


def configure(desk: Press, hook: Webhook, **options: Any) -> None:
    """Alerts to the webhook, and one publication."""
    given = {"format": "jekyll", "folder": "site"} | options
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in given.items())
    desk.configure(f"[alerts]\nto = [{json.dumps(hook.address)}]\n[publish.blog]\n{lines}\n")


def end_run(desk: Press) -> None:
    """The end of a sync without its fetches."""
    with RunContext("sync", desk.settings, ["press"]) as run:
        run.stats["press"].has_listed = True
        report = publish_after_sync(run, run.finish())
        send_alerts(run, publication_errors(run.settings, report))


def titles(hook: Webhook) -> list[str]:
    return [one["title"] for one in hook.received]


def test_command_that_fails_and_then_works_is_reported_once_each(press, hook, monkeypatch):
    monkeypatch.setenv("DESK_TOKEN", "planted-secret")
    leak = "import os; print('to', os.environ['DESK_TOKEN']); raise SystemExit(7)"
    configure(press, hook, command=[sys.executable, "-c", leak])
    codes = [press.sync().exit_code for _ in range(2)]
    configure(press, hook, command=WORK)
    codes += [press.sync().exit_code for _ in range(2)]

    failed, works = hook.messages
    assert codes == [1, 1, 0, 0]
    assert failed.splitlines()[0] == "copydesk: publication blog has a problem"
    assert "- publication blog: `" in failed
    assert "failed with exit code 7" in failed
    assert "\n  to ***\n" in failed
    assert "planted-secret" not in failed
    assert works.splitlines()[0] == "copydesk: publication blog is normal again"
    assert "exit code 7" in works
    assert [one["type"] for one in hook.received] == ["warning", "success"]


def test_each_cause_is_reported_once_until_the_publication_works(press, hook):
    press.sync()
    for command in (FAIL, FAIL_OTHERWISE, FAIL, WORK, WORK):
        configure(press, hook, command=command)
        end_run(press)

    first, second, works = hook.messages
    assert ["exit code 7" in first, "exit code 8" in second] == [True, True]
    assert ["exit code 7" in works, "exit code 8" in works] == [True, True]
    assert titles(hook)[-1] == "copydesk: publication blog is normal again"


def test_files_that_fail_are_one_cause_whichever_they_are(press, hook):
    configure(press, hook)
    posts = press.folder / "site" / "_posts"
    posts.parent.mkdir()
    posts.symlink_to(press.folder)
    press.sync()
    press.write(count=6)
    press.sync()
    posts.unlink()
    end_run(press)

    failed, works = hook.messages
    assert "\n  _posts/2026-03-" in failed
    assert "\n  and 2 more" in failed
    assert works.splitlines()[0] == "copydesk: publication blog is normal again"


def test_command_of_a_person_sends_nothing_and_the_next_run_reports_it(press, hook):
    configure(press, hook, schedule="0 3 * * *", command=FAIL)
    press.sync()
    publish_all(press.settings, ["blog"], dry_run=True)
    end_run(press)
    publish_all(press.settings, ["blog"])
    before = list(hook.messages)
    end_run(press)
    configure(press, hook, schedule="0 3 * * *", command=WORK)
    publish_all(press.settings, ["blog"])
    end_run(press)

    assert before == []
    assert titles(hook) == [
        "copydesk: publication blog has a problem",
        "copydesk: publication blog is normal again",
    ]


def test_wrong_configuration_is_reported_and_its_correction_too(press, hook):
    configure(press, hook)
    press.sync()
    configure(press, hook, sources=["press", "pres"])
    end_run(press)
    configure(press, hook)
    due = with_work(press.settings, ["blog"])
    end_run(press)

    assert "there is no source 'pres'" in hook.messages[0]
    assert due == ["blog"]
    assert len(hook.messages) == 2
    assert with_work(press.settings, ["blog"]) == []


def test_publication_that_is_configured_no_more_ends_without_a_message(press, hook):
    configure(press, hook, command=FAIL)
    press.sync()
    press.configure(f"[alerts]\nto = [{json.dumps(hook.address)}]\n")
    end_run(press)

    assert len(hook.messages) == 1
    assert press.rows("SELECT closed_by FROM _store.source_outages") == [("accepted",)]


def test_failure_is_reported_although_its_file_cannot_be_written(press, hook):
    configure(press, hook, command=FAIL)
    (press.folder / "publish" / "blog.error").mkdir(parents=True)
    press.sync()

    assert "exit code 7" in hook.messages[0]
    assert error_of(press.settings, "blog").startswith("files failed:")


def test_source_and_publication_that_fail_are_one_message(press, hook):
    configure(press, hook, schedule="0 3 * * *", command=FAIL)
    press.sync()
    publish_all(press.settings, ["blog"])
    press.change("DELETE FROM _store.runs")
    press.answers["/feed.xml"] = (404, "text/plain", "none")
    press.sync()

    assert titles(hook) == ["copydesk: 2 sources and publications have problems"]


@pytest.mark.parametrize("is_scheduled", [True, False], ids=["scheduled", "after a sync"])
def test_crash_is_reported_and_a_warning_of_doctor_until_the_publication_works(
    press, hook, monkeypatch, is_scheduled
):
    configure(press, hook, **({"schedule": "0 3 * * *"} if is_scheduled else {}))
    press.sync()

    def crash(*_given, **_named):
        raise ZeroDivisionError("secret=planted")

    with monkeypatch.context() as patch:
        patch.setattr(publish_all_module, "publish", crash)
        with pytest.raises(ZeroDivisionError):
            publish_all(press.settings, ["blog"]) if is_scheduled else press.sync()
    if is_scheduled:
        end_run(press)
    warned = list(check_publications(press.settings))
    publish_all(press.settings, ["blog"])
    end_run(press)
    works = list(check_publications(press.settings))

    assert titles(hook) == [
        "copydesk: publication blog has a problem",
        "copydesk: publication blog is normal again",
    ]
    assert "ZeroDivisionError" in hook.messages[0]
    assert [(one.name, one.status) for one in (*warned, *works)] == [
        ("publish", "warning"), ("publish", "ok"),
    ]  # fmt: skip
    assert "ZeroDivisionError" in warned[0].message


def test_failed_files_are_a_warning_of_doctor(press, hook):
    configure(press, hook)
    posts = press.folder / "site" / "_posts"
    posts.parent.mkdir()
    posts.symlink_to(press.folder)
    press.sync()

    (found,) = check_publications(press.settings)

    assert (found.name, found.status) == ("publish", "warning")
    assert "_posts/2026-03-" in found.message

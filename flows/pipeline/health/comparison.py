"""What the rules of health compare: the channels of a run, each with its past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flows.pipeline.health import statistics
from flows.pipeline.health.values import ChannelRun, History, PageResult, Recent, SourceRun
from warehouse.records.health import ChannelDay, ChannelState, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    """One channel of a run with its past.

    Attributes:
        state: Before the run; ``None`` in the first one.
        days: The past before the run.
        pages: What the run adds to the recent pages.
        before, after: The recent pages without and with the run.
    """

    run: ChannelRun
    state: ChannelState | None
    days: Sequence[ChannelDay]
    pages: tuple[PageResult, ...]
    before: Recent
    after: Recent

    @property
    def name(self) -> str:
        """The channel."""
        return self.run.channel


def views(before: History, after: History, run: SourceRun) -> list[ChannelView]:
    """The channels of a run."""
    found = []
    for channel in run.channels:
        state = before.states.get(channel.channel)
        recent = Recent.load(state.recent) if state else Recent()
        found.append(
            ChannelView(
                run=channel,
                state=state,
                days=before.past_days(channel.channel),
                pages=statistics.new_pages(channel, recent),
                before=recent,
                after=Recent.load(after.states[channel.channel].recent),
            )
        )
    return found


class RunRules:
    """The rules for one run.

    Attributes:
        before, after: The history without and with the run.
        channels: Of the run.
    """

    def __init__(
        self, before: History, after: History, run: SourceRun, channels: Sequence[ChannelView]
    ) -> None:
        self.before = before
        self.after = after
        self.run = run
        self.channels = channels

    def finding(
        self, kind: str, channel: str, expected: str, found: str, *, field: str = "",
        since: datetime | None = None,
    ) -> Finding:  # fmt: skip
        """A finding about the source of the run."""
        return Finding(
            source=self.run.source, channel=channel, kind=kind, field=field, expected=expected,
            found=found, since=since,
        )  # fmt: skip

"""What a run hands to the workers of a cluster: orders go out, results come back.

An order and a result are plain values that can be pickled. Workers fetch and parse; the
process of the run discovers, and is the only one that writes the warehouse.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from flows.archive.stores import ArchiveLocation, store_of
from flows.errors import RunFailed
from parsers import registry
from parsers.model import OptionValue, Source

Order = TypeVar("Order")
Result = TypeVar("Result")
Made = TypeVar("Made", covariant=True)
Item = TypeVar("Item")

MIN_ORDER_PAGES = 400
"""To send an order costs 0.1 to 0.2 s of CPU, to parse so many pages about 1.7 s."""


class WorkerMismatch(RunFailed):
    """A worker differs from the process of the run; the message names both."""


class Pending(Protocol[Made]):
    """A result that a worker makes."""

    def result(self) -> Made:
        """Wait for it.

        Raises:
            Interrupted: The run was asked to stop.
            RunFailed: The worker failed.
        """


class Cluster(Protocol):
    """The workers of a run.

    Attributes:
        orders_ahead: How many orders keep every worker busy.
    """

    orders_ahead: int

    def submit(
        self, name: str, function: Callable[[Order], Result], order: Order
    ) -> Pending[Result]:
        """Send an order; the function is one of a module, found by its name on the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """A source as a value: its parser by name."""

    slug: str
    parser: str
    options: Mapping[str, OptionValue]

    @classmethod
    def of(cls, source: Source) -> SourceSpec:
        """The value of a source."""
        return cls(slug=source.slug, parser=source.parser.name, options=dict(source.options))

    def source(self) -> Source:
        """The source, with the parser of this process."""
        return registry.make_source(self.slug, self.parser, self.options)


def require_files(where: ArchiveLocation, names: Iterable[str]) -> None:
    """Refuse an order whose archive is not that of this machine.

    Raises:
        WorkerMismatch: A file is missing here.
    """
    archive = store_of(where)
    for name in names:
        if not archive.exists(name):
            raise WorkerMismatch(
                f"the worker on {socket.gethostname()} has no file {name} in {archive}, and the "
                "machine of the run has it: mount that folder on every machine under the same "
                "path"
            )


def with_ahead(items: Iterable[Item], count: int) -> Iterator[Item]:
    """Yield items in order, when so many more of them were made, or all."""
    waiting: deque[Item] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting

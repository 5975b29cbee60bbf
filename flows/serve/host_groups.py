"""Sources that fetch from a host in common, which must not run on two machines at a time.

The limits of a host (``[fetch] per_host_concurrency``, delays, Retry-After) are kept by one
process. Two runs on two machines would both use them up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flows.errors import UnusableParser
from flows.fetch.ssrf import parse_target
from flows.settings import Settings
from parsers.sources.rsshub import ANY_INSTANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGroup:
    """Things to run that share hosts, directly or through others of the group.

    Attributes:
        name: Of its deployment: that of its only member, or ``host.`` and the host that most
            members have. No source can have the latter.
        members: Their names, in their order.
    """

    name: str
    members: tuple[str, ...]


def host_groups(settings: Settings, members: Mapping[str, Iterable[str]]) -> list[HostGroup]:
    """Return the groups of members that share a host.

    Args:
        settings: The configuration.
        members: The sources of each.
    """
    hosts = {
        name: frozenset().union(*(source_hosts(settings, slug) for slug in slugs))
        for name, slugs in members.items()
    }
    groups: list[tuple[set[str], list[str]]] = []
    for name, own in hosts.items():
        joined = [group for group in groups if group[0] & own]
        groups = [group for group in groups if not group[0] & own]
        all_hosts = set(own).union(*(group[0] for group in joined))
        names = [one for group in joined for one in group[1]]
        groups.append((all_hosts, [*names, name]))
    order = {name: number for number, name in enumerate(members)}
    found = [sorted(names, key=order.__getitem__) for _, names in groups]
    return [
        HostGroup(name=_name(names, hosts), members=tuple(names))
        for names in sorted(found, key=lambda names: order[names[0]])
    ]


def source_hosts(settings: Settings, slug: str) -> frozenset[str]:
    """Return the hosts of a source's addresses; none if its parser cannot be used.

    Hosts that its pages link to are not known before a run.
    """
    try:
        source = settings.source(slug)
    except UnusableParser:
        return frozenset()
    mirrors = settings.rsshub.instances
    return frozenset(
        parse_target(url).host
        for value in source.options.values()
        for address in _addresses(value)
        for url in (mirrors if address.startswith(ANY_INSTANCE) else (address,))
    )


def _addresses(value: object) -> Iterator[str]:
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, str) and one.startswith(("http://", "https://")):
            yield one


def _name(members: list[str], hosts: Mapping[str, frozenset[str]]) -> str:
    if len(members) == 1:
        return members[0]
    count = Counter(sorted(host for name in members for host in hosts[name]))
    return f"host.{count.most_common(1)[0][0]}"

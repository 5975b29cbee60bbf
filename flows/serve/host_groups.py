"""Sources that fetch from a host in common: one deployment, and so one run at a time.

The host locks of a run (``flows.pipeline.host_locks``) keep other runs from a host. With a
deployment for all of them, the runs wait at the server, and not in a process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flows.pipeline.host_locks import source_hosts
from flows.settings import Settings


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


def _name(members: list[str], hosts: Mapping[str, frozenset[str]]) -> str:
    if len(members) == 1:
        return members[0]
    count = Counter(sorted(host for name in members for host in hosts[name]))
    return f"host.{count.most_common(1)[0][0]}"

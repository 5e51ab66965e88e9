"""Which members start and which leave: arithmetic only."""

from collections.abc import Iterable, Mapping, Sequence

from scrimp.api import JobGroup, Member


def bounded(group: JobGroup, size: int) -> int:
    """The size within the group's bounds."""
    upper = size if group.max_size is None else min(size, group.max_size)
    return max(upper, group.min_size, 0)


def free_indexes(taken: Iterable[int], count: int) -> list[int]:
    """The lowest `count` indexes that nobody has."""
    used = set(taken)
    found: list[int] = []
    index = 0
    while len(found) < count:
        if index not in used:
            found.append(index)
        index += 1
    return found


def dismissed(members: Sequence[Member], count: int, critical: Mapping[str, bool]) -> list[Member]:
    """Who leaves: those that are not critical first, the newest (by start, then index) first among equals."""

    def order(member: Member) -> tuple[bool, int, int]:
        started = member.process.started if member.process else 0
        return critical.get(member.name, False), -started, -member.index

    return sorted(members, key=order)[: max(count, 0)]

"""Which members start and which leave."""

from scrimp.api import JobGroup, Member, ProcessId
from scrimp_actions.local.sizing import bounded, dismissed, free_indexes


def _member(index: int, started: int) -> Member:
    return Member(group="a", index=index, process=ProcessId(pid=index + 10, started=started, boot="b"))


def test_sizes_stay_within_the_bounds_of_the_group() -> None:
    group = JobGroup(name="a", command=("x",), min_size=1, max_size=3)
    assert [bounded(group, size) for size in (-1, 0, 2, 9)] == [1, 1, 2, 3]
    assert bounded(JobGroup(name="a", command=("x",)), 99) == 99


def test_new_members_take_the_lowest_free_indexes() -> None:
    assert free_indexes([0, 2, 5], 3) == [1, 3, 4]
    assert free_indexes([], 0) == []


def test_members_that_are_not_critical_leave_first_then_the_newest() -> None:
    members = [_member(0, 5), _member(1, 9), _member(2, 7), _member(3, 7)]
    gone = dismissed(members, 4, {"a-1": True})
    assert [member.index for member in gone] == [3, 2, 0, 1]
    assert dismissed(members, -1, {}) == []

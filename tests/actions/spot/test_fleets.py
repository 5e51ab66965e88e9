"""What a fleet does next: places are filled, moves wait for the successor, and the way back to spot is scheduled."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp_actions.spot import Member, State
from scrimp_actions.spot.cloud import Purchase
from scrimp_actions.spot.fleets import FleetSpec, Wish, at_once, plan_round
from scrimp_actions.spot.members import Entry, Slot, member_name
from scrimp_actions.spot.pools import WayBack

SPEC = FleetSpec("f", ("a", "b"), 4)
LONG_S = 10 * 3600.0
NOW_S = 1_000_000.0


def member(
    slot: int, generation: int = 1, state: State = State.RUNNING, bought: str = "on_demand", **more
) -> Entry:
    name = member_name("f", slot, generation)
    return Entry(Member(name, state, instance=f"i-{name}"), "f", slot, generation, bought=bought, **more)


def slots(*entries: Entry, moves: tuple[float, ...] = ()) -> dict[tuple[str, int], Slot]:
    return {("f", entry.slot): Slot(entry.generation, moves) for entry in entries}


def round_of(wish: Wish, *entries: Entry, spec: FleetSpec = SPEC, life_s: float = LONG_S, moves=()):
    return plan_round(spec, wish, entries, slots(*entries, moves=moves), NOW_S, expected_up_s=life_s)


def test_missing_places_are_filled_and_only_those() -> None:
    """A member that is being replaced holds its place: its successor is not begun twice."""
    found = round_of(Wish(4, Purchase.ON_DEMAND), member(0), member(2, state=State.DRAINING))
    assert found.begin == (1, 3)
    assert found.dismiss == ()


def test_the_surplus_goes_what_does_not_work_yet_first() -> None:
    """Then what is paid in full, then the newest place."""
    entries = (member(0), member(1, bought="spot"), member(2, state=State.PENDING), member(3))
    found = round_of(Wish(2, Purchase.SPOT), *entries)
    assert found.dismiss == ("f-2.1", "f-3.1")


def test_a_move_asks_for_the_successor_and_lets_nobody_go() -> None:
    """Replacement ready first."""
    wish = at_once(Wish(2, Purchase.SPOT), NOW_S)
    found = round_of(wish, member(0), member(1, bought="spot"))
    assert (found.move, found.dismiss, found.begin) == (("f-0.1",), (), ())


def test_the_old_one_goes_when_its_successor_works() -> None:
    wish = at_once(Wish(1, Purchase.SPOT), NOW_S)
    old, heir = member(0, successor="f-0.2"), member(0, 2, State.PENDING, "spot")
    assert round_of(wish, old, heir).dismiss == ()
    working = replace(heir, member=replace(heir.member, state=State.RUNNING))
    assert round_of(wish, old, working).dismiss == ("f-0.1",)


def test_a_move_without_capacity_is_called_off_and_tried_later() -> None:
    """The member works on; each failure puts the next try off further."""
    wish = at_once(Wish(1, Purchase.SPOT), NOW_S)
    found = round_of(wish, member(0, successor="f-0.2"), member(0, 2, State.NO_CAPACITY, ""))
    assert (found.dismiss, found.give_up, found.move) == (("f-0.2",), ("f-0.1",), ())
    assert found.wish.back is not None
    assert found.wish.back.due_s > NOW_S


def test_what_one_try_does_not_find_is_one_failure() -> None:
    """However many members looked, and whether they hear of it in one round or in several: else a day is lost at once."""
    wish = at_once(Wish(3, Purchase.SPOT), NOW_S)
    pairs = [(member(k, successor=f"f-{k}.2"), member(k, 2, State.NO_CAPACITY, "")) for k in range(3)]
    first = round_of(wish, *pairs[0], *pairs[1], member(2))
    assert first.give_up == ("f-0.1", "f-1.1")
    second = round_of(first.wish, member(0), member(1), *pairs[2])
    assert second.give_up == ("f-2.1",)
    assert second.wish.back == first.wish.back
    assert second.wish.back is not None
    assert second.wish.back.tries == 1


def test_who_fell_back_returns_on_schedule() -> None:
    """Never forgotten (a fleet that never came back is a known complaint), and not at once."""
    fallen = member(0)
    found = round_of(Wish(1, Purchase.SPOT), fallen)
    assert found.move == ()
    assert found.wish.back == WayBack(NOW_S)
    assert found.wish.back is not None
    later = plan_round(SPEC, found.wish, [fallen], slots(fallen), found.wish.back.due_s, expected_up_s=LONG_S)
    assert later.move == ("f-0.1",)
    returned = member(0, 2, bought="spot")
    assert round_of(found.wish, returned).wish.back is None


@pytest.mark.parametrize(("life_s", "moves"), [(600.0, ()), (LONG_S, (NOW_S - 50.0,) * 4)])
def test_no_return_to_a_short_life_or_after_too_many_moves(life_s: float, moves: tuple[float, ...]) -> None:
    wish = at_once(Wish(1, Purchase.SPOT), NOW_S)
    assert round_of(wish, member(0), life_s=life_s, moves=moves).move == ()


def test_back_to_on_demand_waits_for_nothing() -> None:
    """A storm is no time for a cap on moves."""
    found = round_of(Wish(1, Purchase.ON_DEMAND), member(0, bought="spot"), life_s=0.0, moves=(NOW_S,) * 9)
    assert found.move == ("f-0.1",)


def test_only_so_many_moves_are_under_way() -> None:
    """No stampede: moves under way count."""
    wish = at_once(Wish(6, Purchase.SPOT), NOW_S)
    moving = [(member(k, successor=f"f-{k}.2"), member(k, 2, State.PENDING, "spot")) for k in range(2)]
    entries = [entry for pair in moving for entry in pair] + [member(k) for k in range(2, 6)]
    found = round_of(wish, *entries, spec=replace(SPEC, at_once=3))
    assert len(found.move) == 1


STATES = st.sampled_from([state for state in State if state is not State.CLEANED])


@given(
    st.lists(st.tuples(st.integers(0, 5), STATES, st.sampled_from(["spot", "on_demand", ""])), max_size=8),
    st.integers(0, 6),
    st.sampled_from(Purchase),
)
def test_a_round_never_overshoots(given, size: int, purchase: Purchase) -> None:
    """Places after a round are what is wanted; nobody is both moved and let go; a wish survives its JSON."""
    entries = [
        member(slot, generation, state, bought)
        for generation, (slot, state, bought) in enumerate(given, start=1)
    ]
    wish = at_once(Wish(size, purchase), NOW_S)
    found = round_of(wish, *entries)
    held = {entry.slot for entry in entries}
    gone = {
        slot for slot in held if all(entry.name in found.dismiss for entry in entries if entry.slot == slot)
    }
    assert len(held) + len(found.begin) - len(gone) == size
    assert not set(found.begin) & held
    assert not set(found.move) & set(found.dismiss)
    assert Wish.from_json(found.wish.to_json()) == found.wish

"""Populations, clocks and verdicts in arrays, against clocks that are kept one target at a time."""

from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluate.one import condition, evaluation, policy_set, truths_of
from tests.naive.world import NOW_S, Row, Track, World

from scrimp.evaluate import Frame, PolicyEvaluation, at
from scrimp.model.catalogue import Direction
from scrimp.model.decision import PlannedAction
from scrimp.model.ledger import EMPTY_LEDGER, Episode, Ledger
from scrimp.model.snapshot import Table, number_column

Truth = bool | None
TARGET = "target thing where size > 0 when busy"


@dataclass
class Clock:
    """One target's clock, as language.md tells it."""

    tolerating_s: float
    on_unknown: str
    true_s: float | None = None
    known_s: float = field(
        default=float("nan")
    )  # the last tick at which it was known, or the first unknown one

    def tick(self, truth: Truth, now_s: float, last_s: float | None, *, frozen: bool) -> None:
        """One tick; `last_s` is the time of the tick before, `None` if the target was not there."""
        if last_s is None:
            self.true_s, self.known_s = None, now_s
        if frozen:
            self.known_s = self.known_s if truth is None else now_s
        elif truth is None:
            if self.on_unknown == "skip" or now_s - self.known_s > self.tolerating_s:
                self.true_s = None
        else:
            self.known_s = now_s
            if not truth:
                self.true_s = None
            elif self.true_s is None or last_s is None:
                self.true_s = 0.0
            else:
                self.true_s += now_s - last_s

    def unknown_s(self, now_s: float) -> float:
        """For how long it has been unknown."""
        return now_s - self.known_s


ticks = st.lists(
    st.tuples(
        st.sampled_from((30.0, 60.0, 61.0, 120.0)),
        st.dictionaries(
            st.sampled_from("abc"),
            st.tuples(
                st.sampled_from((True, True, True, None, None, False)),
                st.sampled_from((1.0, 1.0, 1.0, 0.0, None)),
            ),
        ),
    ),
    max_size=12,
)


@settings(max_examples=400, deadline=None)
@given(ticks, st.sampled_from(("0s", "60s", "2m", "5m")), st.sampled_from(("hold", "skip", "freeze")))
def test_clocks_equal_those_kept_one_by_one(
    history: list[tuple[float, dict[str, tuple[Truth, float | None]]]], tolerating: str, on_unknown: str
) -> None:
    """Over random ticks, with targets that come, go, leave the population, and cannot be read."""
    compiled = policy_set(
        f"{TARGET} for 2m tolerating {tolerating} unknown unknown {on_unknown} after 3m do note()"
    )
    tolerating_s = {"0s": 0.0, "60s": 60.0, "2m": 120.0, "5m": 300.0}[tolerating]
    clocks: dict[str, Clock] = {}
    ledger, now_s, last_s = EMPTY_LEDGER, NOW_S, None
    for elapsed_s, seen in history:
        now_s += elapsed_s
        rows = [Row(name, {"busy": busy, "size": size}) for name, (busy, size) in seen.items()]
        clocks = {name: clocks.get(name, Clock(tolerating_s, on_unknown)) for name in seen}
        met: dict[str, Truth] = {
            name: False if busy is False or size == 0 else None if None in (busy, size) else True
            for name, (busy, size) in seen.items()
        }
        frozen = on_unknown == "freeze" and None in met.values()
        for name, truth in met.items():
            there = last_s if not np.isnan(clocks[name].known_s) else None
            clocks[name].tick(truth, now_s, there, frozen=frozen)
        found = evaluation(compiled, World({"thing": rows}, now_s=now_s), ledger)
        ledger, last_s = replace(ledger, holds=found.holds), now_s
        (one,) = found.policies
        names = list(seen)
        assert [clocks[name].true_s for name in names] == _plain(one)
        held_long = [n for n in names if met[n] and (clocks[n].true_s or 0.0) >= 120 and not frozen]
        assert [names[row] for row in one.due_rows] == held_long
        held = [n for n in names if met[n] and n not in held_long and not frozen]
        assert [names[row] for row in one.held_rows] == held
        doubt = [n for n in names if met[n] is None or seen[n][1] is None or (frozen and met[n])]
        assert [names[row] for row in one.unknown_rows] == doubt
        blind = [n for n in names if met[n] is None and seen[n][1] and clocks[n].unknown_s(now_s) >= 180]
        assert [names[row] for row in one.blind_rows] == blind
        assert one.false == sum(bool(size) and busy is False for busy, size in seen.values())
        assert one.frozen == frozen


def _plain(one: PolicyEvaluation) -> list[float | None]:
    assert one.holds is not None
    return [None if np.isnan(clock) else float(clock) for clock in one.holds.true_s]


def test_a_target_of_unknown_population_is_unknown_even_where_the_condition_is_false() -> None:
    """It might be a target: its verdict is unknown, and it counts in no percentage."""
    rows = [Row("a", {"size": None, "busy": False}), Row("b", {"size": 1.0, "busy": False})]
    (one,) = evaluation(policy_set(TARGET), World({"thing": rows})).policies
    assert one.unknown_rows.tolist() == [0]
    assert one.population.tolist() == [False, True]
    assert one.false == 1


def test_a_kind_that_nobody_reported_has_no_rows() -> None:
    """There is nothing to decide about."""
    (one,) = evaluation(policy_set(TARGET), World({})).policies
    assert one.due_rows.size == one.unknown_rows.size == 0


def test_undo_is_asked_of_open_episodes_only_and_has_its_own_clock() -> None:
    """It does not matter whether the target still is one."""
    compiled = policy_set(f"{TARGET} undo when load > 50% for 1m", do="shut()")
    act = PlannedAction("shut", "thing/a", {}, None, Direction.NEUTRAL, {}, {}, None)
    episodes = {("p0", "thing/a", True): Episode("p0", "thing/a", NOW_S, (act,), shadow=True)}
    rows = [Row(name, {"size": 0.0, "busy": False, "load": 0.9}) for name in "ba"]
    world = World({"thing": rows})
    first = evaluation(compiled, world, Ledger(episodes=episodes))
    assert first.policies[0].undo_rows.tolist() == []
    later = Ledger(holds=first.holds, episodes=episodes)
    second = evaluation(compiled, replace(world, now_s=NOW_S + 60), later)
    assert second.policies[0].undo_rows.tolist() == [1]


def test_a_predicted_state_keeps_what_was_measured() -> None:
    """`ensure avg(load) over 5m < 50%` asks the samples of the target, not the one value that it has now."""
    compiled = policy_set("target thing when avg(load) over 5m < 50% and size > 5")
    samples = {
        "a": [(NOW_S - 60 * n, 0.25) for n in range(4, -1, -1)],
        "b": [(NOW_S - 60 * n, 0.75 if n else 0.0) for n in range(4, -1, -1)],
    }
    rows = [Row(name, {"load": 0.0, "size": 1.0}) for name in "ab"]
    world = World({"thing": rows}, tracks={("thing", "load"): Track(samples)})
    assert truths_of(compiled, world) == [False, False]
    node = compiled.compiled[0].node(condition(compiled))
    for row, expected in ((0, True), (1, False)):
        name = rows[row].name
        outer = Table("thing", (name,), {"load": number_column([0.0]), "size": number_column([9.0])})
        assert at(Frame(world.snapshot(), NOW_S, outer=outer).run(node), 0) is expected

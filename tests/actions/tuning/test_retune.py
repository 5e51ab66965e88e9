"""Re-tuning after a drift: neighbours only, change or revert, and the promises that hold whatever the world does."""

import json
from collections.abc import Callable
from math import exp

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp_actions.tuning import (
    Goal,
    Ground,
    History,
    Observation,
    Order,
    Retune,
    RetuneRules,
    Setting,
    Workload,
    fold,
    order,
    retune_from_json,
    retune_to_json,
    see,
    see_lengths,
)

WORK = Workload("asr", "gpu")
LADDER = tuple(Setting(2**k) for k in range(8))
FREE = RetuneRules(share=1.0)
GIB = 2.0**30
Latency = Callable[[int], float]


def known(curve: Latency, goal: Goal, memory: Latency | None = None) -> Ground:
    history: History = fold({}, [look(s, curve(s.batch), 0.0, memory) for s in LADDER[:6]])
    return Ground(history[WORK], LADDER, goal)


def look(
    setting: Setting, latency_s: float, at_s: float, memory: Latency | None = None, errors: int = 0
) -> Observation:
    peak = memory(setting.batch) if memory is not None else None
    rate = setting.batch / latency_s if not errors else 0.0
    return Observation(WORK, setting, at_s, 10, latency_s, rate, latency_s, 0.0, peak, None, errors)


def run(
    state: Retune,
    ground: Ground,
    curve: Latency,
    rules: RetuneRules,
    *,
    looks: int,
    noise: float = 0.0,
    seed: int = 1,
) -> tuple[Retune, list[Order]]:
    """Do what is ordered, so many times; a look takes a second."""
    rng = np.random.default_rng(seed)
    orders = []
    for k in range(looks):
        wanted = order(state, rules)
        orders.append(wanted)
        latency_s = curve(wanted.setting.batch) * exp(noise * rng.standard_normal())
        state = see(state, look(wanted.setting, latency_s, float(k)), ground, rules, float(k))
    return state, orders


def flat(batch: int) -> float:
    return 0.01 + 0.001 * batch


def cached(batch: int) -> float:
    """The machine changed: from 16 on it is three times slower."""
    return flat(batch) * (3.0 if batch >= 16 else 1.0)


def settled_at(batch: int, curve: Latency, ground: Ground, rules: RetuneRules) -> Retune:
    return run(Retune(Setting(batch)), ground, curve, rules, looks=60, noise=0.02)[0]


def test_a_drift_moves_to_the_neighbour_that_is_better_now():
    ground = known(flat, Goal())
    state = settled_at(16, flat, ground, FREE)
    assert state.duel is None
    state, orders = run(state, ground, cached, FREE, looks=60, noise=0.02)
    assert state.setting == Setting(8)
    assert {o.setting.batch for o in orders} <= {4, 8, 16, 32}
    assert state.reverts == 0


def test_without_a_gain_it_reverts_and_waits_twice_as_long_each_time():
    ground = known(flat, Goal(max_batch=16))
    state, waits = settled_at(16, flat, ground, FREE), []
    slower = 1.0
    for _ in range(3):
        slower *= 1.6
        at = state.cool_until_s
        for k in range(80):
            wanted = order(state, FREE).setting
            now = at + k
            before = state.reverts
            state = see(state, look(wanted, slower * flat(wanted.batch), now), ground, FREE, now)
            if state.reverts > before:
                waits.append(state.cool_until_s - now)
        assert state.setting == Setting(16)
    assert waits == [3600.0, 7200.0, 14400.0]
    assert "reverted" in state.told


def test_a_broken_bound_is_left_even_without_a_gain():
    """Speed is the same at half the batch, latency is not: nothing to win, and yet it must move."""

    def linear(batch: int) -> float:
        return 0.002 * batch

    ground = known(linear, Goal(max_latency_s=0.04))
    state = settled_at(16, linear, ground, FREE)
    state, _ = run(state, ground, lambda b: 1.5 * linear(b), FREE, looks=80, noise=0.01)
    assert state.setting == Setting(8)


def test_a_noisy_neighbour_changes_nothing():
    ground = known(flat, Goal(max_batch=16))
    state = settled_at(16, flat, ground, FREE)
    state, _ = run(state, ground, lambda b: 2.0 * flat(b), FREE, looks=200, noise=0.8, seed=3)
    assert state.setting == Setting(16)


def test_a_rival_that_fails_is_given_up_at_once():
    ground = known(flat, Goal())
    state = settled_at(16, flat, ground, FREE)
    while state.duel is None:
        state = see(state, look(Setting(16), 2 * flat(16), 99.0), ground, FREE, 99.0)
    rival = state.duel.rival
    state = see(state, look(rival, 1.0, 100.0, errors=10), ground, FREE, 100.0)
    assert state.duel is None or state.duel.rival != rival
    assert "failed" in state.told


def test_a_neighbour_whose_memory_would_break_the_reserve_is_not_tried():
    ground = known(flat, Goal(max_memory_bytes=4 * GIB), lambda batch: GIB + 0.05 * GIB * batch)
    state = settled_at(32, flat, ground, FREE)
    _, orders = run(state, ground, lambda b: 2.0 * flat(b), FREE, looks=80, noise=0.01)
    assert {o.setting.batch for o in orders} == {16, 32}


def test_a_new_mix_of_lengths_is_an_alarm_once_both_are_known():
    rng = np.random.default_rng(2)
    ground = known(flat, Goal())
    state = see_lengths(Retune(Setting(16)), rng.normal(5, 1, 400).tolist(), ground, FREE, 0.0)
    state = see_lengths(state, rng.normal(5, 1, 400).tolist(), ground, FREE, 0.0)
    assert state.duel is None
    few = see_lengths(
        Retune(Setting(16)), [*rng.normal(5, 1, 400), *rng.normal(9, 1, 199)], ground, FREE, 0.0
    )
    assert few.duel is None
    state = see_lengths(state, rng.normal(9, 1, 400).tolist(), ground, FREE, 0.0)
    assert state.duel is not None
    assert "lengths" in state.told


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Latency, Latency, Goal, float, int]:
    """Two curves, before and after; bounds; the share; the first setting's place."""
    before = draw(st.lists(st.floats(0.5, 2.0), min_size=8, max_size=8))
    after = draw(st.lists(st.floats(0.3, 4.0), min_size=8, max_size=8))
    low, high = sorted(draw(st.tuples(st.integers(0, 7), st.integers(0, 7))))
    goal = Goal(
        min_batch=2**low,
        max_batch=2**high,
        max_latency_s=draw(st.one_of(st.none(), st.floats(0.005, 0.5))),
        max_memory_bytes=draw(st.one_of(st.none(), st.floats(2 * GIB, 12 * GIB))),
    )
    curves = [
        (lambda batch, f=factors: flat(batch) * f[batch.bit_length() - 1]) for factors in (before, after)
    ]
    return curves[0], curves[1], goal, draw(st.floats(0.01, 1.0)), draw(st.integers(low, high))


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(0, 1000))
def test_whatever_happens_the_promises_hold(world, seed):
    """Inside the bounds, within the share, no forecast memory over the reserve, JSON at every step, and it ends."""
    before, after, goal, share, place = world

    def memory(batch: int) -> float:
        return GIB + 0.05 * GIB * batch

    ground = known(before, goal, memory)
    rules = RetuneRules(share=share)
    state = Retune(LADDER[place])
    rng = np.random.default_rng(seed)
    curve = before
    for k in range(160):
        curve = before if k < 50 else after
        wanted = order(state, rules)
        if wanted.probe:
            assert goal.min_batch <= wanted.setting.batch <= (goal.max_batch or 0)
            if goal.max_memory_bytes is not None:
                assert memory(wanted.setting.batch) <= 0.97 * goal.max_memory_bytes
        seen = look(
            wanted.setting, curve(wanted.setting.batch) * exp(0.05 * rng.standard_normal()), float(k), memory
        )
        state = see(state, seen, ground, rules, float(k))
        assert state.away <= share * state.served + 1e-9
        if k % 10 == 0:
            assert retune_from_json(json.loads(json.dumps(retune_to_json(state)))) == state
    # With the whole traffic at hand a round is over after two duels of twelve looks each, and a walk down the ladder.
    end = k + 1
    for k in range(end, end + 12 * len(LADDER)):
        if state.duel is None:
            break
        state = see(
            state, look(state.duel.turn, after(state.duel.turn.batch), float(k)), ground, rules, float(k)
        )
    assert state.duel is None

"""What users of other tuners complained of, each as a test of this one. The threads are named in the docstrings."""

import dataclasses
import json
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp_actions.tuning import (
    Care,
    Goal,
    History,
    Observation,
    Proposal,
    Setting,
    Workload,
    fold,
    ladder,
    propose,
    to_json,
)

WORK = Workload("asr", "gpu")
LADDER = [Setting(2**k) for k in range(9)]
EXACT = Care(tolerance=0.0)


def flat_then_linear(batch: int) -> float:
    return 0.01 * (1.0 + (batch / 16) ** 3) ** (1 / 3)


def search(
    latency,
    goal: Goal,
    *,
    candidates: list[Setting] = LADDER,
    start: int = 1,
    noise: float = 0.0,
    seed: int = 1,
    care: Care = EXACT,
    **figures,
) -> tuple[Proposal, list[int]]:
    """Search until there is no more to look at; the verdict and the batches looked at, in order."""
    rng = np.random.default_rng(seed)
    history: History = {}
    setting, looks = Setting(start), []
    for _ in range(200):
        latency_s = latency(setting.batch) * exp(noise * rng.standard_normal())
        spread = None if noise else 0.0
        rate = setting.batch / latency_s
        row = Observation(WORK, setting, 0.0, 10, latency_s, rate, latency_s, spread, **figures)
        history = fold(history, [row])
        looks.append(setting.batch)
        found = propose(history[WORK], candidates, goal, Setting(start), care)
        if found.verdict != "measure":
            return found, looks
        assert found.setting is not None
        setting = found.setting
    raise AssertionError("the search did not end")


def test_only_sizes_that_were_tried_are_chosen():
    """Lightning#18426: a size was returned that had never run."""
    found, looks = search(flat_then_linear, Goal(max_latency_s=0.03))
    assert found.setting is not None
    assert found.setting.batch in looks


def test_not_halved_when_less_than_half_is_enough():
    """accelerate#3650: 128 was too much, 64 was taken, 100 would have fitted."""
    sizes = [Setting(b) for b in (32, 64, 80, 96, 100, 112, 128)]
    found, _ = search(lambda b: 0.001 * (b + 20), Goal(max_latency_s=0.121), candidates=sizes, start=32)
    assert found.setting == Setting(100)


@pytest.mark.parametrize("most", [3, 8, 100])
def test_the_largest_allowed_batch_is_never_passed(most):
    """BentoML#3710, #3859; triton server#8141: one more than the maximum was fed."""
    goal = Goal(min_batch=2, max_batch=most)
    found, looks = search(lambda b: 0.01, goal, candidates=ladder(goal, 2), start=2)
    assert max(looks) <= most
    assert found.setting == Setting(most)


def test_the_latency_bound_is_not_ignored_and_the_rejected_say_so():
    """BentoML#1530; model_analyzer#805, vllm#2492: nobody was told why."""
    found, _ = search(flat_then_linear, Goal(max_latency_s=0.02))
    assert found.setting is not None
    assert flat_then_linear(found.setting.batch) <= 0.02
    out = {r.setting.batch: r for r in found.rejected}
    assert set(out) == {b.batch for b in LADDER if flat_then_linear(b.batch) > 0.02}
    assert all(r.bound == "latency" and r.value > r.limit == 0.02 for r in out.values())
    said = "\n".join(found.lines())
    assert "batch 256" in said
    assert "the bound is 20 ms" in said


def test_waiting_for_a_batch_to_fill_is_part_of_latency():
    """Triton server#3116, #7318: a queue delay hurts under little load. 63 more arrivals at 100/s take 0.3 s on average."""
    busy, _ = search(flat_then_linear, Goal(max_latency_s=0.3, arrivals_per_s=1e5, max_load=100.0))
    idle, _ = search(flat_then_linear, Goal(max_latency_s=0.3, arrivals_per_s=100.0))
    assert busy.setting == Setting(256)
    assert idle.setting is not None
    assert (idle.setting.batch - 1) / 200 + flat_then_linear(idle.setting.batch) <= 0.3
    assert idle.setting == Setting(32)


def test_what_arrives_must_be_served():
    """A batch that is too small for the load is out by throughput, not by latency."""
    found, _ = search(flat_then_linear, Goal(arrivals_per_s=800.0, max_load=0.8))
    out = {r.setting.batch: (r.bound, round(r.value)) for r in found.rejected}
    assert out[1] == ("throughput", 100)
    assert found.setting is not None
    assert found.setting.batch / flat_then_linear(found.setting.batch) >= 1000.0


def test_a_batch_that_is_not_the_limit_is_said():
    """faster-whisper#1143: 64 to 512 changed nothing; transformers#29901: features on the CPU were the limit."""
    found, _ = search(lambda b: 0.01 * b, Goal(), start=8, care=Care())
    assert found.batch_bound is False
    assert "not batch-bound" in "\n".join(found.lines())
    still, _ = search(lambda b: 0.01, Goal(), start=8)
    assert still.batch_bound is True


def test_a_falling_curve_keeps_the_smallest():
    """A CPU whose cache holds one clip: bigger is slower from the start."""
    found, _ = search(lambda b: 0.001 * b**1.15, Goal(), start=32)
    assert found.setting == Setting(1)
    assert found.measured_gain is not None
    assert found.measured_gain > 0.5
    assert found.efficiency_gap == pytest.approx(1 - 1 / (1 + found.measured_gain))


@pytest.mark.parametrize(
    ("latencies", "bound", "best"),
    [
        ({1: 1.0, 8: 1.19, 16: 31.1}, 1.5, 8),
        ({1: 1.0, 2: 1.23, 4: 1.76, 8: 2.71, 16: 80.9}, None, 8),
        (
            {1: 1, 2: 0.53, 4: 0.41, 8: 0.46, 16: 0.82, 32: 2, 64: 6.9, 128: 35.4, 256: 267.0, 512: 2930.0},
            2.0,
            16,
        ),
    ],
    ids=["a wall", "a wall behind a knee", "a bowl"],
)
def test_beyond_a_wall_nothing_is_said_of_what_lies_before_it(latencies, bound, best):
    """The largest size swaps memory, and is many times slower: that says nothing of the sizes below."""
    sizes = [Setting(batch) for batch in latencies]
    found, looks = search(latencies.__getitem__, Goal(max_latency_s=bound), candidates=sizes)
    assert found.setting == Setting(best)
    assert len(looks) <= 10


def test_the_smallest_of_nearly_equals():
    """Within 2 % of the best the smallest batch costs less memory and latency."""
    rates = {1: 50.0, 2: 90.0, 4: 98.5, 8: 99.0, 16: 100.0}
    candidates = [Setting(b) for b in rates]
    found, _ = search(lambda b: b / rates[b], Goal(), candidates=candidates, care=Care())
    assert found.best == Setting(16)
    assert found.setting == Setting(4)
    assert "within 2%" in found.reasons[0]


def test_an_infeasible_trial_is_never_the_best():
    """optuna#6825."""
    found, _ = search(flat_then_linear, Goal(max_latency_s=0.001))
    assert found.best is None
    assert found.setting == Setting(1)
    assert "no measured setting" in found.reasons[0]


def test_failed_batches_are_paid_for():
    """Twice the speed is no gain where 60 % of the batches fail; past the allowed rate a size is out."""

    def rows(failed: int) -> list[Observation]:
        return [
            Observation(WORK, Setting(1), 0.0, 100, 0.01, 100.0, spread=0.0),
            Observation(WORK, Setting(2), 0.0, 100, 0.01, 200.0, spread=0.0, errors=failed),
        ]

    goal = Goal(max_error_rate=0.7)
    assert propose(fold({}, rows(60))[WORK], LADDER[:2], goal, LADDER[0], EXACT).setting == Setting(1)
    assert propose(fold({}, rows(20))[WORK], LADDER[:2], goal, LADDER[0], EXACT).setting == Setting(2)
    strict = propose(fold({}, rows(20))[WORK], LADDER[:2], Goal(), LADDER[0], EXACT)
    assert strict.setting == Setting(1)
    assert [(r.bound, r.setting) for r in strict.rejected] == [("errors", Setting(2))]


def test_cost_counts_the_machine_and_the_power():
    """10 % faster at twice the watts: dearer where power is what costs, cheaper where the machine is."""
    rows = [
        Observation(WORK, Setting(1), 0.0, 10, 1.0, 1.0, spread=0.0, watts=100.0),
        Observation(WORK, Setting(2), 0.0, 10, 1.8, 2 / 1.8, spread=0.0, watts=200.0),
    ]
    points = fold({}, rows)[WORK]
    power = Goal("cost", price_per_kwh=0.3)
    machine = Goal("cost", price_per_s=1.0, price_per_kwh=0.3)
    assert propose(points, LADDER[:2], power, LADDER[0], EXACT).setting == Setting(1)
    assert propose(points, LADDER[:2], machine, LADDER[0], EXACT).setting == Setting(2)
    assert propose(points, LADDER[:2], Goal("energy"), LADDER[0], EXACT).setting == Setting(1)


def test_energy_without_a_meter_waits_instead_of_guessing():
    points = fold({}, [Observation(WORK, s, 0.0, 10, 1.0, 1.0) for s in LADDER[:3]])[WORK]
    found = propose(points, LADDER, Goal("energy"), LADDER[0])
    assert found.verdict == "wait"
    assert found.reasons == ("power was not measured, and the objective is energy",)


def test_too_few_observations_say_how_many():
    points = fold({}, [Observation(WORK, Setting(8), 0.0, 4, 1.0, 8.0)])[WORK]
    assert propose(points, LADDER, Goal()).reasons == ("not enough observations (4 of 10)",)


def test_a_spread_too_wide_gives_no_verdict():
    """A noisy neighbour: looks differ by half, so a gain of a few percent is not known."""
    verdicts = [
        search(
            lambda b: 0.01 * b * (0.93 if b > 1 else 1.0), Goal(), candidates=LADDER[:2], noise=0.6, seed=k
        )[0]
        for k in range(30)
    ]
    unclear = [v for v in verdicts if v.verdict == "no_verdict"]
    assert len(unclear) >= 15
    assert all(v.setting == Setting(1) and "no verdict" in v.reasons[0] for v in unclear)


@settings(max_examples=25, deadline=None)
@given(
    factors=st.lists(st.floats(0.4, 2.5), min_size=9, max_size=9),
    bound=st.one_of(st.none(), st.floats(0.5, 20.0)),
    start=st.integers(0, 8),
    noise=st.sampled_from([0.0, 0.1, 0.5]),
)
def test_any_curve_ends_within_its_looks_and_its_bound(factors, bound, start, noise):
    """Not more sizes than allowed, not more looks a size, the choice was looked at, and without noise it holds the bound."""

    def latency(batch: int) -> float:
        return 0.001 * batch**0.7 * factors[batch.bit_length() - 1]

    limit_s = None if bound is None else bound * latency(2**start)
    found, looks = search(latency, Goal(max_latency_s=limit_s), start=2**start, noise=noise)
    assert len(set(looks)) <= EXACT.max_sizes
    assert max(looks.count(b) for b in looks) <= EXACT.max_looks
    assert found.setting is not None
    assert found.setting.batch in looks
    if not noise and found.best is not None and limit_s is not None:
        assert latency(found.setting.batch) <= limit_s * (1 + 1e-6)
    if not noise and limit_s is not None and found.best is None:
        assert all(latency(b) > limit_s * (1 - 1e-6) for b in looks)


def test_old_looks_count_less_until_they_count_as_none():
    """After 14 days a look weighs half; a size whose looks have faded is looked at again."""
    points = fold({}, [Observation(WORK, Setting(8), 0.0, 100, 1.0, 8.0)])[WORK]
    day = 86400.0
    assert points[Setting(8)].aged(14 * day, 14 * day).weight == pytest.approx(0.5)
    assert propose(points, LADDER[3:4], Goal(), now_s=0.0).verdict == "measure"
    assert propose(points, LADDER[3:4], Goal(), now_s=365 * day).verdict == "wait"


ODD = st.sampled_from([float("nan"), float("inf"), 0.0, -1.0, 1e-300, 1e300, None])
FIGURE = st.one_of(ODD, st.floats(1e-4, 1e4))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([-4, 0, 1, 2, 8, 64, 10**9]),
            st.sampled_from([0, 1, 10, 10**6]),
            st.lists(FIGURE, min_size=6, max_size=6),
            st.sampled_from([0, 1, 50]),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["cost", "throughput", "energy"]),
    st.sampled_from([None, 0.05, 0.0]),
    st.sampled_from([None, 4e9, 1.0]),
)
def test_odd_history_is_never_an_error(rows, objective, max_latency_s, max_memory_bytes):
    """Latencies that are no numbers, empty batches, figures beyond all measure: as if they had not been told."""
    history = fold(
        {},
        [
            Observation(
                WORK, Setting(batch), 0.0, n, latency or 0.0, rate or 0.0, tail, spread, memory, watts, errors
            )
            for batch, n, (latency, rate, tail, spread, memory, watts), errors in rows
        ],
    )
    json.dumps(to_json(history), allow_nan=False)
    goal = Goal(objective, max_latency_s, max_memory_bytes, price_per_kwh=0.3)
    found = propose(history.get(WORK, {}), ladder(goal, 8), goal, Setting(8))
    assert all(isinstance(line, str) for line in found.lines())
    assert found.setting is None or found.setting.batch >= 1


def test_a_latency_that_is_no_number_is_that_of_the_batch():
    points = fold({}, [Observation(WORK, Setting(8), 0.0, 10, float("nan"), 80.0, float("nan"))])[WORK]
    assert propose(points, LADDER[3:4], Goal(max_latency_s=0.05)).rejected[0].value == pytest.approx(0.1)


def test_a_proposal_is_plain_data():
    found, _ = search(flat_then_linear, Goal())
    assert dataclasses.asdict(found)["verdict"] == "choose"

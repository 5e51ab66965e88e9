"""The search on curves that trap simpler ones. Figures are items per second at batch 16, 32, ... (a dip, a late jump)."""

import pytest

from scrimp_actions.tuning import (
    Care,
    Goal,
    History,
    Observation,
    Proposal,
    Setting,
    Workload,
    fold,
    from_json,
    propose,
    to_json,
)

WORK = Workload("log_mel", "cpu")
DIP = {16: 258.0, 32: 721.0, 64: 1384.0, 128: 894.0, 256: 872.0}
JUMP = {1: 13.81, 2: 17.79, 4: 20.28, 8: 19.99, 16: 32.89}
FLAT = {1: 100.0, 2: 100.5, 4: 100.2, 8: 100.4, 16: 100.1}
EXACT = Care(tolerance=0.0)


def look(batch: int, curve: dict[int, float], at_s: float = 0.0) -> Observation:
    rate = curve[batch]
    return Observation(WORK, Setting(batch), at_s, 100, batch / rate, rate, spread=0.0)


def tune(curve: dict[int, float], goal: Goal, care: Care = EXACT) -> tuple[Proposal, int]:
    candidates = [Setting(b) for b in curve]
    history: History = fold({}, [look(min(curve), curve)])
    for _ in range(20):
        found = propose(history[WORK], candidates, goal, candidates[0], care)
        if found.verdict != "measure":
            return found, len(history[WORK])
        history = fold(history, [look(found.setting.batch, curve)])
    raise AssertionError("the search did not end")


@pytest.mark.parametrize(("curve", "best"), [(DIP, 64), (JUMP, 16)])
def test_dips_and_jumps_do_not_trap(curve, best):
    assert tune(curve, Goal())[0].setting == Setting(best)


def test_the_choice_holds_the_bound_and_rejections_name_it():
    found, _ = tune(JUMP, Goal(max_latency_s=0.15))
    assert found.setting == Setting(2)
    assert all(r.bound == "latency" for r in found.rejected)


def test_a_flat_curve_is_not_batch_bound():
    """A bigger batch that does nothing must be said, not hidden in a choice."""
    found, _ = tune(FLAT, Goal(), Care())
    assert found.setting == Setting(1)
    assert found.batch_bound is False


def test_too_little_data_waits():
    one = fold({}, [look(16, DIP)._replace(n=3)])
    assert propose(one[WORK], [Setting(b) for b in DIP], Goal()).verdict == "wait"


def test_history_survives_json():
    history = fold({}, [look(b, DIP) for b in DIP])
    assert from_json(to_json(history)) == history

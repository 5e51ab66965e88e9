"""A probe is never a crash: the forecast is above what memory really takes, and nothing over the reserve is asked for."""

from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp_actions.tuning import Goal, History, Observation, Proposal, Setting, Workload, fold, propose
from scrimp_actions.tuning.goal import memory_limit_bytes
from scrimp_actions.tuning.memory import memory_forecast

WORK = Workload("asr", "gpu")
LADDER = [Setting(2**k) for k in range(11)]
GIB = 2.0**30
MIB = 2.0**20


def test_one_size_seen_all_of_it_may_grow():
    assert memory_forecast([4], [2 * GIB], [1, 4, 8]).tolist() == [2 * GIB, 2 * GIB, 4 * GIB]


def test_the_line_goes_through_the_upper_peaks():
    """Five looks at two sizes with a spread: never below the largest peak that was seen."""
    batches, peaks = [1, 1, 8, 8, 8], [1.0, 1.2, 3.0, 3.3, 2.9]
    at = memory_forecast(batches, peaks, [1, 8, 16])
    assert at[0] >= 1.2
    assert at[1] >= 3.3
    assert at[2] >= 3.3 + 8 * (3.3 - 1.2) / 7


def test_a_curve_that_bends_upwards_is_not_cut_short():
    """An upper line through all points would promise less than the last piece already takes."""
    batches = [1, 8, 64]
    forecast = memory_forecast(batches, [b + 0.02 * b * b for b in batches], [96])
    assert forecast[0] >= 96 + 0.02 * 96 * 96 * 0.75


def look(setting: Setting, memory_bytes: float | None, limit: float) -> Observation:
    """Speed grows with the batch for ever, so that only memory stops the search; over the limit it crashes."""
    rate = 100.0 * setting.batch**0.9
    if memory_bytes is not None and memory_bytes > limit:
        return Observation(WORK, setting, 0.0, 10, 0.0, 0.0, errors=10)
    return Observation(WORK, setting, 0.0, 10, setting.batch / rate, rate, None, 0.0, memory_bytes)


def search(memory, goal: Goal, *, told: bool = True) -> tuple[Proposal, list[int]]:
    """Search from batch 1 on; the batches that were probed."""
    history: History = {}
    setting, probed = LADDER[0], []
    limit = goal.max_memory_bytes or float("inf")
    for _ in range(60):
        probed.append(setting.batch)
        seen = look(setting, memory(setting.batch), limit)
        history = fold(history, [seen if told else seen._replace(memory_bytes=None)])
        found = propose(history[WORK], LADDER, goal, LADDER[0])
        if found.verdict != "measure":
            return found, probed
        assert found.setting is not None
        setting = found.setting
    raise AssertionError("the search did not end")


@settings(max_examples=40, deadline=None)
@given(
    fixed=st.floats(0.1, 4.0),
    each=st.floats(0.001, 1.0),
    bend=st.floats(1.0, 1.05),
    limit=st.floats(6.0, 80.0),
)
def test_no_probe_ever_breaks_the_bound(fixed, each, bend, limit):
    found, probed = search(lambda b: GIB * (fixed + each * b**bend), Goal(max_memory_bytes=limit * GIB))
    assert all(GIB * (fixed + each * b**bend) <= limit * GIB for b in probed)
    assert found.setting is not None


def test_the_reserve_is_a_share_or_an_amount_whichever_is_larger():
    assert memory_limit_bytes(Goal(max_memory_bytes=4 * GIB)) == 4 * GIB - 256 * MIB
    assert memory_limit_bytes(Goal(max_memory_bytes=80 * GIB)) == 80 * GIB * 0.97


def test_a_size_that_eats_the_reserve_is_rejected_even_after_it_has_worked():
    """It was looked at before the bound was set; 3.9 of 4 GiB is not to be chosen."""
    history = fold({}, [look(s, 0.975 * GIB / 4 * s.batch, 4 * GIB) for s in LADDER[:5]])
    found = propose(history[WORK], LADDER[:5], Goal(max_memory_bytes=4 * GIB), LADDER[0])
    assert found.setting == Setting(8)
    assert [(r.bound, r.setting.batch, r.measured) for r in found.rejected] == [("memory", 16, True)]


def test_memory_that_nobody_measured_is_not_risked():
    """Under a bound, without a figure: only what has worked, or less."""
    found, probed = search(lambda b: GIB * b, Goal(max_memory_bytes=8 * GIB), told=False)
    assert probed == [1]
    assert "unknown" in "\n".join(found.lines())


def test_without_a_bound_a_crash_closes_all_that_is_larger():
    """The bound was not told, the first large probe crashed: once, and never beyond it again; and the search ends."""
    history: History = {}
    setting, crashed = LADDER[0], []
    for _ in range(40):
        seen = look(setting, GIB * setting.batch, 20 * GIB)
        crashed += [setting.batch] if seen.errors else []
        history = fold(history, [seen])
        found = propose(history[WORK], LADDER, Goal(), LADDER[0])
        if found.verdict != "measure":
            break
        assert found.setting is not None
        setting = found.setting
    assert found.verdict == "choose"
    assert found.setting == Setting(16)
    assert crashed == sorted(crashed, reverse=True)
    assert len(set(crashed)) == len(crashed)
    assert {"errors"} == {r.bound for r in found.rejected}


def test_what_crashed_at_one_size_is_out_at_all_larger_ones_until_one_works():
    history = fold({}, [look(Setting(b), GIB * b, 50 * GIB) for b in (1, 4, 64)])
    found = propose(history[WORK], LADDER, Goal(), LADDER[0])
    assert {r.setting.batch for r in found.rejected} == {64, 128, 256, 512, 1024}
    more = fold(history, [look(Setting(256), GIB, 50 * GIB)])
    found = propose(more[WORK], LADDER, Goal(), LADDER[0])
    assert {r.setting.batch for r in found.rejected} == {64}

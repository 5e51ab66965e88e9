"""One tick over one snapshot: what language.md and design.md promise, case by case."""

from pathlib import Path

from tests.policies import plan, verdicts

from scrimp.model.ledger import Approval, Ledger, Pause

HEAD = 'scrimp 1\npolicy p {\n  "d"\n  owner "o"\n  mode enforce\n'
IDLE = "  target node_group\n  when gpu_utilization < 15%\n  do scale_down(by = 50%)\n"


def group(name: str, **fields: object) -> dict[str, object]:
    """A node group that is idle."""
    return {"name": name, "size": 10, "gpu_utilization": 0.08, "price_per_hour": 3, **fields}


def test_an_act_has_its_target_state_reason_values_and_saving(tmp_path: Path) -> None:
    """The example of the design."""
    found = plan(tmp_path, HEAD + IDLE + "}", {"node_group": [group("a")]})
    (decision,) = found.decisions()
    told = decision.as_json()
    assert told["verdict"] == "act"
    assert told["mode"] == "enforce"
    assert told["reason"] == "gpu_utilization = 8% < 15%"
    assert told["values"] == {"gpu_utilization": 0.08}
    (action,) = decision.actions
    assert action.as_json() == {
        "action": "scale_down",
        "args": {"to": 5},
        "writes": "capacity",
        "before": {"size": 10},
        "after": {"size": 5},
        "saving_per_hour": {"amount": 15.0, "currency": "USD"},
    }


def test_unknown_never_acts_under_not_either(tmp_path: Path) -> None:
    """A failed read can make no condition true."""
    text = HEAD + "  target node_group\n  when not (gpu_utilization > 15%)\n  do scale_down(by = 50%)\n}"
    rows = [group("a", gpu_utilization=None), group("b")]
    found = plan(tmp_path, text, {"node_group": rows})
    assert verdicts(found) == {("p", "node_group/a"): "unknown", ("p", "node_group/b"): "act"}
    assert "missing" in next(found.decisions()).reason


def test_false_and_unknown_is_false(tmp_path: Path) -> None:
    """Strong Kleene logic: it is counted, and no decision."""
    text = (
        HEAD
        + "  target node_group\n  when size > 100 and gpu_utilization < 15%\n  do scale_down(by = 50%)\n}"
    )
    found = plan(tmp_path, text, {"node_group": [group("a", gpu_utilization=None)]})
    assert list(found.decisions()) == []
    assert found.false == 1


def test_a_kind_that_nobody_reported_is_unknown_and_an_empty_one_is_empty(tmp_path: Path) -> None:
    """`count` over no answer is not zero."""
    text = (
        HEAD
        + "  target node_group\n  when count(job where job.group == node_group.name) == 0\n  do scale_down(by = 50%)\n}"
    )
    kinds = {"node_group": [group("a")]}
    assert verdicts(plan(tmp_path, text, kinds)) == {("p", "node_group/a"): "unknown"}
    assert verdicts(plan(tmp_path, text, {**kinds, "job": []})) == {("p", "node_group/a"): "act"}


def test_a_join_counts_by_group(tmp_path: Path) -> None:
    """Equality on fields is a group-by; an unknown key may belong to any group."""
    text = HEAD + (
        "  target node_group\n  when count(job where job.group == node_group.name and job.critical) == 0\n"
        "  do scale_down(by = 50%)\n}"
    )
    jobs = [{"name": "j1", "group": "a", "critical": True}, {"name": "j2", "group": "b", "critical": False}]
    kinds = {"node_group": [group("a"), group("b"), group("c")], "job": jobs}
    assert verdicts(plan(tmp_path, text, kinds)) == {
        ("p", "node_group/b"): "act",
        ("p", "node_group/c"): "act",
    }
    kinds["job"] = [*jobs, {"name": "j3", "critical": True}]
    found = verdicts(plan(tmp_path, text, kinds))
    assert found == {("p", "node_group/a"): "unknown"} | {("p", f"node_group/{n}"): "unknown" for n in "bc"}


def test_percent_of_targets_is_rounded_up_and_the_best_saving_goes_first(tmp_path: Path) -> None:
    """A tenth of eleven is two; the dearest two go, unknown savings last."""
    text = HEAD + IDLE + "  guard { limit 10% of targets per 1h }\n}"
    rows = [group(f"g{n:02}", price_per_hour=n) for n in range(10)] + [group("x", price_per_hour=None)]
    found = verdicts(plan(tmp_path, text, {"node_group": rows}))
    assert sorted(target for (_, target), verdict in found.items() if verdict == "act") == [
        "node_group/g08",
        "node_group/g09",
    ]
    assert set(found.values()) == {"act", "limited"}


def test_ensure_is_asked_of_the_state_after_the_action(tmp_path: Path) -> None:
    """Five is not six."""
    text = HEAD + IDLE + "  guard { ensure size >= 6 }\n}"
    found = plan(tmp_path, text, {"node_group": [group("a"), group("b", size=12)]})
    assert verdicts(found) == {("p", "node_group/a"): "guarded", ("p", "node_group/b"): "act"}
    assert next(found.decisions()).reason.endswith("ensure size = 5 >= 6")


def test_save_counts_money_or_a_share_of_the_cost_rate(tmp_path: Path) -> None:
    """And unknown blocks."""
    text = HEAD + IDLE + "  guard { save at least 40% }\n}"
    rows = [
        group("fine", cost_rate=30),
        group("small", cost_rate=300),
        group("unknown"),
    ]
    found = verdicts(plan(tmp_path, text, {"node_group": rows}))
    assert found == {
        ("p", "node_group/fine"): "act",
        ("p", "node_group/small"): "guarded",
        ("p", "node_group/unknown"): "guarded",
    }


CONFLICT = """scrimp 1
policy down {{ "d" owner "o" mode {down} priority {low}
  target node_group when gpu_utilization < 15% do scale_down(by = 50%) }}
policy up {{ "d" owner "o" mode enforce
  target node_group when gpu_utilization < 20% do scale_up(by = 1) }}
"""


def test_on_a_tie_restore_beats_reduce(tmp_path: Path) -> None:
    """Equal priority: the side that takes nothing away."""
    found = plan(tmp_path, CONFLICT.format(down="enforce", low=50), {"node_group": [group("a")]})
    assert verdicts(found) == {("down", "node_group/a"): "overridden", ("up", "node_group/a"): "act"}
    assert next(found.decisions()).overridden_by == "up"


def test_higher_priority_wins_but_a_dry_run_overrides_no_real_act(tmp_path: Path) -> None:
    """A proposal loses only to one of at least its own effective mode."""
    kinds = {"node_group": [group("a")]}
    found = verdicts(plan(tmp_path, CONFLICT.format(down="enforce", low=60), kinds))
    assert found == {("down", "node_group/a"): "act", ("up", "node_group/a"): "overridden"}
    found = verdicts(plan(tmp_path, CONFLICT.format(down="dry_run", low=60), kinds))
    assert found == {("down", "node_group/a"): "dry_run", ("up", "node_group/a"): "act"}


def test_a_hold_is_held_without_history_and_shows_what_it_would_do(tmp_path: Path) -> None:
    """An unseen `for` starts at the first true tick."""
    text = HEAD + "  target node_group\n  when gpu_utilization < 15% for 10m\n  do scale_down(by = 50%)\n}"
    (decision,) = plan(tmp_path, text, {"node_group": [group("a")]}).decisions()
    assert decision.verdict.value == "held"
    assert decision.actions[0].after == {"size": 5.0}


def test_windows_read_the_series_and_ask_for_coverage(tmp_path: Path) -> None:
    """Three of four samples are enough for half, not for all."""
    text = (
        HEAD + "  target node_group\n  when avg(gpu_utilization) over 4m < 15%\n  do scale_down(by = 50%)\n"
    )
    series = {"node_group/a": {"gpu_utilization": {"step": "1m", "values": [0.1, 0.09, None, 0.08]}}}
    kinds = {"node_group": [{"name": "a", "size": 10, "price_per_hour": 3}]}
    found = plan(tmp_path, text + "}", kinds, series=series)
    assert verdicts(found) == {("p", "node_group/a"): "act"}
    found = plan(tmp_path, text + "  coverage 100%\n}", kinds, series=series)
    assert verdicts(found) == {("p", "node_group/a"): "unknown"}
    assert next(found.decisions()).reason.endswith("3 of 4 samples of `gpu_utilization`")


def test_bounds_of_the_row_clamp_and_no_change_is_no_decision(tmp_path: Path) -> None:
    """Nothing is done, and nothing is noted, where nothing would change."""
    rows = [group("a", min_size=8), group("b", min_size=10)]
    found = plan(tmp_path, HEAD + IDLE + "}", {"node_group": rows})
    (decision,) = found.decisions()
    assert decision.actions[0].after == {"size": 8.0}
    assert found.no_change == 1


def test_critical_jobs_are_not_paused_and_unknown_ones_neither(tmp_path: Path) -> None:
    """The action forbids it, whatever the policy says."""
    text = HEAD + '  target job\n  when state == "running"\n  do pause_non_critical()\n}'
    jobs = [
        {"name": "a", "state": "running", "critical": True, "cost_rate": 1},
        {"name": "b", "state": "running", "critical": False, "cost_rate": 1},
        {"name": "c", "state": "running", "cost_rate": 1},
    ]
    found = verdicts(plan(tmp_path, text, {"job": jobs}))
    assert found == {("p", "job/a"): "guarded", ("p", "job/b"): "act", ("p", "job/c"): "unknown"}


def test_approval_binds_to_the_proposal(tmp_path: Path) -> None:
    """Granted for five of ten is not granted for four of eight."""
    text = HEAD.replace("enforce", "approve") + IDLE + "}"
    first = plan(tmp_path, text, {"node_group": [group("a")]})
    (request,) = first.requests.values()
    assert verdicts(first) == {("p", "node_group/a"): "awaiting_approval"}
    granted = Approval(
        request.id,
        "p",
        request.target,
        request.requested_at_s,
        request.lapses_at_s,
        granted=True,
        actor="ada",
    )
    ledger = Ledger(approvals={request.id: granted})
    assert verdicts(plan(tmp_path, text, {"node_group": [group("a")]}, ledger)) == {
        ("p", "node_group/a"): "act"
    }
    other = plan(tmp_path, text, {"node_group": [group("a", size=8)]}, ledger)
    assert verdicts(other) == {("p", "node_group/a"): "awaiting_approval"}


def test_the_kill_switch_and_an_opt_out_pause(tmp_path: Path) -> None:
    """An opt-out without an end date is obeyed, too."""
    rows = [
        group("a"),
        group("b", labels={"scrimp_opt_out": "2026-12-31"}),
        group("c", labels={"scrimp_opt_out": "2026-01-01"}),
    ]
    found = verdicts(plan(tmp_path, HEAD + IDLE + "}", {"node_group": rows}))
    assert found == {
        ("p", "node_group/a"): "act",
        ("p", "node_group/b"): "paused",
        ("p", "node_group/c"): "act",
    }
    ledger = Ledger(pause=Pause(0.0, "ada", "maintenance"))
    paused = plan(tmp_path, HEAD + IDLE + "}", {"node_group": rows}, ledger)
    assert set(verdicts(paused).values()) == {"paused"}


def test_hours_are_those_of_the_zone(tmp_path: Path) -> None:
    """12:00 UTC on a Monday in November is 13:00 in Berlin."""
    for hours, verdict in (
        ("Mon-Fri 13:00-14:00 Europe/Berlin", "act"),
        ("Mon-Fri 12:00-13:00 Europe/Berlin", "guarded"),
    ):
        text = HEAD + IDLE + f'  guard {{ only during "{hours}" }}\n}}'
        assert set(verdicts(plan(tmp_path, text, {"node_group": [group("a")]})).values()) == {verdict}


def test_money_is_in_the_snapshots_currency(tmp_path: Path) -> None:
    """A saving carries it."""
    found = plan(
        tmp_path,
        HEAD + IDLE + "  guard { save at least €2/h }\n}",
        {"node_group": [group("a")]},
        currency="EUR",
    )
    assert str(found.saving_per_hour) == "€15.00"


def test_division_by_zero_is_unknown(tmp_path: Path) -> None:
    """And says so."""
    text = HEAD + "  target node_group\n  when queue_depth / size > 5\n  do scale_up(by = 1)\n}"
    found = plan(tmp_path, text, {"node_group": [group("a", size=0, queue_depth=10)]})
    assert verdicts(found) == {("p", "node_group/a"): "unknown"}
    assert "divides by zero" in next(found.decisions()).reason


def test_row_order_does_not_matter(tmp_path: Path) -> None:
    """The same rows in another order give the same decisions."""
    text = HEAD + IDLE + "  guard { limit 2 actions per 1h }\n}"
    rows = [group(name, price_per_hour=price) for name, price in zip("abcde", (1, 5, 2, 5, 3), strict=True)]
    one = [d.as_json() for d in plan(tmp_path, text, {"node_group": rows}).decisions()]
    other = [d.as_json() for d in plan(tmp_path, text, {"node_group": rows[::-1]}).decisions()]
    assert one == other


def test_unknown_in_a_guard_blocks(tmp_path: Path) -> None:
    """An `ensure` or a `halt` that cannot be read is no leave to act."""
    for guard in ("ensure queue_depth == 0", "halt if queue_depth > 0"):
        text = HEAD + IDLE + f"  guard {{ {guard} }}\n}}"
        found = plan(tmp_path, text, {"node_group": [group("a"), group("b", queue_depth=0)]})
        assert verdicts(found) == {("p", "node_group/a"): "guarded", ("p", "node_group/b"): "act"}

"""`daemon/historian.py`: acts in the history, with what they are measured against; a crash between act and note is made good."""

from pathlib import Path

from tests.history.fleets import HOUR_S, snapshot

from scrimp.api import Money, PlannedAction
from scrimp.config import defaults
from scrimp.daemon.historian import counterfactual, open_historian
from scrimp.execute import Outcome
from scrimp.history import Folder, History
from scrimp.model.catalogue import Direction
from scrimp.model.ledger import Intent
from scrimp.model.usage import MICRO

NOW_S = HOUR_S + 60.0
WORLD = snapshot(
    NOW_S,
    node_group={"train": {"size": 4, "price_per_hour": 2.5}},
    job={
        "j": {"group": "train", "items_per_second": 3.0},
        "k": {"group": "train", "items_per_second": 4.0},
        "other": {"group": "serve", "items_per_second": 9.0},
    },
)


def intent(key: str, outcome: str | None = None) -> Intent:
    action = PlannedAction(
        *("scale_down", "node_group/train", {}, "capacity", Direction.REDUCE, {"size": 4}, {"size": 2}),
        Money(5.0, "USD"),
    )
    return Intent(key, NOW_S, "shrink", "ml", "node_group/train", action, "d", outcome=outcome)


def history(root: Path) -> History:
    return History(Folder(root / ".scrimp" / "history"))


def test_the_counterfactual_is_cost_and_pace_of_the_target() -> None:
    assert counterfactual(WORLD, "node_group/train") == (10.0, 7.0)
    assert counterfactual(WORLD, "job/j") == (None, 3.0)
    assert counterfactual(WORLD, "node_group/gone") == (None, None)


def test_an_outcome_is_noted_with_its_counterfactual(tmp_path: Path) -> None:
    historian = open_historian(defaults(tmp_path))
    historian.outcomes([Outcome(intent("a"), "done", "", {"size": 2})], WORLD, NOW_S)
    historian.close()
    (found,) = history(tmp_path).acts(0, NOW_S + 1)
    assert (found.key, found.outcome, found.rate_micro_per_hour) == ("a", "done", 10 * MICRO)
    assert (found.projected_micro_per_hour, found.items_per_second) == (5 * MICRO, 7.0)


def test_what_a_crash_kept_out_is_noted_at_the_next_start_once(tmp_path: Path) -> None:
    """The ledger knows of the act, the history does not; later starts add nothing."""
    for _ in range(3):
        historian = open_historian(defaults(tmp_path))
        historian.catch_up([intent("a", "done"), intent("b", "failed")], history(tmp_path), NOW_S + 10)
        historian.close()
    found = history(tmp_path).acts(0, NOW_S + 1)
    assert [(one.key, one.rate_micro_per_hour) for one in found] == [("a", None)]


def test_a_newer_history_is_told_and_left_alone(tmp_path: Path) -> None:
    root = tmp_path / ".scrimp" / "history"
    root.mkdir(parents=True)
    (root / "history.json").write_text('{"scrimp": "history/9"}')
    historian = open_historian(defaults(tmp_path))
    assert historian.recorder is None
    historian.close()
    assert [path.name for path in root.iterdir()] == ["history.json"]

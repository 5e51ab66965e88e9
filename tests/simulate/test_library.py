"""The policy library passes its own tests, and tests can fail."""

from pathlib import Path

import pytest
from tests.policies import checked

from scrimp.simulate import run_tests
from scrimp.store import round_trip

LIBRARY = Path(__file__).resolve().parents[2] / "policies"

POLICY = """scrimp 1
policy shrink {{
  "Halve idle groups."
  owner "team"
  target node_group where size > 2
  when avg(gpu_utilization) over 15m < 15% for {hold}
  do scale_down(to = size / 2)
  undo when queue_depth > 10 for 2m
  cooldown {cooldown}
}}
test shrink "t" {{
  start "2026-03-03T09:00Z" every 1m
  given node_group "a" {{ size = 9, price_per_hour = $3/h }}
  {steps}
}}
"""


def failures(steps: str, *, hold: str = "10m", cooldown: str = "30m per target") -> list[str]:
    """Messages of the failed expectations."""
    text = POLICY.format(steps=steps, hold=hold, cooldown=cooldown)
    return [failure.message for tested in run_tests(checked(text), round_trip) for failure in tested.failures]


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.scrimp")), ids=lambda path: path.stem)
def test_library_policies_pass_their_tests(path: Path) -> None:
    """What a team copies must hold what it says."""
    tested = list(run_tests(checked(path.read_text()), round_trip))
    assert tested
    assert [failure.message for one in tested for failure in one.failures] == []


def test_a_wrong_expectation_fails_with_what_was_there_instead() -> None:
    """A test runner that cannot fail is worth nothing."""
    steps = 'series gpu_utilization["a"] = 5% x40\n  at 20m expect scale_down(to = 4)'
    (message,) = failures(steps)
    assert "is cooling" in message


def test_acts_once_when_the_hold_is_over_and_rounds_up() -> None:
    """Half of nine is five: the side that takes less away. Half the samples of 15m are there at 7m."""
    steps = 'series gpu_utilization["a"] = 5% x40\n  at 16m expect nothing because "for"\n  at 17m expect scale_down(to = 5)'
    assert failures(steps) == []


def test_false_resets_the_hold() -> None:
    """Ten minutes in all are not ten minutes at a stretch."""
    steps = (
        'series gpu_utilization["a"] = 5% x10, 100% x6, 5% x20\n'
        '  at 20m expect nothing because "condition"\n  always expect no scale_down'
    )
    assert failures(steps) == []


def test_an_unknown_tick_resets_the_hold_without_tolerance() -> None:
    """`tolerating` is 0s by default."""
    steps = 'series gpu_utilization["a"] = 5% x10, missing x5, 5% x8\n  at 22m expect nothing because "for"'
    assert failures(steps) == []


def test_undo_restores_the_value_from_before() -> None:
    """And it obeys no cooldown."""
    steps = (
        'series gpu_utilization["a"] = 5% x40\n  series queue_depth["a"] = 0 x20, 50 x20\n'
        "  at 17m expect scale_down(to = 5)\n  at 22m expect scale_up(to = 9)"
    )
    assert failures(steps) == []


def test_a_cooldown_longer_than_a_day_holds_for_all_of_it_across_a_restart() -> None:
    """Only the seconds part of a difference would let it act again after two hours."""
    steps = (
        'series gpu_utilization["a"] = 5% x1590\n  restart at 60m\n'
        '  at 3h expect nothing because "cooldown"\n  at 1575m expect nothing because "cooldown"\n'
        "  at 1577m expect scale_down(to = 3)"
    )
    assert failures(steps, cooldown="26h per target") == []


def test_an_expectation_that_nothing_can_violate_fails() -> None:
    """`where` that matches no row asserts nothing."""
    steps = 'series gpu_utilization["a"] = 5% x3\n  always expect no scale_down where name == "b"'
    assert failures(steps) == ["no row ever matches this `where`: nothing could violate the expectation"]


def test_the_saving_is_that_of_the_tick() -> None:
    """Four nodes at three dollars."""
    steps = 'series gpu_utilization["a"] = 5% x40\n  at 17m expect saving == $12/h\n  at 17m expect saving > $12/h'
    assert failures(steps) == ["expected a saving > $12/h, it is $12.00/h"]

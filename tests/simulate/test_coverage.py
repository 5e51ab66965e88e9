"""Which conditions the tests of a file have seen true, false and unknown."""

from tests.policies import checked

from scrimp.simulate import Coverage, run_tests
from scrimp.store import round_trip

FILE = """scrimp 1
policy shrink {
  target node_group where size > 2 and known(labels.tier, else "") != "critical"
  when queue_depth == 0 and not gpu_utilization >= 15%
  do scale_down(to = size / 2)
  undo when queue_oldest_age > 5m
  cooldown 30m per target
}
test shrink "t" {
  start "2026-03-03T09:00Z" every 1m
  given node_group "a" { size = 8, gpu_utilization = 5% }
  given node_group "small" { size = 2, gpu_utilization = 90%, queue_oldest_age = 1h }
  series queue_depth["a"] = 9 x1, 0 x9
  series queue_oldest_age["a"] = 10m x3, 0s x3, 10m
  at 1m expect scale_down(to = 4)
  at 2m expect scale_up(to = 8)
  at 6m expect nothing
}
"""


def test_what_was_never_seen_is_named() -> None:
    """Rows that do not match, and targets without an episode, are no cases; what cannot be unknown need not be."""
    seen = Coverage()
    (tested,) = run_tests(checked(FILE), round_trip, seen)
    assert tested.failures == ()
    assert {(one.clause, one.text): one.never for one in seen.conditions()} == {
        ("target where", "size > 2"): (None,),
        ("target where", 'known(labels.tier, else "") != "critical"'): (False,),
        ("when", "queue_depth == 0"): (None,),
        ("when", "gpu_utilization >= 15%"): (True, None),
        ("undo when", "queue_oldest_age > 5m"): (False, None),
    }
    assert seen.share() == 1 - 7 / 14


def test_no_test_has_seen_nothing() -> None:
    assert Coverage().share() == 1.0

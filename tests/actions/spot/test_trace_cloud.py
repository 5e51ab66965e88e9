"""The simulated cloud behaves like a cloud: refusals, idempotent launches, notices with faults, a bill that adds up."""

from random import Random

import numpy as np
import pytest

from scrimp_actions.spot.member import Gone, Notice, Running
from scrimp_actions.spot.trace_cloud import Faults, NoCapacityError, TraceCloud
from scrimp_actions.spot.traces import Trace


def cloud(capacity: list[int], faults: Faults | None = None, price: float = 1.0) -> TraceCloud:
    trace = Trace("a", 600.0, np.array(capacity), np.full(len(capacity), price), 3.0)
    return TraceCloud([trace], faults or Faults(delay_s=0.0), Random(1))


def test_capacity_runs_out_and_on_demand_does_not() -> None:
    """Two places, three launches: the third is refused, unless it pays the price on demand."""
    made = cloud([2] * 10)
    made.launch("a", "t1", "m1")
    made.launch("a", "t2", "m2")
    with pytest.raises(NoCapacityError):
        made.launch("a", "t3", "m3")
    assert made.launch("a", "t4", "m4", on_demand=True).on_demand


def test_the_same_token_launches_once() -> None:
    """A lost answer and a second call: still one instance."""
    made = cloud([5] * 10)
    assert made.launch("a", "t", "m") == made.launch("a", "t", "m")
    assert len(made.alive("m")) == 1


def test_a_trace_that_falls_takes_instances_with_notice() -> None:
    """Capacity goes from two to one at 1200 s: one notice 120 s before, one loss on time."""
    made = cloud([2, 2, 1, 1])
    made.launch("a", "t1", "m1")
    made.launch("a", "t2", "m2")
    heard = [event for at_s in range(0, 1500, 10) for event in made.advance(float(at_s))]
    notices = [event for event in heard if isinstance(event, Notice)]
    assert [(event.at_s, event.action_s) for event in notices] == [(1080.0, 1200.0)]
    assert [event.at_s for event in heard if isinstance(event, Gone)] == [1200.0]
    assert sum(isinstance(event, Running) for event in heard) == 2
    assert len(made.alive()) == 1


@pytest.mark.parametrize(
    ("faults", "at"),
    [
        (Faults(missing=1.0, delay_s=0), []),
        (Faults(late=1.0, late_s=30.0, delay_s=0), [470.0]),
        (Faults(double=1.0, delay_s=0), [380.0, 380.0]),
    ],
)
def test_faults_of_the_notice(faults: Faults, at: list[float]) -> None:
    """Missing, late, double: as asked, and the loss comes all the same."""
    made = cloud([5] * 10, faults)
    name = made.launch("a", "t", "m").name
    made.interrupt(name, 500.0)
    heard = made.advance(600.0)
    assert [event.at_s for event in heard if isinstance(event, Notice)] == at
    assert [event.at_s for event in heard if isinstance(event, Gone)] == [500.0]
    assert not made.is_alive(name)


def test_an_ended_instance_is_silent() -> None:
    """What was terminated sends no notice, and cannot be lost again."""
    made = cloud([5] * 10)
    name = made.launch("a", "t", "m").name
    made.interrupt(name, 500.0)
    made.terminate(name)
    made.terminate(name)
    assert made.advance(1000.0) == []


def test_the_bill_is_by_the_second_at_the_price_of_the_tick() -> None:
    """900 s at 1.0 an hour, then 600 s at 2.0, and on demand for 1500 s at 3.0."""
    trace = Trace("a", 900.0, np.array([5, 5]), np.array([1.0, 2.0]), 3.0)
    made = TraceCloud([trace], Faults(), Random(1))
    spot, full = made.launch("a", "t1", "m1"), made.launch("a", "t2", "m2", on_demand=True)
    made.advance(1500.0)
    made.terminate(spot.name)
    assert made.cost == pytest.approx((900 * 1.0 + 600 * 2.0) / 3600)
    made.terminate(full.name)
    assert made.cost == pytest.approx((900 * 1.0 + 600 * 2.0 + 1500 * 3.0) / 3600)

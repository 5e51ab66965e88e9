"""The simulated cloud behaves like a cloud: refusals, idempotent launches, notices with faults, a bill that adds up."""

from random import Random

import numpy as np
import pytest

from scrimp.api import Money, Unavailable
from scrimp_actions.spot.cloud import InstanceState, LaunchRequest, Purchase
from scrimp_actions.spot.member import Gone, Notice, Running
from scrimp_actions.spot.trace_cloud import Faults, TraceCloud
from scrimp_actions.spot.traces import Trace


def cloud(capacity: list[int], faults: Faults | None = None, price: float = 1.0) -> TraceCloud:
    trace = Trace("a", 600.0, np.array(capacity), np.full(len(capacity), price), 3.0)
    return TraceCloud([trace], faults or Faults(delay_s=0.0), Random(1))


def launch(made: TraceCloud, token: str, count: int = 1, **more):
    return made.launch(LaunchRequest(token, ("a",), count, tags={"member": token}, **more), deadline_s=1.0)


def only(made: TraceCloud, token: str) -> str:
    (instance,) = launch(made, token).instances
    return instance.id


def test_capacity_runs_out_and_on_demand_does_not() -> None:
    """Two places, three asked for: one is refused, with its cause, unless it pays the price on demand."""
    made = cloud([2] * 10)
    launched = launch(made, "t1", 3)
    assert len(launched.instances) == 2
    assert [(error.pool, error.capacity) for error in launched.errors] == [("a", True)]
    assert launch(made, "t2").instances == ()
    (full,) = launch(made, "t3", purchase=Purchase.ON_DEMAND).instances
    assert full.purchase is Purchase.ON_DEMAND


def test_a_price_above_the_cap_launches_nothing() -> None:
    """And is no lack of capacity: the pool must not be left alone for it."""
    launched = launch(cloud([2] * 10, price=1.0), "t", max_price=Money(0.5, "USD"))
    assert launched.instances == ()
    assert [error.capacity for error in launched.errors] == [False]


def test_the_same_token_launches_once() -> None:
    """A lost answer and a second call: still one instance."""
    made = cloud([5] * 10, Faults(lost_answers=1.0))
    with pytest.raises(Unavailable):
        launch(made, "t")
    assert len(launch(made, "t").instances) == 1
    assert len(made.instances({"member": "t"}, deadline_s=1.0)) == 1


def test_ended_instances_are_listed_for_a_while() -> None:
    """As EC2 does for an hour; so that the end is seen, not guessed."""
    made = cloud([5] * 10)
    name = only(made, "t")
    made.advance(50.0)
    assert [one.state for one in made.instances({"member": "t"}, deadline_s=1.0)] == [InstanceState.RUNNING]
    made.terminate([name, "i-unknown"], deadline_s=1.0)
    assert [one.alive for one in made.instances({"member": "t"}, deadline_s=1.0)] == [False]
    made.advance(4000.0)
    assert made.instances({}, deadline_s=1.0) == []


def test_offers_carry_the_age_of_the_price() -> None:
    """The price of the third tick holds since the second."""
    trace = Trace("a", 600.0, np.array([1, 1, 1]), np.array([1.0, 2.0, 2.0]), 3.0)
    made = TraceCloud([trace], Faults(), Random(1), start_s=1000.0)
    made.advance(1000.0 + 1300.0)
    known, unknown = made.offers(["a", "b"], deadline_s=1.0)
    assert (known.spot, known.on_demand, known.at_s) == (Money(2.0, "USD"), Money(3.0, "USD"), 1600.0)
    assert (unknown.spot, unknown.on_demand) == (None, None)


def test_a_trace_that_falls_takes_instances_with_notice() -> None:
    """Capacity goes from two to one at 1200 s: one notice 120 s before, one loss on time."""
    made = cloud([2, 2, 1, 1])
    launch(made, "t1", 2)
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
    name = only(made, "t")
    made.interrupt(name, 500.0)
    heard = made.advance(600.0)
    assert [event.at_s for event in heard if isinstance(event, Notice)] == at
    assert [event.at_s for event in heard if isinstance(event, Gone)] == [500.0]
    assert not made.is_alive(name)


def test_an_ended_instance_is_silent() -> None:
    """What was terminated sends no notice, and cannot be lost again."""
    made = cloud([5] * 10)
    name = only(made, "t")
    made.interrupt(name, 500.0)
    made.terminate([name], deadline_s=1.0)
    made.terminate([name], deadline_s=1.0)
    assert made.advance(1000.0) == []


def test_the_bill_is_by_the_second_at_the_price_of_the_tick() -> None:
    """900 s at 1.0 an hour, then 600 s at 2.0, and on demand for 1500 s at 3.0."""
    trace = Trace("a", 900.0, np.array([5, 5]), np.array([1.0, 2.0]), 3.0)
    made = TraceCloud([trace], Faults(), Random(1))
    spot = only(made, "t1")
    (full,) = launch(made, "t2", purchase=Purchase.ON_DEMAND).instances
    made.advance(1500.0)
    assert made.paid().total == pytest.approx((900 * 1.0 + 600 * 2.0 + 1500 * 3.0) / 3600)
    assert made.bill.total == 0.0  # nothing has ended yet
    made.terminate([spot], deadline_s=1.0)
    assert made.bill.spot == pytest.approx((900 * 1.0 + 600 * 2.0) / 3600)
    made.terminate([full.id], deadline_s=1.0)
    assert made.bill.on_demand == pytest.approx(1500 * 3.0 / 3600)
    assert made.bill.on_demand_hours == pytest.approx(1500 / 3600)

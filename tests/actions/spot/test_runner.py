"""The runner with a crew: steps side by side, each under way once, and a slow cloud in nobody's way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.servers import wait_for

from scrimp_actions.spot import AWS_BUDGET, Rules, State, Step, StepKind
from scrimp_actions.spot.member import Notice
from scrimp_actions.spot.members import Entry, MemberBook
from scrimp_actions.spot.runner import Answer, Pace, Runner

Crew = tuple[ThreadPoolExecutor, ThreadPoolExecutor]


class Slow:
    """Hands whose launches wait at a gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked: Counter[str] = Counter()

    def carry_out(self, step: Step, entry: Entry, now_s: float) -> Answer | None:
        self.asked[step.key] += 1
        if step.kind is StepKind.LAUNCH:
            self.gate.wait(20.0)
            return Answer(done=True, instance=f"i-{entry.name}", pool="p", bought="spot")
        return Answer(done=True)


@pytest.fixture
def crew() -> Iterator[Crew]:
    with ThreadPoolExecutor(2) as workers, ThreadPoolExecutor(2) as callers:
        yield workers, callers


def test_a_step_under_way_is_not_asked_again_and_holds_up_no_other(tmp_path: Path, crew: Crew) -> None:
    """The launch of one takes its time; the other is told to stop meanwhile, and nothing is asked for twice."""
    hands = Slow()
    rules = Rules(AWS_BUDGET)
    runner = Runner(MemberBook(tmp_path / "m.db"), hands, lambda _entry: rules, pace=Pace(0.01), crew=crew)
    (slow,) = runner.begin("f", [0], time.time(), on_demand=False)
    runner.adopt("f", 1, "i-1", "p", time.time(), on_demand=False)

    def come(done: object) -> bool:
        runner.carry_on(time.time())
        return bool(done())  # type: ignore[operator]

    wait_for(lambda: come(lambda: hands.asked[f"{slow.name}/launch/1"]), "the launch is asked for")
    runner.hear([Notice(time.time(), "i-1", time.time() + 120.0)])
    wait_for(
        lambda: come(lambda: runner.entries["f-1.1"].member.state is State.HANDED_OVER), "the other leaves"
    )
    assert hands.asked[f"{slow.name}/launch/1"] == 1
    hands.gate.set()
    wait_for(lambda: come(lambda: runner.entries[slow.name].member.instance), "it is launched")
    assert set(hands.asked.values()) == {1}
    runner.book.close()

"""Providers go on side by side with the loop: one that hangs or throws holds up nothing, and is told once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from tests.servers import wait_for

from scrimp.daemon.onward import Onward
from scrimp.testing import FakeProvider


@dataclass
class Going(FakeProvider):
    """A provider that can be made to hang, or to fail."""

    gate: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    after_s: float | None = 10.0
    calls: list[float] = field(default_factory=list)

    def carry_on(self, now_s: float) -> float | None:
        self.calls.append(now_s)
        self.gate.wait(30.0)
        if self.error is not None:
            raise self.error
        return None if self.after_s is None else now_s + self.after_s


def going(name: str, *, hangs: bool = False, **given: object) -> Going:
    made = Going({}, name=name)
    for key, value in given.items():
        setattr(made, key, value)
    if not hangs:
        made.gate.set()
    return made


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


def onward(*providers: Going, told: list[tuple[str, str]], wait_s: float = 5.0) -> Onward:
    return Onward(providers, lambda name, said: told.append((name, said)), wait_s=wait_s)


def test_the_first_due_counts(told: list[tuple[str, str]]) -> None:
    providers = (going("a"), going("b", after_s=3.0), going("c", after_s=None), FakeProvider({}, name="d"))
    assert onward(*providers, told=told).go(100.0, 5.0) == 103.0  # type: ignore[arg-type]
    assert onward(going("c", after_s=None), told=told).go(100.0, 5.0) is None
    assert told == []


def test_one_that_hangs_holds_up_nobody_and_is_not_called_again(told: list[tuple[str, str]]) -> None:
    """The loop, its ticks and the notices of other providers' machines go on."""
    stuck, fine = going("stuck", hangs=True), going("fine")
    both = onward(stuck, fine, told=told, wait_s=0.05)
    assert both.go(100.0, 5.0) == 105.0
    assert both.go(105.0, 5.0) == 110.0
    assert (stuck.calls, fine.calls) == ([100.0], [100.0, 105.0])
    assert told == [("stuck", "it has not come back for 0.05s")], "once"
    stuck.gate.set()
    wait_for(lambda: both.go(106.0, 50.0) == 110.0, "it has come back, and its answer counts")
    both.go(120.0, 5.0)
    assert stuck.calls == [100.0, 120.0]


def test_an_error_is_told_once_until_it_is_over(told: list[tuple[str, str]]) -> None:
    broken = going("broken", error=ValueError("no"))
    one = onward(broken, told=told)
    assert [one.go(at_s, 5.0) for at_s in (1.0, 6.0)] == [6.0, 11.0]
    assert told == [("broken", "no")]
    broken.error = None
    assert one.go(11.0, 5.0) == 21.0
    broken.error = KeyError()
    one.go(21.0, 5.0)
    assert told == [("broken", "no"), ("broken", "KeyError")]

"""What is known of pools: the ranking keeps to the floor, failures count, and a move's figures add up."""

import json
import math

import pytest

from scrimp.api import Money
from scrimp_actions.spot.cloud import PoolPrice
from scrimp_actions.spot.poolbook import Machine, PoolBook

POOLS = ("x:a", "x:b", "y:a")
MACHINE = Machine({"x": 10.0, "y": 20.0}, startup_s=60.0, redone_s=0.0)


def price(pool: str, spot: float, at_s: float = 0.0) -> PoolPrice:
    return PoolPrice(pool, Money(spot, "USD"), Money(3.0, "USD"), at_s)


def book() -> PoolBook:
    made = PoolBook(POOLS, MACHINE)
    prices = [price("x:a", 1.0), price("x:b", 1.1), price("y:a", 1.5)]
    for at_s in range(0, 7200, 600):
        made.observe(prices, float(at_s))
    return made


def ranked(made: PoolBook, now_s: float, size: int = 8, **held: int) -> list[str]:
    counts = {name.replace("_", ":"): count for name, count in held.items()}
    return made.ranked(POOLS, counts, size, now_s, least_pools=2, most_share=0.5)


def test_a_launch_may_go_where_there_is_room_and_nowhere_else_while_there_is() -> None:
    """Full pools and those that failed lately are asked only when no other is left."""
    pools = [f"t:{zone}" for zone in "abc"]
    book = PoolBook(pools, Machine({}))
    book.observe([PoolPrice(name, Money(1.0, "USD"), Money(3.0, "USD"), 0.0) for name in pools], 0.0)

    def asked(held: dict[str, int]) -> list[str]:
        return book.asked(pools, held, 4, 10.0, least_pools=2, most_share=0.5)

    assert asked({}) == pools
    assert asked({"t:a": 2}) == ["t:b", "t:c"]
    book.strike("t:b", 10.0)
    assert asked({"t:a": 2}) == ["t:c"]
    assert asked({"t:a": 2, "t:c": 2}) == ["t:a", "t:c"], "full ones before those that gave nothing"
    for name in pools:
        book.strike(name, 10.0)
    assert asked({}) == pools


def test_cheap_work_goes_before_cheap_machines() -> None:
    """`y` costs half as much again and does twice the work."""
    assert ranked(book(), 7200.0) == ["y:a", "x:a", "x:b"]


def test_a_pool_with_its_share_comes_after_the_rest() -> None:
    """The diversification floor: no storm in one pool takes more than half."""
    assert ranked(book(), 7200.0, y_a=4) == ["x:a", "x:b", "y:a"]


def test_a_pool_that_failed_comes_last_and_returns() -> None:
    """Its life counts as ended; after the cool-down it is asked again."""
    made = book()
    made.strike("y:a", 7200.0)
    assert ranked(made, 7201.0)[-1] == "y:a"
    assert made.expected_up_s("y:a", 7201.0) == 0.0
    made.observe([], 7200.0 + 200.0)
    assert 0.0 < made.expected_up_s("y:a", 7400.0) < made.expected_up_s("x:a", 7400.0)


def test_the_figures_of_a_move() -> None:
    """60 s of start-up at 1 an hour are earned back at 2 an hour in half a minute."""
    made = book()
    move = made.move("x:a", 7200.0)
    assert move is not None
    assert move.saving_per_hour == Money(2.0, "USD")
    assert move.break_even_s == pytest.approx(30.0)
    assert move.price_age_s == 7200.0
    figures = move.figures()
    assert json.loads(json.dumps(figures))["pool"] == "x:a"
    assert "x:a at $1.00/h (for 2.0 h now)" in move.text()
    assert "breaks even after 30 s" in move.text()


def test_a_move_that_never_pays_says_so() -> None:
    made = PoolBook(("x:a",), MACHINE)
    made.observe([price("x:a", 3.0)], 0.0)
    move = made.move("x:a", 0.0)
    assert move is not None
    assert math.isinf(move.break_even_s)
    assert move.figures()["break_even_s"] is None
    assert "breaks even never" in move.text()
    assert made.move("unknown:a", 0.0) is None


def test_what_is_known_survives_a_restart() -> None:
    made = book()
    made.strike("x:b", 7200.0)
    again = PoolBook(POOLS, MACHINE)
    again.restore(json.loads(json.dumps(made.state())))
    again.observe([price("x:a", 1.0), price("x:b", 1.1), price("y:a", 1.5)], 7201.0)
    made.observe([], 7201.0)
    assert again.expected_up_s("x:a", 7201.0) == pytest.approx(made.expected_up_s("x:a", 7201.0))
    assert ranked(again, 7201.0) == ranked(made, 7201.0)

"""The choice for a job: never late, never on a pool that is down, moves capped, cheap where it can be."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp_actions.spot import Choice, ChoiceRules, MarketMemory, Mode, Offer, Prior, Task, choose, table_for

RULES = ChoiceRules(on_demand_per_hour=3.0, changeover_s=720.0, tick_s=600.0)
HOUR_S = 3600.0


def ask(task: Task, offers: dict[str, Offer], memory: MarketMemory, now_s: float, rules=RULES) -> Choice:
    outlook = memory.outlook(price=1.0)
    table = table_for(outlook, rules, horizon_s=20 * HOUR_S, slack_s=10 * HOUR_S, several=len(offers) > 1)
    return choose(task, offers, memory.phases(now_s), outlook, table, rules, now_s)


def calm(names: tuple[str, ...], price: float = 1.0) -> tuple[MarketMemory, dict[str, Offer], float]:
    memory, offers = MarketMemory(Prior(), names), {name: Offer(True, price) for name in names}
    for k in range(288):
        memory.observe(k * 600.0, offers)
    return memory, offers, 287 * 600.0


def test_calm_spot_is_taken_and_kept() -> None:
    """A pool that has been up for two days at a third of the price."""
    memory, offers, now_s = calm(("a",))
    begun = ask(Task(Mode.IDLE, None, 8 * HOUR_S, 12 * HOUR_S, 0.0), offers, memory, now_s)
    kept = ask(Task(Mode.SPOT, "a", 8 * HOUR_S, 12 * HOUR_S, 0.0), offers, memory, now_s)
    assert (begun.best.mode, begun.best.pool) == (Mode.SPOT, "a")
    assert (kept.best.mode, kept.move) == (Mode.SPOT, False)
    assert begun.gain > 0


def test_the_way_back_from_on_demand() -> None:
    """On demand is left for calm spot as long as the slack pays for it, and not without slack."""
    memory, offers, now_s = calm(("a",))
    back = ask(Task(Mode.ON_DEMAND, None, 8 * HOUR_S, 12 * HOUR_S, 0.0), offers, memory, now_s)
    tight = ask(Task(Mode.ON_DEMAND, None, 8 * HOUR_S, 8.2 * HOUR_S, 0.0), offers, memory, now_s)
    assert back.best.mode is Mode.SPOT
    assert tight.best.mode is Mode.ON_DEMAND


def flickering(gone_s: float) -> tuple[MarketMemory, dict[str, Offer], float]:
    """A cheap pool that is up for an hour in two, gone for so long by now, and a dear one that is always up."""
    memory, ticks = MarketMemory(Prior(), ("cheap", "dear")), 288 + int(gone_s // 600)
    for k in range(ticks):
        up = k < 288 and k % 12 < 6
        offers = {"cheap": Offer(up, 0.6), "dear": Offer(True, 1.2)}
        memory.observe(k * 600.0, offers)
    return memory, offers, (ticks - 1) * 600.0


@pytest.mark.parametrize("left_h", [10.0, 18.0])
@pytest.mark.parametrize("mode", [Mode.IDLE, Mode.ON_DEMAND])
def test_nobody_waits_for_a_pool_both_cheap_and_calm(mode: Mode, left_h: float) -> None:
    """The cheap pool is never calm and the calm one never cheap: with both up, one of them is begun."""
    memory, _, now_s = flickering(0.0)
    offers, now_s = {"cheap": Offer(True, 0.6), "dear": Offer(True, 1.2)}, now_s + 600.0
    memory.observe(now_s, offers)
    assert (
        ask(Task(mode, None, 8 * HOUR_S, left_h * HOUR_S, 0.0), offers, memory, now_s).best.pool is not None
    )


def test_spot_is_not_passed_up_on_the_word_of_a_prior() -> None:
    """With days to spare in a market never seen before, the first pool is begun; a table alone would wait and look."""
    names = ("a", "b", "c")
    memory, offers = MarketMemory(Prior(), names), dict.fromkeys(names, Offer(True, 1.0))
    memory.observe(0.0, offers)
    task = Task(Mode.IDLE, None, 8 * HOUR_S, 18 * HOUR_S, 0.0)
    bold = replace(RULES, wait_margin=0.0)
    assert ask(task, offers, memory, 0.0, bold).best.mode is Mode.IDLE
    assert ask(task, offers, memory, 0.0).best.mode is Mode.SPOT


def test_what_was_seen_takes_the_doubt_away() -> None:
    """A market that was lost again and again is known: there is little left to believe."""
    fresh = MarketMemory(Prior(), ("a",))
    known, _, _ = flickering(0.0)
    assert fresh.outlook(price=1.0).doubt == 1.0
    assert known.outlook(price=1.0).doubt < 0.2


def test_no_spot_above_the_price_on_demand() -> None:
    """What costs more than on demand is no reason to begin it: it is waited out, or the job runs on demand."""
    memory, _, now_s = calm(("a", "b"))
    offers = {"a": Offer(True, 6.0), "b": Offer(True, 6.1)}
    for left_h in (9.0, 16.0):
        task = Task(Mode.IDLE, None, 8 * HOUR_S, left_h * HOUR_S, 0.0)
        assert ask(task, offers, memory, now_s).best.pool is None


def test_a_cheaper_pool_is_waited_for_only_while_it_is_expected_back() -> None:
    """Just gone, it is worth some slack; gone for a day, it is not. Nobody waits for it without slack."""
    memory, offers, now_s = flickering(600.0)
    rich, poor = (Task(Mode.IDLE, None, 8 * HOUR_S, left * HOUR_S, 0.0) for left in (18.0, 9.0))
    assert ask(rich, offers, memory, now_s).best.mode is Mode.IDLE
    assert ask(poor, offers, memory, now_s).best.pool == "dear"
    memory, offers, now_s = flickering(24 * HOUR_S)
    assert ask(rich, offers, memory, now_s).best.pool == "dear"


def test_on_demand_is_no_way_to_wait_for_a_cheaper_pool() -> None:
    """With little slack left, spot at twice the usual price is still cheaper than on demand until the usual is back."""
    memory, offers, now_s = flickering(600.0)
    tight = ask(Task(Mode.ON_DEMAND, None, 8 * HOUR_S, 9 * HOUR_S, 0.0), offers, memory, now_s)
    assert tight.best.pool == "dear"


def test_no_pool_above_the_cap() -> None:
    """`max_price` keeps a pool from being begun, not from being used up."""
    memory, offers, now_s = calm(("a",))
    rules = ChoiceRules(3.0, 720.0, 600.0, max_price=0.9)
    begun = ask(Task(Mode.IDLE, None, 8 * HOUR_S, 12 * HOUR_S, 0.0), offers, memory, now_s, rules)
    assert all(option.mode is not Mode.SPOT for option in begun.options)


def test_a_move_has_to_pay_and_is_capped() -> None:
    """From a pool at 2.4 to one at 0.6: worth it once, and not again within a day."""
    memory, offers, now_s = calm(("a", "b"))
    offers = {"a": Offer(True, 2.4), "b": Offer(True, 0.6)}
    free = Task(Mode.SPOT, "a", 8 * HOUR_S, 16 * HOUR_S, 0.0)
    spent = Task(Mode.SPOT, "a", 8 * HOUR_S, 16 * HOUR_S, 0.0, moves_s=(now_s - HOUR_S,))
    assert ask(free, offers, memory, now_s).move
    assert not ask(spent, offers, memory, now_s).move
    same = {"a": Offer(True, 1.0), "b": Offer(True, 0.99)}
    assert not ask(free, same, memory, now_s).move


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000), st.floats(0.55, 0.97), st.sampled_from([300.0, 600.0, 900.0]), st.integers(1, 3)
)
def test_no_deadline_is_missed_and_no_pool_used_that_is_down(
    seed: int, fraction: float, tick_s: float, pools: int
) -> None:
    """Random markets, storms included: the job is done in time, whatever the estimates say."""
    rng = Random(seed)
    names = tuple("abc"[:pools])
    rules = ChoiceRules(3.0, 720.0, tick_s)
    memory = MarketMemory(Prior(), names)
    work, now, mode, pool, warming = 6 * HOUR_S, 0.0, Mode.IDLE, None, 0.0
    deadline = work / fraction + 2 * tick_s
    ups = dict.fromkeys(names, True)
    table = outlook = None
    while work > 1e-6:
        ups = {name: up if rng.random() > 0.15 else not up for name, up in ups.items()}
        offers = {name: Offer(up, rng.choice((0.9, 1.0, 1.4))) for name, up in ups.items()}
        memory.observe(now, offers)
        if table is None or outlook is None:
            outlook = memory.outlook(price=1.0)
            table = table_for(outlook, rules, horizon_s=deadline, slack_s=deadline - work, several=pools > 1)
        if mode is Mode.SPOT and not ups[str(pool)]:
            mode, pool, warming = Mode.IDLE, None, 0.0
        task = Task(mode, pool, work, deadline - now, warming)
        best = choose(task, offers, memory.phases(now), outlook, table, rules, now).best
        assert best.pool is None or ups[best.pool]
        if (best.mode, best.pool) != (mode, pool) and best.mode is not Mode.IDLE:
            warming = rules.changeover_s
        mode, pool = best.mode, best.pool
        if mode is not Mode.IDLE:
            work -= min(work, max(0.0, tick_s - warming))
            warming = max(0.0, warming - tick_s)
        now += tick_s
    # The last tick may end after the work: its end is not the deadline's business.
    assert now - tick_s <= deadline


def test_a_job_without_slack_runs_on_demand() -> None:
    """The net holds where no estimate helps: no slack at all."""
    memory, offers, now_s = calm(("a",))
    tight = ask(Task(Mode.IDLE, None, 8 * HOUR_S, 8.2 * HOUR_S, 0.0), offers, memory, now_s)
    assert tight.best.mode is Mode.ON_DEMAND
    assert tight.forced


def test_memory_survives_a_restart() -> None:
    """The market's memory, read back, gives the same outlook."""
    memory, _, now_s = calm(("a", "b"))
    again = MarketMemory.restore(Prior(), ("a", "b"), memory.state())
    old, new = memory.outlook(price=1.0), again.outlook(price=1.0)
    assert new.usual_price == pytest.approx(old.usual_price)
    assert again.phases(now_s) == memory.phases(now_s)
    assert again.state() == memory.state()

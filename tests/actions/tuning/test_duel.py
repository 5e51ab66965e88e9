"""Duels: a verdict only where the turns bear it out."""

import random
from math import exp

from hypothesis import given
from hypothesis import strategies as st

from scrimp_actions.tuning.duel import Duel, DuelRules, Verdict, judge
from scrimp_actions.tuning.history import Setting

RULES = DuelRules()


def fight(gain: float, noise: float, seed: int, *, drift: float = 0.0) -> Duel:
    """Turns until the verdict, with a machine that gets busier by `drift` a turn."""
    chance = random.Random(seed)
    duel = Duel(Setting(32), Setting(8))
    while judge(duel, RULES) is Verdict.OPEN:
        level = 100.0 * exp(drift * len(duel.rates) + noise * chance.gauss(0.0, 1.0))
        duel = duel.seen(level * (1.0 + gain if duel.turn == duel.rival else 1.0))
    return duel


def test_a_clear_gain_wins_and_a_loss_loses_at_once() -> None:
    assert judge(fight(0.3, 0.01, 1), RULES) is Verdict.WON
    lost = fight(-0.3, 0.01, 1)
    assert judge(lost, RULES) is Verdict.LOST
    assert len(lost.pairs) == RULES.least_pairs


def test_a_gain_below_the_margin_is_not_worth_a_change() -> None:
    assert judge(fight(0.01, 0.001, 1), RULES) is Verdict.LOST


def test_a_machine_that_gets_busier_does_not_decide() -> None:
    """Each turn is 5 % slower than the one before: base first would win without turns that swap."""
    assert judge(fight(0.3, 0.0, 1, drift=-0.05), RULES) is Verdict.WON
    assert judge(fight(0.0, 0.0, 1, drift=-0.05), RULES) is not Verdict.WON


def test_noise_gives_no_verdict_and_hardly_ever_a_wrong_one() -> None:
    """Of 1,000 duels between equals at 20 % noise a look, fewer wins than twice what the confidence allows."""
    verdicts = [judge(fight(0.0, 0.2, seed), RULES) for seed in range(1000)]
    assert verdicts.count(Verdict.WON) < 2 * 1000 * (1 - RULES.confidence) * 2
    assert verdicts.count(Verdict.UNCLEAR) > 300


@given(st.floats(0.0, 0.5), st.integers(0, 10**6), st.floats(-0.9, 3.0))
def test_a_duel_ends(noise: float, seed: int, gain: float) -> None:
    assert len(fight(gain, noise, seed).pairs) <= RULES.most_pairs

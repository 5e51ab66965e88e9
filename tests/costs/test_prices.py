"""Price vectors: a catalogue made of known prices gives them back, and one that cannot say stays silent."""

import pytest

from scrimp.costs import FitRules, Machine, fit_prices
from scrimp.model.money import Money
from scrimp.model.usage import CPU, GPU, MEMORY

RULES = FitRules()
CORE, GIB, A100 = 0.03, 0.004, 2.5


def machine(name, cores, memory, accelerator="", gpus=0.0, extra=0.0):
    price = cores * CORE + memory * GIB + gpus * A100 + extra
    return Machine(name, cores, memory, Money(price, "USD"), accelerator, gpus)


SHAPES = [machine("c", 4, 8), machine("m", 4, 16), machine("r", 4, 32), machine("m2", 8, 32)]


def test_known_prices_come_back():
    book = fit_prices([*SHAPES, machine("g", 12, 85, "A100", 1), machine("g8", 96, 680, "A100", 8)], RULES)
    assert dict(book.vectors["c"].per_unit_hour) == pytest.approx({CPU: CORE, MEMORY: GIB})
    assert dict(book.vectors["g8"].per_unit_hour) == pytest.approx({CPU: CORE, MEMORY: GIB, GPU: A100})


def test_a_machine_that_the_fit_does_not_explain_has_no_vector():
    odd = machine("odd", 4, 16, extra=5.0)
    book = fit_prices([*SHAPES * 20, odd], RULES)
    assert "odd" not in book.vectors
    assert "m" in book.vectors


def test_one_ratio_of_memory_to_cores_cannot_tell_them_apart():
    alike = [machine(f"m{n}", n, 4 * n) for n in (1, 2, 4, 8)]
    assert not fit_prices(alike, RULES).vectors


def test_currencies_are_fitted_apart():
    euros = [
        Machine(
            f"{one.instance_type}-eu", one.cores, one.memory_gib, Money(one.price_per_hour.amount * 2, "EUR")
        )
        for one in SHAPES
    ]
    book = fit_prices([*SHAPES, *euros], RULES)
    assert book.vectors["c-eu"].currency == "EUR"
    assert book.vectors["c-eu"].per_unit_hour[CPU] == pytest.approx(2 * CORE)
    assert book.vectors["c"].per_unit_hour[CPU] == pytest.approx(CORE)


def test_an_empty_catalogue_prices_nothing():
    assert not fit_prices([], RULES).vectors

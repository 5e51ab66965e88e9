"""Quantities written as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.model.quantities import duration_s, duration_text, quantity
from scrimp.model.types import (
    BYTES,
    COUNT,
    DURATION,
    PER_SECOND,
    RATIO,
    Type,
    money,
    money_per_hour,
    named_type,
)


@pytest.mark.parametrize(
    ("text", "wanted", "value"),
    [
        ("15m", DURATION, 900.0),
        ("2h30m", DURATION, 9000.0),
        ("250ms", DURATION, 0.25),
        ("-1d", DURATION, -86400.0),
        ("16GiB", BYTES, 16 * 2.0**30),
        ("2GB", BYTES, 2e9),
        ("100 MiB/s", named_type("bytes/s", "USD"), 100 * 2.0**20),
        ("$4.20/h", money_per_hour("USD"), 4.2),
        ("$24/d", money_per_hour("USD"), 1.0),
        ("€3", money("EUR"), 3.0),
        ("-$3", money("USD"), -3.0),
        ("CHF 2", money("CHF"), 2.0),
        ("80%", RATIO, 0.8),
        ("10_000", COUNT, 10_000.0),
        ("5/s", PER_SECOND, 5.0),
    ],
)
def test_reads_every_unit(text: str, wanted: Type, value: float) -> None:
    assert quantity(text, wanted) == value


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("15", DURATION),
        ("m", DURATION),
        ("€3", money("USD")),
        ("$3", money_per_hour("USD")),
        ("$3/h", money("USD")),
        ("80%", COUNT),
        ("16GX", BYTES),
        ("", COUNT),
        ("1e400", COUNT),
        ("nan", COUNT),
        ("inf", RATIO),
    ],
)
def test_refuses_what_is_no_such_quantity(text: str, wanted: Type) -> None:
    """A wrong unit must become unknown, never a number of something else."""
    assert quantity(text, wanted) is None


@given(st.integers(min_value=1, max_value=10**9))
def test_duration_text_is_read_back(seconds: int) -> None:
    assert duration_s(duration_text(seconds)) == seconds

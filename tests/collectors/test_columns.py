"""Values of a source as columns: what cannot be is unknown."""

import pytest

from scrimp.api import FieldSpec
from scrimp.collectors.columns import column
from scrimp.model.types import COUNT, RATIO


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (0.0, True),
        (1.0, True),
        (1.0 + 1e-9, True),
        (1.02, False),
        (-0.01, False),
        (50.0, False),
        (None, False),
    ],
)
def test_a_value_beyond_its_bounds_is_unknown(value: float | None, *, known: bool) -> None:
    """A share of 50 was meant as a percentage, or misread: nobody may act on it. Rounding is no mistake."""
    found, wrong = column(FieldSpec("busy", RATIO, "How busy.", minimum=0.0, maximum=1.0), [value])
    assert found.valid.tolist() == [known]
    assert wrong == ([] if known or value is None else [0])


def test_a_field_without_bounds_takes_any_number() -> None:
    found, wrong = column(FieldSpec("level", COUNT, "Any."), [-1e300, 1e300])
    assert (found.valid.tolist(), wrong) == ([True, True], [])

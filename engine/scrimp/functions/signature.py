"""A function of the language as declared: its name, family, doc and examples. Kernels live with evaluation."""

from typing import Literal

from msgspec import Struct


class Function(Struct, frozen=True):
    """One function.

    `family`: `scalar` functions work on values, `window` functions on the samples of a field (`F(field) over D`), and
    `aggregate` functions on the rows of another kind. `least` and `most` bound the number of arguments of a scalar.
    """

    name: str
    family: Literal["scalar", "window", "aggregate"]
    doc: str
    example: str
    least: int = 1
    most: int | None = 1

"""Where a piece of text stands: a file's text, and spans within it."""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate

from msgspec import Struct


class Span(Struct, frozen=True, order=True):
    """A half-open range `[start, end)` of character offsets in one `Source`."""

    start: int
    end: int

    def to(self, other: "Span") -> "Span":
        """The smallest span that covers both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


class Place(Struct, frozen=True):
    """A position for people: line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one file, with the path under which the user knows it."""

    path: str
    text: str
    line_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lines = self.text.split("\n")
        object.__setattr__(
            self, "line_starts", tuple(accumulate((len(one) + 1 for one in lines[:-1]), initial=0))
        )

    def place(self, offset: int) -> Place:
        """The line and column of a character offset."""
        line = bisect_right(self.line_starts, offset)
        return Place(line, offset - self.line_starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """The text of a line (from 1), without its line break."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r")

    def slice(self, span: Span) -> str:
        """The text under a span."""
        return self.text[span.start : span.end]

"""Stacked bars as SVG, by hand: the few things that a static page of costs needs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 960, 280
LEFT, BOTTOM, TOP = 64, 28, 10
GAP = 0.18  # of a bar's place


@dataclass(frozen=True, slots=True)
class Stack:
    """One bar: its label, and what is stacked in it from the bottom, each with the class that colours it."""

    label: str
    parts: tuple[tuple[str, float], ...]

    @property
    def height(self) -> float:
        """All of it that is positive."""
        return sum(max(value, 0.0) for _, value in self.parts)


def bars(stacks: Sequence[Stack], currency: str) -> str:
    """The chart; each bar says its figures when it is pointed at."""
    top = _round_up(max((one.height for one in stacks), default=0.0))
    drawn = [_axis(top, currency)]
    place = (WIDTH - LEFT) / max(len(stacks), 1)
    every = max(1, math.ceil(len(stacks) / 10))
    for at, stack in enumerate(stacks):
        x = LEFT + at * place
        drawn.append(_bar(stack, x + place * GAP / 2, place * (1 - GAP), top, currency))
        if at % every == 0:
            drawn.append(
                f'<text x="{x + place / 2:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(_brief(stack.label))}</text>'
            )
    inner = "".join(drawn)
    return f'<div class="wide"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="cost over time">{inner}</svg></div>'


def _bar(stack: Stack, x: float, width: float, top: float, currency: str) -> str:
    y, found = float(HEIGHT - BOTTOM), []
    for name, value in stack.parts:
        height = max(value, 0.0) / top * (HEIGHT - BOTTOM - TOP) if top else 0.0
        if height > 0:
            y -= height
            found.append(
                f'<rect class="{name}" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"/>'
            )
    said = ", ".join(f"{name.replace('_', ' ')} {value:,.2f}" for name, value in stack.parts if value)
    return (
        f"<g><title>{escape(stack.label)}: {said or 'nothing'} {escape(currency)}</title>{''.join(found)}</g>"
    )


def _axis(top: float, currency: str) -> str:
    found = []
    for step in range(5):
        value = top * step / 4
        y = HEIGHT - BOTTOM - step / 4 * (HEIGHT - BOTTOM - TOP)
        found.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        text = f"{value:,.0f}" if top >= 20 else f"{value:.3g}"
        found.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return f"<title>in {escape(currency)}</title>{''.join(found)}"


def _round_up(value: float) -> float:
    """The next 1, 2, 4, 6, 8 or 10 of a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)


def _brief(label: str) -> str:
    """A day without its year, an hour without its day."""
    return label[11:16] if "T" in label else label[5:] if len(label) == 10 else label

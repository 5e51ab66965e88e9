"""The cases of `tests/corpus/evaluate`: what expressions give, for the engine and for the naive interpreter."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.evaluate.one import condition, evaluation, policy_set
from tests.naive.interpreter import Naive
from tests.naive.world import NOW_S, Plain, Row, Track, World

from scrimp.config.catalogue import builtin_catalogue
from scrimp.evaluate import at
from scrimp.functions import AGGREGATES, SCALARS, WINDOWS
from scrimp.model.expression import IsKnown

CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "evaluate"
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['says']}")
    for path in sorted(CORPUS.glob("*.yaml"))
    for case in yaml.safe_load(path.read_text())
]


def plain(value: Any) -> Plain:
    """Numbers are floats."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def world(case: dict[str, Any]) -> World:
    """The case's rows and samples."""
    kinds = {
        kind: [
            Row(
                row["name"],
                {key: plain(value) for key, value in row.items() if key not in ("name", "ages", "labels")},
                row.get("ages", {}),
                row.get("labels", {}),
            )
            for row in rows
        ]
        for kind, rows in case["kinds"].items()
    }
    tracks = {}
    for key, rows in case.get("series", {}).items():
        kind, _, name = key.partition(".")
        tracks[kind, name] = Track(
            {
                row: [(NOW_S - 60.0 * (len(v) - 1 - n), plain(x)) for n, x in enumerate(v)]
                for row, v in rows.items()
            }
        )
    return World(kinds, tracks=tracks, partial=frozenset(case.get("partial", ())))


@pytest.mark.parametrize("case", CASES)
def test_cases(case: dict[str, Any]) -> None:
    """Each expression stands alone: under `is known`, which takes any type."""
    seen = world(case)
    for text, expected in case["gives"].items():
        compiled = policy_set(f"target thing when ({text}) is known")
        asked = condition(compiled)
        assert isinstance(asked, IsKnown)
        node = compiled.compiled[0].node(asked).children[0]
        assert node is not None
        result = evaluation(compiled, seen).frame.run(node)
        found = {row.name: at(result, place) for place, row in enumerate(seen.kinds["thing"])}
        assert found == pytest.approx({name: plain(value) for name, value in expected.items()}), text
        naive = {row.name: Naive(seen).value(asked.operand, row) for row in seen.kinds["thing"]}
        assert naive == pytest.approx(found), text


def test_every_function_has_a_case() -> None:
    """A function without a case is a function that nobody looked at."""
    text = {path.stem: path.read_text() for path in CORPUS.glob("*.yaml")}
    for family, functions in (("scalar", SCALARS), ("window", WINDOWS), ("aggregate", AGGREGATES)):
        for name in functions:
            assert f"{name}(" in text[family], f"{family} {name}"


@pytest.mark.parametrize(
    "function",
    [*SCALARS.values(), *WINDOWS.values(), *AGGREGATES.values()],
    ids=lambda one: f"{one.family} {one.name}",
)
def test_the_example_of_a_function_is_valid(function: Any) -> None:
    """Hints and the reference page show it."""
    compiled = policy_set(
        f"target node_group when ({function.example}) is known", catalogue=builtin_catalogue()
    )
    assert len(compiled.compiled) == 1

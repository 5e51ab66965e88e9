"""The options of the collector `tuning`: one list in the schema, and the code goes by it."""

import json
from importlib.resources import files
from math import exp

import pytest

from scrimp_actions.tuning import Goal
from scrimp_actions.tuning.collector import LIVE, options_of
from scrimp_actions.tuning.session import Pace

SCHEMA = json.loads(files("scrimp_schemas").joinpath("config.schema.json").read_text("utf-8"))
OPTIONS = {
    name: spec
    for name, spec in SCHEMA["$defs"]["tuning"]["properties"].items()
    if name not in ("type", "deadline", "interval")
}


def flat(config: dict[str, float]) -> dict[str, float | None]:
    pace, care, fresh_s, reserve_bytes = options_of(config)
    return {
        "look_s": pace.look_s,
        "look_batches": pace.look_batches,
        "full": pace.full,
        "fresh_s": fresh_s,
        "least_gain": pace.rules.margin,
        "cool_s": pace.cool_s,
        "growth": care.max_growth,
        "probe_reserve": pace.probe_reserve,
        "memory_reserve_bytes": reserve_bytes,
        "drift": exp(pace.drift.shift) - 1.0,
        "half_life_s": care.half_life_s,
    }


def test_what_the_schema_calls_a_default_is_one() -> None:
    assert flat({}) == pytest.approx({name: spec["default"] for name, spec in OPTIONS.items()})
    assert options_of({}) == (Pace(), LIVE, 10.0, Goal().memory_reserve_bytes)


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_changes_its_own_figure_only(name: str) -> None:
    value = 0.5 if OPTIONS[name].get("maximum") == 1 else OPTIONS[name]["default"] * 2
    changed = {key: now for key, now in flat({name: value}).items() if now != flat({})[key]}
    assert changed == pytest.approx({name: value})


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("value", [-1, "3", None, True, float("nan")])
def test_what_cannot_be_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be a number"):
        options_of({name: value})

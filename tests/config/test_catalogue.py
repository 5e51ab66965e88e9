"""The catalogue: what is built in holds together, and a team's own file is read with a place for every mistake."""

import pytest

from scrimp.config.catalogue import builtin_catalogue, team_catalogue
from scrimp.diagnostics import Source
from scrimp.model.catalogue import Catalogue
from scrimp.model.types import COUNT, DURATION, RATIO, money_per_hour

BASE = builtin_catalogue()
TEAM = """\
kinds:
  gpu_queue:
    doc: A queue of audio batches.
    fields:
      depth: {type: count, unit: batches, minimum: 0, doc: Batches that wait.}
      wait: {type: duration, doc: Mean time that a batch waits.}
      price: {type: money/h, doc: What its workers cost.}
  job:
    fields:
      snr: {type: ratio, minimum: 0, maximum: 1, doc: Share of clean audio.}
"""


def read(text: str) -> tuple[Catalogue | None, list[tuple[str, int, int, str, str]]]:
    catalogue, found = team_catalogue(Source("catalog.yaml", text), BASE)
    places = []
    for one in found:
        assert one.source is not None
        assert one.span is not None
        place = one.source.place(one.span.start)
        places.append((one.code, place.line, place.column, one.message, one.hint))
    return catalogue, places


def test_every_kind_of_the_design_is_built_in():
    """Policies in the docs, and the providers, count on these names."""
    wanted = {"fleet", "node", "node_group", "job", "operation", "pool", "volume", "spot_market", "budget"}
    assert set(BASE.kinds) == wanted
    assert [kind.name for kind in BASE.kinds.values() if kind.singleton] == ["fleet"]


@pytest.mark.parametrize("kind", BASE.kinds.values(), ids=lambda kind: kind.name)
def test_built_in_fields_are_documented_and_bounded_by_law(kind):
    """The reference page and the checks are made of these."""
    assert {"name", "labels"} <= set(kind.fields)
    for field in kind.fields.values():
        assert field.doc.endswith("."), field.name
        if field.minimum is not None or field.maximum is not None:
            assert field.type.is_number
        if field.name.endswith("utilization") and kind.name not in ("pool", "volume"):
            assert (field.minimum, field.maximum) == (0.0, 1.0)


def test_money_is_in_the_currency_of_the_configuration():
    """A team that pays in euro compares with `€5/h`."""
    catalogue = builtin_catalogue("EUR")
    assert catalogue.currency == "EUR"
    assert catalogue.kinds["job"].fields["cost_rate"].type == money_per_hour("EUR")


def test_a_team_adds_kinds_and_fields():
    """New kinds have `name` and `labels`, too; kinds that are there keep their fields."""
    catalogue, found = read(TEAM)
    assert found == []
    assert catalogue is not None
    queue = catalogue.kinds["gpu_queue"]
    assert set(queue.fields) == {"name", "labels", "depth", "wait", "price"}
    assert (queue.fields["depth"].type, queue.fields["wait"].type) == (COUNT, DURATION)
    assert queue.fields["price"].type == money_per_hour("USD")
    job = catalogue.kinds["job"]
    assert set(job.fields) == {*BASE.kinds["job"].fields, "snr"}
    assert (job.fields["snr"].type, job.fields["snr"].maximum) == (RATIO, 1.0)
    assert catalogue.kinds["node"] == BASE.kinds["node"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kinds: [", [("SCR401", 1, 8)]),
        ("kinds: 5", [("SCR403", 1, 8)]),
        ("", [("SCR403", 1, 1)]),
        ("kind: {}", [("SCR403", 1, 1), ("SCR402", 1, 1)]),
        ("kinds:\n  q:\n    fields: {a: {type: count, doc: A.}}", [("SCR403", 3, 5)]),
        ("kinds:\n  Q-1: {doc: A., fields: {}}", [("SCR403", 2, 3)]),
        ("kinds:\n  job: {doc: A., fields: {a: {type: count, doc: A.}}}", [("SCR402", 2, 9)]),
        ("kinds:\n  job: {fields: {state: {type: count, doc: A.}}}", [("SCR403", 2, 18)]),
        ("kinds:\n  job: {fields: {a: {type: percent, doc: A.}}}", [("SCR403", 2, 28)]),
        ("kinds:\n  job: {fields: {a: {type: labels, doc: A.}}}", [("SCR403", 2, 28)]),
        ("kinds:\n  job: {fields: {a: {type: string, doc: A., minimum: 0}}}", [("SCR403", 2, 45)]),
        ("kinds:\n  job: {fields: {a: {type: ratio, doc: A., minimum: low}}}", [("SCR403", 2, 53)]),
        ("kinds:\n  job: {fields: {a: {type: ratio, doc: A., max: 1}}}", [("SCR402", 2, 44)]),
        ("kinds:\n  job: {fields: {a: 5, b: {doc: A.}}}", [("SCR403", 2, 21), ("SCR403", 2, 27)]),
        ("kinds:\n  q: {doc: A., singleton: 1, fields: {}}", [("SCR403", 2, 27)]),
    ],
)
def test_mistakes_are_found_in_their_place(text, found):
    """A catalogue that is half right would leave policies without a field, for a reason nobody sees."""
    catalogue, places = read(text)
    assert catalogue is None
    assert sorted(place[:3] for place in places) == sorted(found)


def test_a_wrong_type_is_told_with_the_one_that_was_meant():
    """The types are few, and one letter off is the usual mistake."""
    _, ((*_, message, hint),) = read("kinds:\n  job: {fields: {a: {type: duraton, doc: A.}}}")
    assert (message, hint) == ("there is no type `duraton`", "did you mean `duration`?")

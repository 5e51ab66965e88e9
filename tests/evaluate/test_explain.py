"""Why a condition is true, false or unknown: the sentences that people read and the values beside them."""

from dataclasses import replace

import pytest
from tests.evaluate.one import evaluation, policy_set
from tests.naive.world import NOW_S, Row, Track, World

from scrimp.evaluate import Explanation, explain

SAMPLES = {"a": [(NOW_S - 60.0 * n, 0.08) for n in range(14, -1, -1)]}
ROW = Row("a", {"size": 10.0, "busy": False, "age": 420.0, "price": 4.2, "tier": "batch"})
WORLD = World({"thing": [ROW]}, tracks={("thing", "load"): Track(SAMPLES)})


def explained(when: str, world: World = WORLD, more: str = "", place: int = 0, *others: str) -> Explanation:
    """The `when` of one policy for the first row."""
    compiled = policy_set(*others, f"target thing when {when} {more}")
    one = compiled.compiled[-1]
    return explain(one, evaluation(compiled, world).frame, one.policy.when.expression, place)


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("avg(load) over 15m < 15%", "avg(load) over 15m = 8% < 15%"),
        ("avg(load) over 15m < 15% and size > 2", "avg(load) over 15m = 8% < 15% and size = 10 > 2"),
        ("size > 20 or age > 5m", "age = 7m > 5m"),
        ("size > 20 and age > 5m", "size = 10 > 20"),
        ("not busy", "busy = false"),
        ("price <= $4.20/h", "price = $4.20/h <= $4.20/h"),
        ('tier in ["batch", "dev"]', 'tier = "batch" in ["batch", "dev"]'),
        ("size / 4 > 2", "size / 4 = 2.5 > 2"),
    ],
)
def test_a_reason_is_what_the_answer_rests_on(when: str, reason: str) -> None:
    """Of an `or` only what is true, of an `and` that is false only what is false."""
    assert explained(when).reason == reason


def test_values_and_margins_are_in_canonical_units() -> None:
    """Constants are no values; a margin is how far beyond its threshold a value is."""
    found = explained("avg(load) over 15m < 15% and 5m < age and tier == zone")
    assert found.values == {
        "avg(load) over 15m": pytest.approx(0.08),
        "age": 420.0,
        "tier": "batch",
        "zone": None,
    }
    assert [clause.margin for clause in found.clauses] == [pytest.approx(0.07), 120.0, None]
    assert [clause.truth for clause in found.clauses] == [True, True, None]


def test_a_policy_is_explained_in_its_own_words() -> None:
    """Another policy may have written the same computation in another way."""
    found = explained(
        "age > 5m and avg(load) over 15m < 50%",
        WORLD,
        "",
        0,
        "target thing when thing.age > 300s",
        "target thing when avg(thing.load) over 900s < 50.0%",
    )
    assert found.reason == "age = 7m > 5m and avg(load) over 15m = 8% < 50%"
    assert list(found.values) == ["age", "avg(load) over 15m"]


def gone(newest: int, **more: object) -> World:
    """The samples but the newest."""
    return replace(WORLD, tracks={("thing", "load"): Track({"a": SAMPLES["a"][:-newest]}, **more)})


@pytest.mark.parametrize(
    ("when", "world", "more", "cause"),
    [
        ("other > 1", WORLD, "", "no source reports `other`"),
        ("other > 1", World({"thing": [ROW, Row("b", {"other": 1.0})]}), "", "`other` is missing"),
        (
            "size > 1",
            World({"thing": [replace(ROW, ages_s={"size": 420.0})]}),
            "stale after 2m",
            "`size` is 7m old, more than 2m",
        ),
        ("avg(load) over 15m < 15%", gone(5), "", "the newest `load` is 5m old, more than 3m"),
        (
            "avg(load) over 15m < 15%",
            World(WORLD.kinds, tracks={("thing", "load"): Track({"a": SAMPLES["a"][-6:]})}),
            "coverage 80%",
            "less than 80% covered: 6 of 15 samples of `load`",
        ),
        (
            "rate(load) over 1m > 0% / 1s",
            WORLD,
            "",
            "too few for rate: 1 of 1 samples of `load`",
        ),
        ("avg(load) over 15m < 15%", gone(15), "", "`load` has no samples"),
        ("size / (size - 10) > 1", WORLD, "", "`size / (size - 10)` divides by zero"),
        ("count(part where part.hot) == 0", WORLD, "", "no source reports `part`"),
        ('thing["z"].size > 1', WORLD, "", 'there is no thing "z"'),
        ("max(part.weight) > 1", World({**WORLD.kinds, "part": []}), "", "there is no part"),
        (
            "any(part where part.hot)",
            World({**WORLD.kinds, "part": []}, partial=frozenset({"part"})),
            "",
            "a source failed",
        ),
    ],
)
def test_what_is_unknown_says_why(when: str, world: World, more: str, cause: str) -> None:
    """The cause is the one that somebody can do something about."""
    found = explained(when, world, more)
    assert found.truth is None
    assert found.clauses[0].cause == cause
    assert found.reason.endswith(f": {cause}")

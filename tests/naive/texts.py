"""Random conditions as text, and random worlds to ask them of."""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from tests.naive.world import KINDS, NAN, NOW_S, Plain, Row, Track, World

from scrimp.model.types import Base

_TEXTS = ("a", "b", "ab")
_ORDER = ("<", "<=", ">", ">=", "==", "!=")
# Functions whose result over small dyadic samples is the same to the last bit in whatever order it is summed.
EXACT_WINDOWS = ("avg", "min", "max", "sum", "count", "last", "p50", "increase")

numbers = st.integers(-2, 6).map(lambda n: n / 2)


@st.composite
def counts(draw: DrawFn, scope: str, depth: int) -> str:
    """A number without dimension that is no constant; `scope` is `thing`, or `part` within an aggregate."""
    fields = ["thing.size", "thing.other"] if scope == "thing" else ["part.weight"]
    leaves = [*fields, "fleet.depth", 'thing["t1"].size']
    forms = ["leaf", "window"]
    if depth > 0:
        forms += ["arithmetic", "apply", "known"]
        forms += ["aggregate"] * 3 if scope == "thing" else []
    match draw(st.sampled_from(forms)):
        case "window":
            fn = draw(st.sampled_from(EXACT_WINDOWS))
            return f"({fn}({draw(st.sampled_from(leaves))}) over {draw(st.sampled_from(('2m', '5m', '1h')))})"
        case "arithmetic":
            left, right = draw(counts(scope, depth - 1)), draw(counts(scope, depth - 1))
            return f"({left} {draw(st.sampled_from('+-*/'))} {right})"
        case "apply":
            one, other = draw(counts(scope, depth - 1)), draw(counts(scope, depth - 1))
            form = draw(
                st.sampled_from(
                    (
                        "min({0}, {1}, 2)",
                        "max({0}, {1})",
                        "abs({0})",
                        "floor({0})",
                        "ceil({0})",
                        "round({0})",
                        "clamp({0}, 0, 2)",
                    )
                )
            )
            return str(form.format(one, other))
        case "known":
            return f"known({draw(counts(scope, depth - 1))}, else {draw(counts(scope, depth - 1))})"
        case "aggregate":
            fn = draw(st.sampled_from(("count", "sum", "avg", "min", "max")))
            kind, value = draw(st.sampled_from((("part", "part.weight"), ("thing", "thing.other"))))
            where = draw(wheres(kind, depth - 1))
            return f"{fn}({kind if fn == 'count' else value} where {where})"
    return draw(st.sampled_from(leaves))


@st.composite
def wheres(draw: DrawFn, kind: str, depth: int) -> str:
    """Joins and a predicate over the inner rows."""
    if kind == "thing":
        joins = draw(st.lists(st.sampled_from(("thing.zone == zone", "thing.busy == busy")), max_size=2))
        rest = draw(st.sampled_from(("thing.other > 1", "thing.busy", "thing.size >= 0")))
        return " and ".join([*joins, rest])
    own = ("part.owner == thing.name", "part.area == zone", "part.hot == thing.busy", "part.weight == size")
    joins = draw(st.lists(st.sampled_from(own), max_size=2, unique=True))
    rest = [draw(truths("part", depth))] if draw(st.booleans()) or not joins else []
    return " and ".join([*joins, *rest])


@st.composite
def truths(draw: DrawFn, scope: str, depth: int) -> str:
    """A condition."""
    texts = ["thing.tier", "thing.zone", "thing.name", "thing.labels.team"]
    bare = "thing.busy"
    if scope == "part":
        texts, bare = ["part.owner", "part.area", "part.labels.team"], "part.hot"
    forms = ["bare", "compare", "text", "in", "is known"]
    if depth > 0:
        forms += ["not", "and", "or", "or", "and"]
        forms += ["any", "all"] if scope == "thing" else []
    text = draw(st.sampled_from(texts))
    match draw(st.sampled_from(forms)):
        case "compare":
            right = draw(st.one_of(numbers.map(str), counts(scope, 0)))
            return f"({draw(counts(scope, depth - 1))} {draw(st.sampled_from(_ORDER))} {right})"
        case "text":
            ops = ("==", "!=", "starts_with", "ends_with", "contains", "matches")
            return f'({text} {draw(st.sampled_from(ops))} "{draw(st.sampled_from(_TEXTS))}")'
        case "in":
            return f'({text} in ["a", "t1"])'
        case "is known":
            return f"({draw(st.sampled_from([text, bare]))} is known)"
        case "not":
            return f"(not {draw(truths(scope, depth - 1))})"
        case "and" | "or" as op:
            parts = draw(st.lists(truths(scope, depth - 1), min_size=2, max_size=3))
            return f"({f' {op} '.join(parts)})"
        case "any" | "all" as fn:
            return f"{fn}(part where {draw(wheres('part', depth - 1))})"
    return bare


def _values(kind: str) -> SearchStrategy[dict[str, Plain]]:
    drawn: dict[str, SearchStrategy[Plain]] = {}
    for name, spec in KINDS[kind].fields.items():
        if name in ("name", "labels"):
            continue
        if spec.type.base is Base.BOOL:
            drawn[name] = st.sampled_from((True, True, False, False, None))
        elif spec.type.base is Base.STRING:
            drawn[name] = st.sampled_from((*_TEXTS, "t0", "t1", None))
        else:
            drawn[name] = st.one_of(numbers, st.none() if kind == "thing" else numbers)
    return st.fixed_dictionaries(drawn)


@st.composite
def _rows(draw: DrawFn, kind: str, prefix: str, most: int) -> list[Row]:
    found = []
    for place in range(draw(st.integers(0, most))):
        values = draw(_values(kind))
        ages = {name: draw(st.sampled_from((0.0, 0.0, 0.0, 100.0, 200.0))) for name in values}
        labels = draw(st.sampled_from(({}, {"team": "a"}, {"team": "ab"})))
        found.append(Row(f"{prefix}{place}", values, ages, labels))
    return found


@st.composite
def _tracks(draw: DrawFn, rows: list[Row]) -> Track:
    samples = {}
    for row in rows:
        ages = sorted(draw(st.sets(st.sampled_from(range(-60, 420, 30)), max_size=8)), reverse=True)
        samples[row.name] = [(NOW_S - age, draw(st.one_of(numbers, numbers, st.none()))) for age in ages]
    failed = frozenset(row.name for row in rows if draw(st.integers(0, 5)) == 0)
    return Track(samples, draw(st.sampled_from((60.0, 30.0, 7200.0, NAN))), failed)


@st.composite
def worlds(draw: DrawFn) -> World:
    """A few rows of each kind, with gaps; now and then a kind that nobody reported, or only in part."""
    things = draw(_rows("thing", "t", 4))
    kinds = {"thing": things}
    if draw(st.integers(0, 5)):
        kinds["part"] = draw(_rows("part", "p", 4))
    if draw(st.integers(0, 5)):
        kinds["fleet"] = [Row("fleet", {"depth": draw(numbers)})]
    tracks = {}
    for key in (("thing", "size"), ("part", "weight")):
        if key[0] in kinds and draw(st.booleans()):
            tracks[key] = draw(_tracks(kinds[key[0]]))
    partial = frozenset(kind for kind in ("part", "thing") if draw(st.integers(0, 5)) == 0)
    return World(kinds, draw(st.sampled_from((60.0, NAN))), tracks, partial)

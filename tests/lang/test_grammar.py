"""The grammar is sound, and the tables that are shipped are its own."""

import json

from scrimp.lang.grammar import build, dumps
from scrimp.lang.tables import STARTS, digest, load, read_data


def test_grammar_is_strict():
    """Lark's strict mode proves that no two terminals take one text, and LALR(1) that no parse is ambiguous."""
    assert build(read_data("grammar.lark"), strict=True)["rules"]


def test_tables_are_current():
    """The shipped tables are what Lark builds, whatever numbers it gives to states and rules."""
    built, shipped = build(read_data("grammar.lark")), json.loads(read_data("tables.json"))
    assert dumps(shipped) == read_data("tables.json").decode()
    assert (built["words"], built["patterns"]) == (shipped["words"], shipped["patterns"])
    twins: dict[int, int] = {}
    waiting = [(built["starts"][name], shipped["starts"][name]) for name in STARTS]
    while waiting:
        one, other = waiting.pop()
        if one in twins:
            assert twins[one] == other
            continue
        twins[one] = other
        row, twin = (tables["rows"][tables["states"][at]] for tables, at in ((built, one), (shipped, other)))
        assert row.keys() == twin.keys()
        for symbol, action in row.items():
            if action < 0:
                assert built["rules"][-1 - action] == shipped["rules"][-1 - twin[symbol]]
            else:
                waiting.append((action, twin[symbol]))
    assert len(twins) == len(built["states"]) == len(shipped["states"])


def test_tables_name_their_grammar():
    """A changed grammar with old tables is noticed, and not used."""
    assert json.loads(read_data("tables.json"))["grammar"] == digest(read_data("grammar.lark"))


def test_every_start_has_its_states():
    """The parser starts from each kind of statement."""
    assert set(load().starts) == set(load().ends) == set(STARTS)

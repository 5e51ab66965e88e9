"""Lark's part: `grammar.lark` to LALR tables. `python -m scrimp.lang.grammar` writes `tables.json`."""

import json
import sys
from pathlib import Path
from typing import Any

from lark import Lark
from lark.lexer import PatternStr

from scrimp.lang.tables import STARTS, digest, read_data


def build(grammar: bytes, *, strict: bool = False) -> dict[str, Any]:
    """Let Lark build the tables, as plain JSON values. `strict` needs `interegular`, and proves the lexer sound."""
    parser = Lark(grammar.decode(), parser="lalr", start=list(STARTS), strict=strict)
    table = parser.parse_interactive("", start=STARTS[0]).parser_state.parse_conf.parse_table
    rules: list[Any] = []
    numbers: dict[Any, int] = {}
    states: list[dict[str, int]] = [{} for _ in table.states]
    for state, actions in table.states.items():
        for symbol, (action, argument) in sorted(actions.items()):
            if action.name == "Shift":
                states[state][symbol] = int(argument)
                continue
            if argument not in numbers:
                numbers[argument] = len(rules)
                origin = str(argument.origin.name)
                alias = argument.alias
                passes = alias is None and argument.options.expand1 and len(argument.expansion) == 1
                splice = origin.startswith("__")
                rules.append([origin, alias or origin, len(argument.expansion), splice, bool(passes)])
            states[state][symbol] = -1 - numbers[argument]
    rows: list[dict[str, int]] = []
    states_rows = []
    for row in states:  # many states are alike
        if row not in rows:
            rows.append(row)
        states_rows.append(rows.index(row))
    terminals = parser.terminals
    return {
        "grammar": digest(grammar),
        "starts": dict(table.start_states),
        "ends": dict(table.end_states),
        "words": {t.pattern.value: t.name for t in terminals if isinstance(t.pattern, PatternStr)},
        "patterns": {t.name: t.pattern.value for t in terminals if not isinstance(t.pattern, PatternStr)},
        "rules": rules,
        "states": states_rows,
        "rows": rows,
    }


def dumps(stored: dict[str, Any]) -> str:
    """The file's text: one table a line, so that a changed grammar gives a diff that can be skimmed."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in stored.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    target = Path(__file__).with_name("tables.json")
    target.write_text(dumps(build(read_data("grammar.lark"), strict=True)), encoding="utf-8")
    sys.stdout.write(f"wrote {target}\n")

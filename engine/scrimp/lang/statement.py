"""The LALR machine over one statement: it shifts and reduces, and says what it would take next."""

from typing import Any

from scrimp.diagnostics import Span
from scrimp.lang.build import BUILDERS
from scrimp.lang.tables import END, Tables
from scrimp.lang.tokens import Token


class Statement:
    """One statement on its way to a node. Its caller asks `accepts` before each `shift`."""

    def __init__(self, tables: Tables, start: str) -> None:
        self._tables = tables
        self._rows = tables.states
        self._rules = tables.rules
        self._end = tables.ends[start]
        self._stack = [tables.starts[start]]
        self._values: list[Any] = []
        self._spans: list[tuple[int, int]] = []

    def _after(self, stack: list[int], terminal: str) -> list[int] | None:
        """The stack of states after a terminal; None if it is not taken."""
        rows = self._rows
        action = rows[stack[-1]].get(terminal)
        if action is None:
            return None
        stack = stack.copy()
        while action is not None and action < 0:
            rule = self._rules[-1 - action]
            if rule.passes:
                stack[-1] = self._tables.after_chain(stack[-2], stack[-1], terminal)
            else:
                del stack[len(stack) - rule.size :]
                stack.append(rows[stack[-1]][rule.origin])
            if terminal == END and stack[-1] == self._end:
                return stack
            action = rows[stack[-1]].get(terminal)
        if action is None:
            return None
        stack.append(action)
        return stack

    def accepts(self, *terminals: str) -> bool:
        """Whether these terminals, in this order, can come next."""
        if len(terminals) == 1 and self._rows[self._stack[-1]].get(terminals[0], -1) >= 0:
            return True
        stack: list[int] | None = self._stack
        for terminal in terminals:
            stack = self._after(stack, terminal) if stack else None
        return stack is not None

    def expected(self) -> set[str]:
        """All terminals that can come next, `END` among them."""
        return {
            symbol
            for symbol in self._rows[self._stack[-1]]
            if symbol == symbol.upper() and self.accepts(symbol)
        }

    def shift(self, terminal: str, token: Token) -> None:
        """Take a token that is accepted as this terminal."""
        action = self._reduce(terminal)
        self._stack.append(action)
        self._values.append(
            token if token.kind != "WORD" else Token(terminal, token.text, token.start, token.end)
        )
        self._spans.append((token.start, token.end))

    @property
    def took_keyword(self) -> bool:
        """Whether the newest token stands for itself, and is no name that could be another."""
        newest = self._values[-1] if self._values else None
        return isinstance(newest, Token) and newest.kind != "NAME"

    def rename(self, token: Token) -> None:
        """Put another name in the place of the newest token, if nothing was made of it yet."""
        if self._values and isinstance(self._values[-1], Token):
            self._values[-1] = token._replace(kind=self._values[-1].kind)
            self._spans[-1] = (token.start, token.end)

    def finish(self) -> Any:
        """The node; only where `END` is accepted."""
        self._reduce(END)
        return self._values[-1]

    def _reduce(self, terminal: str) -> int:
        rows, stack, values, spans = self._rows, self._stack, self._values, self._spans
        action = rows[stack[-1]][terminal]
        while action < 0:
            rule = self._rules[-1 - action]
            if rule.passes:  # the child stays where it is
                stack[-1] = self._tables.after_chain(stack[-2], stack[-1], terminal)
                if terminal == END and stack[-1] == self._end:
                    return 0
                action = rows[stack[-1]][terminal]
                continue
            first = len(values) - rule.size
            children = values[first:]
            start, end = spans[first][0], spans[-1][1]
            if rule.splice and type(children[0]) is _Spliced:
                longer = children[0]  # taken over as it grows by one: a copy each time would be quadratic
                for child in children[1:]:
                    longer.extend(child if type(child) is _Spliced else (child,))
                children = longer
            elif _Spliced in map(type, children):
                nested = (child if type(child) is _Spliced else (child,) for child in children)
                children = [one for group in nested for one in group]
            if rule.splice:
                value: Any = children if type(children) is _Spliced else _Spliced(children)
            else:
                value = BUILDERS[rule.name](children, Span(start, end))
            del stack[len(stack) - rule.size :], values[first:], spans[first:]
            values.append(value)
            spans.append((start, end))
            stack.append(rows[stack[-1]][rule.origin])
            if terminal == END and stack[-1] == self._end:
                return 0
            action = rows[stack[-1]][terminal]
        return action


class _Spliced(list[Any]):
    """The children of a rule that Lark made for a `*`: they join their parent's."""

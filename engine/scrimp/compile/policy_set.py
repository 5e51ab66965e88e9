"""A checked set of policies made ready to run over columns."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from scrimp.compile.program import Graph, Node, windows_of
from scrimp.model.catalogue import Catalogue
from scrimp.model.expression import Expression
from scrimp.model.policy import ActionCall, CheckedSet, Policy


class CompiledPolicy(Struct, frozen=True, eq=False):
    """A policy with the nodes of its expressions; `position` is its place in the set.

    `nodes` has one entry per expression that the policy holds, by the expression's `id()`, which the checked set keeps alive.
    """

    policy: Policy
    position: int
    nodes: Mapping[int, Node]

    def node(self, expression: Expression) -> Node:
        """The node of one of this policy's own expressions."""
        return self.nodes[id(expression)]


class PolicySet(Struct, frozen=True, eq=False):
    """What `decide` runs.

    `windows` gives, per (kind, field), the longest window in seconds that any policy looks back over; whoever
    drives the engine keeps that much of each in `Snapshot.series`. `distinct` is how many nodes there are.
    """

    checked: CheckedSet
    compiled: tuple[CompiledPolicy, ...]
    windows: Mapping[tuple[str, str], float]
    distinct: int

    @property
    def digest(self) -> str:
        """Names the set in audit records."""
        return self.checked.digest

    @property
    def catalogue(self) -> Catalogue:
        """The kinds and actions that it was checked against."""
        return self.checked.catalogue


def compile_set(checked: CheckedSet) -> PolicySet:
    """Compile all policies into one graph. Never fails: what can be wrong was found by the checks."""
    graph = Graph()
    compiled = []
    windows: dict[tuple[str, str], float] = {}
    for position, policy in enumerate(checked.policies):
        nodes = {}
        for expression in _expressions(policy):
            nodes[id(expression)] = graph.node(
                expression, policy.kind, policy.stale_s, float(policy.coverage)
            )
            for window in windows_of(expression):
                key = (window.field.kind, window.field.name)
                windows[key] = max(windows.get(key, 0.0), window.over_s)
        compiled.append(CompiledPolicy(policy, position, nodes))
    return PolicySet(checked, tuple(compiled), windows, len(graph))


def _expressions(policy: Policy) -> Iterator[Expression]:
    """Every expression that a policy runs."""
    if policy.where is not None:
        yield policy.where
    yield policy.when.expression
    if policy.undo is not None:
        yield policy.undo.expression
    yield from policy.guards.ensure
    yield from policy.guards.halt
    yield from policy.guards.save
    calls: list[ActionCall] = list(policy.do)
    if policy.blind is not None:
        calls.append(policy.blind.action)
    if policy.on_failure is not None:
        calls.append(policy.on_failure)
    for call in calls:
        yield from call.args.values()

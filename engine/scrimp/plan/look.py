"""How planning sees a snapshot: fields, expressions and reasons for one row, or for a row as it will be."""

from collections.abc import Mapping

import numpy as np

from scrimp.compile import CompiledPolicy, PolicySet
from scrimp.evaluate import Evaluation, Explanation, Frame, PolicyEvaluation, at, column_of, explain, fresh
from scrimp.model.decision import Value
from scrimp.model.expression import Expression
from scrimp.model.policy import Condition, Policy
from scrimp.plan.predict import Changes, Prediction, alone, looks_around


class Look:
    """The snapshot under an evaluation, row by row; columns are computed once and shared."""

    def __init__(self, policies: PolicySet, evaluation: Evaluation) -> None:
        self.frame = evaluation.frame
        self._compiled: dict[str, CompiledPolicy] = {one.policy.name: one for one in policies.compiled}
        self._targets = {one.policy.name: one for one in evaluation.policies}
        self._populations: dict[str, frozenset[str]] = {}
        self._prediction = Prediction(self.frame.snapshot)
        ensures = (one for policy in policies.checked.policies for one in policy.guards.ensure)
        self._around = any(looks_around(one) for one in ensures)

    def field(self, policy: Policy, name: str, row: int) -> Value:
        """A field of one row of the policy's kind, by its `stale`; `None` where it is unknown."""
        table = self.frame.table(policy.kind)
        column = column_of(table, name) if table is not None else None
        if column is None or not fresh(column, policy.stale_s)[row]:
            return None
        if column.words or column.values.dtype == np.int32:
            return column.words[int(column.values[row])]
        value = column.values[row]
        return bool(value) if column.values.dtype == np.bool_ else float(value)

    def labels(self, kind: str, row: int) -> Mapping[str, str]:
        """The label map of one row."""
        table = self.frame.table(kind)
        if table is None:
            return {}
        return {
            key: column.words[int(column.values[row])]
            for key, column in table.labels.items()
            if column.valid[row]
        }

    def value(
        self, policy: Policy, expression: Expression, row: int, changed: Changes, *, ahead: bool = False
    ) -> Value:
        """An expression of the policy for one row, with some of its fields replaced; `None` where it is unknown.

        `ahead`: other rows count as they will be, too, after what was admitted before.
        """
        frame, row = self._predicted(policy, expression, row, changed, ahead=ahead)
        return at(frame.run(self._compiled[policy.name].node(expression)), row)

    def describe(
        self, policy: Policy, expression: Expression, row: int, changed: Changes, *, ahead: bool = False
    ) -> str:
        """An expression of type bool for people: `size = 1 >= 2`."""
        frame, row = self._predicted(policy, expression, row, changed, ahead=ahead)
        return explain(self._compiled[policy.name], frame, expression, row).reason

    def explain(self, policy: Policy, condition: Condition, row: int) -> Explanation:
        """Why a condition is true, false or unknown for one row."""
        return explain(self._compiled[policy.name], self.frame, condition.expression, row)

    def why_unknown(self, found: PolicyEvaluation, row: int) -> str:
        """Why a row's verdict is unknown where its condition is not to blame."""
        policy = found.policy
        where = policy.where
        if where is not None and self.value(policy, where, row, {}) is None:
            return self.describe(policy, where, row, {})
        if found.frozen:
            return "the policy is frozen: its condition is unknown on some target"
        return ""

    def matching(self, policy: Policy) -> frozenset[str]:
        """The targets in a policy's population now."""
        if policy.name not in self._populations:
            found = self._targets.get(policy.name)
            names: frozenset[str] = frozenset()
            if found is not None:
                inside = np.broadcast_to(found.population, (len(found.names),))
                names = frozenset(f"{policy.kind}/{found.names[row]}" for row in np.flatnonzero(inside))
            self._populations[policy.name] = names
        return self._populations[policy.name]

    def admit(self, policy: Policy, row: int, changed: Changes) -> None:
        """From here on, an `ensure` about other rows sees this one as it will be."""
        if self._around:
            self._prediction.admit(policy.kind, row, changed)

    def _predicted(
        self, policy: Policy, expression: Expression, row: int, changed: Changes, *, ahead: bool
    ) -> tuple[Frame, int]:
        """A frame in which the row alone stands for its kind, with its fields as they will be."""
        around = ahead and looks_around(expression)
        if not changed and not (around and not self._prediction.empty):
            return self.frame, row
        table = self.frame.table(policy.kind)
        assert table is not None
        seen = self._prediction.snapshot(policy.kind, row, changed) if around else self.frame.snapshot
        return Frame(seen, self.frame.now_s, outer=alone(table, row, changed)), 0

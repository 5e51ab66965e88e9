"""Tests of policies: rows, series and expectations, typed like the policies themselves."""

from collections.abc import Mapping
from datetime import UTC, datetime

from scrimp.check.actions import fits
from scrimp.check.expressions import Typer
from scrimp.check.hints import near
from scrimp.check.policies import Scope
from scrimp.diagnostics import Span
from scrimp.lang import ast
from scrimp.model.catalogue import KindSpec
from scrimp.model.expression import Const
from scrimp.model.policy import Policy
from scrimp.model.testing import (
    CheckedTest,
    Expectation,
    Expected,
    ExpectedNo,
    ExpectedNothing,
    ExpectedSaving,
    Expecting,
    Sampled,
)
from scrimp.model.types import LABELS, STRING, Type

BECAUSE = ("for", "cooldown", "unknown", "guard", "limit", "overridden", "approval", "condition")
_MAX_TICKS = 100_000


def check_test(test: ast.Test, scope: Scope, policies: Mapping[str, Policy]) -> CheckedTest | None:
    """One test, typed; `None` where it has errors, all of them reported."""
    policy = policies.get(test.policy.value)
    if policy is None:
        scope.report.error(
            "SCR224",
            f"unknown policy `{test.policy.value}`",
            test.policy.span,
            hint=near(test.policy.value, policies) or "name its file or its folder, too",
        )
        return None
    return _Checker(test, scope, policy).check()


class _Checker:
    def __init__(self, test: ast.Test, scope: Scope, policy: Policy) -> None:
        self.test = test
        self.scope = scope
        self.report = scope.report
        self.policy = policy
        self.kinds = scope.catalogue.kinds
        self.typer = Typer(scope.report, scope.catalogue, scope.names, self.kinds[policy.kind])
        self.values = Typer(scope.report, scope.catalogue, scope.names, None)

    def check(self) -> CheckedTest | None:
        """All steps, then the test if nothing is wrong."""
        before = len(self.report.found)
        start_s, every_s = self._start()
        givens = self._givens()
        series = self._series()
        ticks = max((len(samples) for samples in series.values()), default=0)
        expecting, restarts = self._expecting(), self._restarts()
        at = [one.at_s for one in expecting if one.at_s is not None]
        end_s = (ticks - 1) * every_s if ticks else max(at, default=0.0)
        for one in expecting:
            if one.at_s is None or not every_s:  # without a step, `start` was reported
                continue
            if one.at_s > end_s:
                self._error(
                    "SCR231", "the series end before this", one.span, f"the last tick is at {end_s:g}s"
                )
            elif one.at_s % every_s:
                self._error(
                    "SCR231", "there is no tick at this time", one.span, f"ticks are {every_s:g}s apart"
                )
        if not any(isinstance(step, ast.At | ast.Always) for step in self.test.steps):
            self._error(
                "SCR232",
                f"test `{self.test.title.value}` expects nothing that could fail",
                self.test.title.span,
                "add `at 10m expect …`",
            )
        if every_s and end_s / every_s > _MAX_TICKS:
            self._error("SCR235", f"more than {_MAX_TICKS} ticks", self.test.title.span, "")
        if len(self.report.found) != before:
            return None
        return CheckedTest(
            policy=self.policy.name,
            title=self.test.title.value,
            start_s=start_s,
            every_s=every_s,
            givens=givens,
            series=series,
            expecting=tuple(expecting),
            restarts_s=restarts,
            end_s=end_s,
            source=self.report.source,
            span=self.test.span,
        )

    def _error(self, code: str, message: str, span: Span, hint: str) -> None:
        self.report.error(code, message, span, hint=hint)

    def _start(self) -> tuple[float, float]:
        found = [step for step in self.test.steps if isinstance(step, ast.Start)]
        if len(found) != 1:
            self._error(
                "SCR235",
                "a test has one `start`",
                self.test.title.span,
                '`start "2026-03-03T09:00Z" every 1m`',
            )
            return 0.0, 0.0
        start = found[0]
        if start.every.value <= 0:
            self._error("SCR221", "ticks must be some time apart", start.every.span, "such as `every 1m`")
            return 0.0, 0.0
        try:
            at = datetime.fromisoformat(start.at.value)
        except ValueError:
            self._error(
                "SCR235", f"`{start.at.value}` is no time", start.at.span, "such as `2026-03-03T09:00Z`"
            )
            return 0.0, float(start.every.value)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return at.timestamp(), float(start.every.value)

    # ---- rows ----

    def _kind(self, name: str, span: Span) -> KindSpec | None:
        kind = self.kinds.get(name)
        if kind is None:
            self._error("SCR202", f"unknown kind `{name}`", span, near(name, self.kinds))
        return kind

    def _field(self, kind: KindSpec, parts: tuple[str, ...], span: Span) -> tuple[str, Type] | None:
        spec = kind.fields.get(parts[0])
        if spec is not None and spec.type == LABELS and len(parts) == 2:
            return f"labels.{parts[1]}", STRING
        if spec is None or len(parts) != 1 or spec.type == LABELS or spec.name == "name":
            self._error(
                "SCR201",
                f"unknown field `{'.'.join(parts)}` of `{kind.name}`",
                span,
                near(parts[0], kind.fields),
            )
            return None
        return spec.name, spec.type

    def _value(self, expr: ast.Expr, wanted: Type) -> Const | None:
        found = self.values.constant(expr)
        if found is not None and found.type != wanted:
            self.report.error("SCR204", f"`{found.text}` is no {wanted}", expr.span, note=str(found.type))
            return None
        return found

    def _givens(self) -> dict[tuple[str, str], dict[str, Const]]:
        givens: dict[tuple[str, str], dict[str, Const]] = {}
        for step in self.test.steps:
            if not isinstance(step, ast.Given):
                continue
            kind = self._kind(step.kind.value, step.kind.span)
            if kind is None:
                continue
            row = givens.setdefault((kind.name, step.name.value), {})
            for ref, expr in step.values:
                field = self._field(kind, ref.parts, ref.span)
                value = self._value(expr, field[1]) if field else None
                if field is not None and value is not None:
                    row[field[0]] = value
        return givens

    def _series(self) -> dict[tuple[str, str, str], tuple[Sampled, ...]]:
        series: dict[tuple[str, str, str], tuple[Sampled, ...]] = {}
        for step in self.test.steps:
            if not isinstance(step, ast.SeriesStep):
                continue
            parts = step.field.parts
            qualified = len(parts) > 1 and parts[0] in self.kinds
            kind = self.kinds[parts[0]] if qualified else self.kinds[self.policy.kind]
            field = self._field(kind, parts[1:] if qualified else parts, step.field.span)
            if field is None:
                continue
            if sum(run.repeat for run in step.samples) > _MAX_TICKS:
                self._error("SCR235", f"more than {_MAX_TICKS} samples", step.field.span, "")
                continue
            samples = tuple(one for run in step.samples for one in self._run(run, field[1]))
            for row in step.rows:
                series[kind.name, row.value, field[0]] = samples
        return series

    def _run(self, run: ast.SampleRun, wanted: Type) -> list[Sampled]:
        if isinstance(run.value, str):
            return [Sampled(None, stale=run.value == "stale")] * run.repeat
        value = self._value(run.value, wanted)
        step = self._value(run.step, wanted) if run.step is not None else None
        if value is None or (step is None and run.step is not None):
            return []
        if step is None:
            return [Sampled(value.value)] * run.repeat
        if not wanted.is_number:
            self.report.error("SCR205", f"`{value.text}` cannot rise", value.span, note=str(wanted))
            return []
        return [Sampled(float(value.value) + place * float(step.value)) for place in range(run.repeat)]

    # ---- expectations ----

    def _restarts(self) -> tuple[float, ...]:
        return tuple(float(step.at.value) for step in self.test.steps if isinstance(step, ast.Restart))

    def _expecting(self) -> list[Expecting]:
        found = []
        for step in self.test.steps:
            if isinstance(step, ast.At | ast.Always):
                what = self._expectation(step.expect)
                if what is not None:
                    at_s = float(step.at.value) if isinstance(step, ast.At) else None
                    found.append(Expecting(at_s, what, self.report.source.slice(step.span), step.span))
        return found

    def _expectation(self, expect: ast.Expectation) -> Expectation | None:
        match expect:
            case ast.ExpectAction():
                return self._action(expect.action)
            case ast.ExpectNothing():
                because = expect.because.value if expect.because else None
                if because is not None and because not in BECAUSE and expect.because is not None:
                    hint = near(because, BECAUSE) or f"one of {', '.join(BECAUSE)}"
                    self._error("SCR233", f"unknown cause `{because}`", expect.because.span, hint)
                    return None
                return ExpectedNothing(because)
            case ast.ExpectNo():
                if not self._proposes(expect.action):
                    return None
                where = self.typer.truth(expect.where) if expect.where is not None else None
                return ExpectedNo(expect.action.value, where)
            case ast.ExpectSaving():
                amount = self.values.constant(expect.amount)
                if amount is None or amount.type.dimension != (-1, 0, 1):
                    self._error("SCR204", "a saving is money an hour", expect.amount.span, "such as `$5/h`")
                    return None
                if amount.type.currency != self.scope.catalogue.currency:
                    message = f"`{amount.text}` is not in {self.scope.catalogue.currency}"
                    self._error("SCR209", message, expect.amount.span, "use that currency")
                    return None
                return ExpectedSaving(expect.op, amount)

    def _action(self, call: ast.ActionCall) -> Expected | None:
        if not self._proposes(call.name):
            return None
        params = {param.name: param for param in self.scope.catalogue.actions[call.name.value].params}
        args: dict[str, Const] = {}
        for arg in call.args:
            value = self.values.constant(arg.value)
            if arg.name.value not in params:
                self._error(
                    "SCR213",
                    f"`{call.name.value}` has no parameter `{arg.name.value}`",
                    arg.name.span,
                    near(arg.name.value, params),
                )
            elif value is not None and fits(params[arg.name.value], value, self.values):
                args[arg.name.value] = value
        return Expected(call.name.value, args)

    def _proposes(self, name: ast.Word) -> bool:
        """Whether the policy, or its undo, can come to this action."""
        calls = [*self.policy.do, *((self.policy.blind.action,) if self.policy.blind else ())]
        possible = {call.spec.name for call in calls}
        if self.policy.undo is not None:
            possible |= {call.spec.inverse for call in calls if call.spec.inverse}
        if name.value in possible:
            return True
        hint = near(name.value, possible) or f"it comes to {', '.join(sorted(possible))}"
        code = "SCR234" if name.value in self.scope.catalogue.actions else "SCR203"
        what = (
            f"`{self.policy.name}` never comes to `{name.value}`"
            if code == "SCR234"
            else f"unknown action `{name.value}`"
        )
        self._error(code, what, name.span, hint)
        return False

"""Policies: each clause once, those required present, defaults filled in."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from scrimp.check.actions import check_action
from scrimp.check.expressions import Names, Typer
from scrimp.check.facts import resolved
from scrimp.check.hints import ONE_CURRENCY, near
from scrimp.check.hours import EXAMPLE, parse_hours
from scrimp.check.report import Report
from scrimp.diagnostics import did_you_mean
from scrimp.lang import ast, expression_text
from scrimp.model.catalogue import Catalogue, Direction, KindSpec
from scrimp.model.decision import Mode
from scrimp.model.expression import Expression
from scrimp.model.policy import (
    APPROVAL_DEFAULT_S,
    COOLDOWN_DEFAULT_S,
    COVERAGE_DEFAULT,
    PRIORITY_DEFAULT,
    ActionCall,
    Allowance,
    Blind,
    Calendar,
    Condition,
    Cooldown,
    During,
    Guards,
    Limit,
    Policy,
)
from scrimp.model.types import BOOL

_Clause = TypeVar("_Clause", bound=ast.Clause)
_WORDS: Mapping[type, str] = {
    ast.Text: "description",
    ast.Owner: "owner",
    ast.Mode: "mode",
    ast.Priority: "priority",
    ast.Target: "target",
    ast.When: "when",
    ast.Do: "do",
    ast.OnFailure: "on failure",
    ast.Undo: "undo when",
    ast.Cooldowns: "cooldown",
    ast.Unknown: "unknown",
    ast.Stale: "stale",
    ast.Coverage: "coverage",
    ast.Approvers: "approvers",
    ast.Guard: "guard",
}


class Scope(Struct, frozen=True):
    """What the policies of one file may refer to."""

    report: Report
    catalogue: Catalogue
    names: Names
    allowances: Mapping[str, Allowance]
    calendars: Mapping[str, Calendar | str]


def check_policy(policy: ast.Policy, scope: Scope) -> Policy | None:
    """One policy, checked; `None` where it has errors, all of them reported."""
    return _Checker(policy, scope).check()


def check_limit(limit: ast.Limit, scope: Scope) -> Limit | None:
    """One limit of a guard or an allowance."""
    report = scope.report
    units = {"actions": "count", "targets": "ratio", "capacity": "money/h"}
    examples = {"actions": "3 actions", "targets": "10% of targets", "capacity": "$100/h of capacity"}
    split = limit.of == "actions" and limit.amount.value.denominator != 1
    if limit.amount.unit != units[limit.of] or split:
        report.error(
            "SCR227",
            f"`{limit.amount.text}` is no amount of {limit.of}",
            limit.amount.span,
            hint=f"such as `limit {examples[limit.of]} per 1h`",
        )
        return None
    if limit.amount.currency and limit.amount.currency != scope.catalogue.currency:
        report.error(
            "SCR209",
            f"`{limit.amount.text}` is not in {scope.catalogue.currency}",
            limit.amount.span,
            hint=ONE_CURRENCY,
        )
        return None
    if limit.per.value <= 0:
        report.error("SCR221", "a limit counts over some time", limit.per.span, hint="such as `per 1h`")
        return None
    shown = {"actions": f"{limit.amount.text} actions"}.get(limit.of, f"{limit.amount.text} of {limit.of}")
    text = f"{shown} per {limit.per.text}" + (f" per {limit.scope}" if limit.scope else "")
    return Limit(limit.amount.value, limit.of, float(limit.per.value), limit.scope or "policy", text)


class _Checker:
    def __init__(self, policy: ast.Policy, scope: Scope) -> None:
        self.policy = policy
        self.scope = scope
        self.report = scope.report
        self.fine = True

    def check(self) -> Policy | None:
        """All clauses, then the policy if nothing is wrong."""
        before = len([one for one in self.report.found if one.severity.value == "error"])
        target = self.one(ast.Target)
        when, do = self.one(ast.When), self.one(ast.Do)
        required = (
            (target, "target", "target node_group where size > 2"),
            (when, "when", "when avg(gpu_utilization) over 15m < 15% for 10m"),
            (do, "do", "do scale_down(by = 20%)"),
        )
        for clause, what, example in required:
            if clause is None:
                self.report.error(
                    "SCR207",
                    f"policy `{self.policy.name.value}` has no `{what}`",
                    self.policy.name.span,
                    hint=f"such as `{example}`",
                )
        if target is None:
            return None
        kind = self.scope.catalogue.kinds.get(target.kind.value)
        if kind is None:
            self.report.error(
                "SCR202",
                f"unknown kind `{target.kind.value}`",
                target.kind.span,
                hint=near(target.kind.value, self.scope.catalogue.kinds)
                or f"kinds are {', '.join(self.scope.catalogue.kinds)}",
            )
            kind = self._meant(target.kind.value)  # so that all else that is wrong is told, too
        if kind is None:
            return None
        typer = Typer(self.report, self.scope.catalogue, self.scope.names, kind)
        built = self._build(target, when, do, typer)
        after = len([one for one in self.report.found if one.severity.value == "error"])
        return built if before == after else None

    def _meant(self, word: str) -> KindSpec | None:
        near_kind = did_you_mean(word, self.scope.catalogue.kinds)
        return self.scope.catalogue.kinds[near_kind] if near_kind else None

    def one(self, kind: type[_Clause]) -> _Clause | None:
        """The only clause of a class; more than one is an error."""
        found = [clause for clause in self.policy.clauses if isinstance(clause, kind)]
        for again in found[1:]:
            self.report.error(
                "SCR208", f"`{_WORDS[kind]}` stands here a second time", again.span, hint="keep one of them"
            )
        return found[0] if found else None

    def _build(
        self, target: ast.Target, when: ast.When | None, do: ast.Do | None, typer: Typer
    ) -> Policy | None:
        policy = self.policy
        where = typer.truth(target.where) if target.where is not None else None
        condition = self._condition(when.condition, when.hold, typer) if when is not None else None
        actions = [check_action(call, typer) for call in (do.actions if do is not None else ())]
        known = tuple(action for action in actions if action is not None)
        undo = self._undo(known if do is not None and len(known) == len(actions) else None, typer)
        failure = self.one(ast.OnFailure)
        on_failure = check_action(failure.action, typer) if failure else None
        unknown = self.one(ast.Unknown)
        stale, coverage, approvers = self.one(ast.Stale), self.one(ast.Coverage), self.one(ast.Approvers)
        if coverage is not None and (coverage.value.unit != "ratio" or coverage.value.value > 1):
            self.report.error("SCR221", "coverage is a share, up to `100%`", coverage.value.span)
            coverage = None
        description, owner, mode = self.one(ast.Text), self.one(ast.Owner), self.one(ast.Mode)
        for missing, what in ((description, "description"), (owner, "owner")):
            if missing is None:
                self.report.warning("SCR304", f"policy `{policy.name.value}` has no {what}", policy.name.span)
        guards = self._guards(typer)
        blind = self._blind(unknown, typer)
        allowances = tuple(self._allowances())
        cooldowns = self._cooldowns()
        priority = self._priority()
        if condition is None or do is None or len(known) != len(actions):
            return None
        return Policy(
            name=policy.name.value,
            description=description.value if description else "",
            owner=owner.value.value if owner else "",
            mode=Mode[mode.value.upper()] if mode else Mode.DRY_RUN,
            priority=priority,
            kind=target.kind.value,
            where=where,
            when=condition,
            do=known,
            on_failure=on_failure,
            undo=undo,
            cooldowns=cooldowns,
            on_unknown=unknown.value if unknown else "hold",
            blind=blind,
            stale_s=float(stale.after.value) if stale else None,
            coverage=coverage.value.value if coverage else COVERAGE_DEFAULT,
            allowances=allowances,
            approvers=tuple(name.value for name in approvers.names) if approvers else (),
            approval_s=float(approvers.within.value)
            if approvers and approvers.within
            else APPROVAL_DEFAULT_S,
            guards=guards,
            source=self.report.source,
            span=policy.span,
            digest=self._digest(allowances, guards),
        )

    def _undo(self, actions: Sequence[ActionCall] | None, typer: Typer) -> Condition | None:
        """`undo when`; `actions` are those of `do`, `None` where one of them is wrong."""
        clause = self.one(ast.Undo)
        if clause is None:
            return None
        for action in actions or ():
            if action.spec.writes is not None and action.spec.inverse is None:
                self.report.error("SCR220", f"`{action.spec.name}` cannot be undone", clause.span)
        if actions is not None and not any(action.spec.writes for action in actions):
            hint = "no action here writes anything: leave the clause out"
            self.report.error("SCR220", "there is nothing to undo", clause.span, hint=hint)
        return self._condition(clause.condition, clause.hold, typer)

    def _digest(self, allowances: Sequence[str], guards: Guards) -> str:
        """Names what the policy does: its text, and what the names in it stand for."""
        text = self.report.source.slice(self.policy.span)
        words = set(re.findall(r"\w+", text))
        told = [text]
        for name, value in sorted(self.scope.names.constants.items()):
            if name in words:
                told.append(f"{name} = {value.value} {value.type}")
        for name in allowances:
            limits = self.scope.allowances[name].limits if name in self.scope.allowances else ()
            told.extend(f"{name}: {limit.text}" for limit in limits)
        told.extend(repr(one.hours) for one in guards.during if isinstance(one.hours, Calendar))
        return digest("\n".join(told))

    def _condition(self, expr: ast.Expr, hold: ast.Hold | None, typer: Typer) -> Condition | None:
        found = typer.truth(expr)
        if found is None:
            return None
        for_s = float(hold.duration.value) if hold else 0.0
        tolerating_s = float(hold.tolerating.value) if hold and hold.tolerating else 0.0
        told = f"{expression_text(expr)} | {resolved(found)} | {for_s} | {tolerating_s}"
        return Condition(found, for_s, tolerating_s, digest(told))

    def _priority(self) -> int:
        clause = self.one(ast.Priority)
        if clause is None:
            return PRIORITY_DEFAULT
        if clause.value.unit != "count" or not 0 <= clause.value.value <= 100:
            self.report.error(
                "SCR221",
                "priority is a number from 0 to 100",
                clause.value.span,
                hint="50 if left out; more wins",
            )
            return PRIORITY_DEFAULT
        return int(clause.value.value)

    def _cooldowns(self) -> tuple[Cooldown, ...]:
        clause = self.one(ast.Cooldowns)
        if clause is None:
            return (Cooldown(COOLDOWN_DEFAULT_S, "target"),)
        return tuple(Cooldown(float(entry.duration.value), entry.scope) for entry in clause.entries)

    def _blind(self, clause: ast.Unknown | None, typer: Typer) -> Blind | None:
        if clause is None or clause.after is None or clause.action is None:
            return None
        action = check_action(clause.action, typer)
        if action is None:
            return None
        if action.spec.direction in (Direction.REDUCE, Direction.BY_SIGN):
            self.report.error(
                "SCR218",
                f"`{action.spec.name}` takes something away, and must not act blind",
                clause.action.span,
                hint="only restoring and neutral actions may act on an unknown condition",
            )
            return None
        return Blind(float(clause.after.value), action)

    def _allowances(self) -> Iterator[str]:
        for clause in self.policy.clauses:
            if isinstance(clause, ast.UsesAllowance):
                if clause.name.value not in self.scope.allowances:
                    self.report.error(
                        "SCR224",
                        f"unknown allowance `{clause.name.value}`",
                        clause.name.span,
                        hint=near(clause.name.value, self.scope.allowances),
                    )
                yield clause.name.value

    def _guards(self, typer: Typer) -> Guards:
        clause = self.one(ast.Guard)
        ensure: list[Expression] = []
        halt: list[Expression] = []
        save: list[Expression] = []
        during: list[During] = []
        limits: list[Limit] = []
        payback_s = None
        for entry in clause.entries if clause else ():
            match entry:
                case ast.Ensure():
                    ensure.extend(_there(typer.truth(entry.condition)))
                case ast.Halt():
                    halt.extend(_there(typer.truth(entry.condition)))
                case ast.Save():
                    save.extend(self._save(entry, typer))
                case ast.Payback():
                    payback_s = float(entry.within.value)
                case ast.During():
                    during.extend(self._during(entry))
                case ast.Limit():
                    found = check_limit(entry, self.scope)
                    if found is not None:
                        limits.append(found)
        return Guards(tuple(ensure), tuple(halt), tuple(during), tuple(save), payback_s, tuple(limits))

    def _save(self, entry: ast.Save, typer: Typer) -> Iterator[Expression]:
        found = typer.type(entry.least)
        if found is None:
            return
        if not (found.type.ratio or found.type.dimension == (-1, 0, 1)):
            self.report.error(
                "SCR205",
                f"`{found.text}` is no saving",
                entry.least.span,
                note=str(found.type),
                hint="write money an hour, `$2/h`, or a share of the cost rate, `20%`",
            )
        elif found.type.money and found.type.currency != self.scope.catalogue.currency:
            self.report.error(
                "SCR209",
                f"`{found.text}` is not in {self.scope.catalogue.currency}",
                found.span,
                hint=ONE_CURRENCY,
            )
        else:
            yield found

    def _during(self, entry: ast.During) -> Iterator[During]:
        if entry.calendar:
            yield from self._calendar(entry)
            return
        hours = parse_hours(entry.window.value)
        if isinstance(hours, str):
            self.report.error(
                "SCR222", "these are no hours", entry.window.span, hint=hours, note=f'such as "{EXAMPLE}"'
            )
        else:
            yield During(entry.only, hours)

    def _calendar(self, entry: ast.During) -> Iterator[During]:
        name, known = entry.window.value, self.scope.calendars
        found = known.get(name)
        if isinstance(found, Calendar):
            yield During(entry.only, found)
        elif found is None:
            hint = near(name, known) or (
                f'`use calendar "{name}.ics"` at the head of the file, or name it in `calendars` of scrimp.yaml'
            )
            self.report.error("SCR224", f"unknown calendar `{name}`", entry.window.span, hint=hint)
        else:
            self.report.error("SCR228", f"cannot use calendar `{name}`: {found}", entry.window.span)


def digest(text: str) -> str:
    """A short digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _there(found: Expression | None) -> tuple[Expression, ...]:
    assert found is None or found.type == BOOL
    return () if found is None else (found,)

"""A set of files checked together."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from msgspec.structs import replace

from scrimp.check.expressions import Names, Typer
from scrimp.check.hints import ONE_CURRENCY
from scrimp.check.meaning import check_meaning
from scrimp.check.pairs import check_overlaps
from scrimp.check.policies import Scope, check_limit, check_policy
from scrimp.check.report import Report
from scrimp.check.silence import silence
from scrimp.check.swings import check_swings
from scrimp.check.tests import check_test
from scrimp.check.uses import Uses, used_by
from scrimp.diagnostics import Diagnostic, Label, Severity, has_errors
from scrimp.lang import ast
from scrimp.model.catalogue import Catalogue
from scrimp.model.expression import Const
from scrimp.model.policy import Allowance, CheckedSet, Policy
from scrimp.model.quantities import quantity
from scrimp.model.testing import CheckedTest
from scrimp.model.types import BOOL, STRING, named_type

Overrides = Mapping[str, str | float | bool]


def check_files(
    files: Sequence[ast.PolicyFile],
    catalogue: Catalogue,
    overrides: Overrides | None = None,
    *,
    uses: Uses | None = None,
    today: date | None = None,
) -> tuple[CheckedSet | None, tuple[Diagnostic, ...]]:
    """All policies, allowances, parameters and tests of a set of files.

    Constants belong to their file; everything else to the set. `overrides` are values for parameters, from
    `scrimp.yaml`; `uses` reads the catalogues and calendars that files use; `today` decides which `disable` comments are due (`None`: none). Gives `None` if there is any
    error; all findings are in the order of the files.
    """
    return _Set(files, catalogue, overrides or {}, uses, today).check()


class _Set:
    def __init__(
        self,
        files: Sequence[ast.PolicyFile],
        catalogue: Catalogue,
        overrides: Overrides,
        uses: Uses | None,
        today: date | None,
    ) -> None:
        self.files = files
        self.catalogue = catalogue
        self.overrides = overrides
        self.uses = uses
        self.today = today
        self.reports = [Report(file.source) for file in files]
        self.params: dict[str, Const] = {}
        self.used: set[str] = set()
        self.allowances: dict[str, Allowance] = {}

    def check(self) -> tuple[CheckedSet | None, tuple[Diagnostic, ...]]:
        """Names first, then what uses them."""
        self._duplicates()
        used = used_by(tuple(self._each()), self.catalogue, self.uses)
        self.catalogue = used.catalogue
        if not used.whole:  # without the team's own kinds, half of what policies say would seem wrong
            return None, (*used.found, *(one for report in self.reports for one in report.found))
        for file, report in self._each():
            for item in file.items:
                if isinstance(item, ast.Param):
                    self._param(item, report)
        scopes = []
        for file, report in self._each():
            constants = {**self.params, **self._constants(file, report)}
            names = Names(constants, self.used, self._declared(file) - set(constants))
            scopes.append(Scope(report, self.catalogue, names, self.allowances, used.calendars))
            for item in file.items:
                if isinstance(item, ast.Allowance):
                    limits = [check_limit(limit, scopes[-1]) for limit in item.limits]
                    self.allowances[item.name.value] = Allowance(
                        item.name.value, tuple(limit for limit in limits if limit is not None)
                    )
        policies = self._policies(scopes)
        tests = self._tests(scopes, policies)
        self._unused(scopes)
        self._hiding()
        if not any(has_errors(report.found) for report in self.reports):
            reports = {report.source: report for report in self.reports}
            pairs = [(policy, reports[policy.source]) for policy in policies]
            check_overlaps(pairs, self.catalogue)
            check_swings(pairs, self.catalogue)
        found = tuple(
            diagnostic
            for file, report in self._each()
            for diagnostic in sorted(
                silence(file, report.found, self.today), key=lambda one: one.span.start if one.span else 0
            )
        )
        if has_errors(found):
            return None, found
        name = hashlib.sha256("|".join(f"{p.name}={p.digest}" for p in policies).encode())
        for param, value in sorted(self.params.items()):
            name.update(f"|{param}={value.value}".encode())
        return (
            CheckedSet(
                tuple(policies),
                self.allowances,
                self.params,
                name.hexdigest()[:16],
                self.catalogue,
                tuple(tests),
            ),
            found,
        )

    def _each(self) -> Iterator[tuple[ast.PolicyFile, Report]]:
        yield from zip(self.files, self.reports, strict=True)

    def _duplicates(self) -> None:
        seen: dict[tuple[str, str], tuple[Report, ast.Word]] = {}
        params = {
            item.name.value for file in self.files for item in file.items if isinstance(item, ast.Param)
        }
        for file, report in self._each():
            for item in file.items:
                if isinstance(item, ast.Const) and item.name.value in params:
                    message = f"`{item.name.value}` is a parameter, too"
                    report.error("SCR206", message, item.name.span, hint="choose another name")
                elif isinstance(item, ast.Policy | ast.Allowance | ast.Param | ast.Const):
                    group = "policy" if isinstance(item, ast.Policy) else "name"
                    place = f"{group}:{file.source.path}" if isinstance(item, ast.Const) else group
                    key = (place, item.name.value)
                    first = seen.setdefault(key, (report, item.name))
                    if first[1] is not item.name:
                        labels = (Label(first[1].span, "first here"),) if first[0] is report else ()
                        where = "" if first[0] is report else f", first in {first[0].source.path}"
                        report.error(
                            "SCR206",
                            f"`{item.name.value}` is there twice{where}",
                            item.name.span,
                            labels=labels,
                            hint="choose another name, or remove one of them",
                        )

    def _param(self, item: ast.Param, report: Report) -> None:
        typer = Typer(report, self.catalogue, Names({}), None)
        wanted = named_type(item.type.value, self.catalogue.currency)
        default = typer.constant(item.default)
        bounds = tuple(typer.constant(bound) for bound in item.within or ())
        if wanted is None:
            report.error(
                "SCR205",
                f"unknown type `{item.type.value}`",
                item.type.span,
                hint="such as `ratio`, `money/h`",
            )
            return
        for value in (default, *bounds):
            if value is not None and value.type != wanted:
                if replace(value.type, currency=None) == replace(wanted, currency=None):
                    message = f"`{value.text}` is not in {self.catalogue.currency}"
                    report.error("SCR209", message, value.span, hint=ONE_CURRENCY)
                    return
                report.error(
                    "SCR204",
                    f"`{value.text}` is no {item.type.value}",
                    value.span,
                    note=str(value.type),
                )
                return
        if default is None or None in bounds:
            return
        value = self._overridden(item, default, report)
        known = [bound for bound in bounds if bound is not None]
        if known and not wanted.is_number:
            report.error("SCR205", f"a {wanted} has no bounds", known[0].span, hint="leave `within` out")
            return
        if known and _number(known[0]) > _number(known[1]):
            hint = "write the least first: `within [1, 10]`"
            report.error(
                "SCR219", "nothing is within these bounds", known[0].span.to(known[1].span), hint=hint
            )
            return
        if known and not (_number(known[0]) <= _number(value) <= _number(known[1])):
            said = ", from the configuration," if item.name.value in self.overrides else ""
            report.error(
                "SCR219",
                f"`{item.name.value}` = {value.text}{said} is not within [{known[0].text}, {known[1].text}]",
                item.name.span if said else value.span,
            )
        self.params[item.name.value] = value

    def _overridden(self, item: ast.Param, default: Const, report: Report) -> Const:
        name = item.name.value
        if name not in self.overrides:
            return default
        given = self.overrides[name]
        value: float | bool | str | None = given
        if isinstance(given, str) and default.type not in (STRING, BOOL):
            value = quantity(given, default.type)
        elif isinstance(given, int | float) and not isinstance(given, bool):
            value = float(given)
        if value is None or type(value) is not type(default.value):
            report.error(
                "SCR219", f"`{given}` from the configuration is no {item.type.value}", item.name.span
            )
            return default
        return Const(default.type, str(given), default.span, value)

    def _constants(self, file: ast.PolicyFile, report: Report) -> dict[str, Const]:
        found: dict[str, Const] = {}
        before = frozenset(self._declared())
        for item in file.items:
            if isinstance(item, ast.Const):
                known = {**self.params, **found}
                names = Names(known, self.used, before - set(known))
                before |= {item.name.value}
                typer = Typer(report, self.catalogue, names, None)
                value = typer.constant(item.value)
                if value is not None:
                    found[item.name.value] = value
        return found

    def _declared(self, own: ast.PolicyFile | None = None) -> frozenset[str]:
        """The names of all parameters, and of the constants of one file."""
        params = {
            item.name.value for file in self.files for item in file.items if isinstance(item, ast.Param)
        }
        constants = {item.name.value for item in (own.items if own else ()) if isinstance(item, ast.Const)}
        return frozenset(params | constants)

    def _policies(self, scopes: Sequence[Scope]) -> list[Policy]:
        policies = []
        for file, scope in zip(self.files, scopes, strict=True):
            for item in file.items:
                if isinstance(item, ast.Policy):
                    checked = check_policy(item, scope)
                    if checked is not None:
                        check_meaning(checked, self.catalogue, scope.report)
                        policies.append(checked)
        return policies

    def _tests(self, scopes: Sequence[Scope], policies: Sequence[Policy]) -> list[CheckedTest]:
        by_name = {policy.name: policy for policy in policies}
        wrong = {
            item.name.value for file in self.files for item in file.items if isinstance(item, ast.Policy)
        } - set(by_name)
        tests = []
        for file, scope in zip(self.files, scopes, strict=True):
            for item in file.items:
                if isinstance(item, ast.Test) and item.policy.value not in wrong:
                    checked = check_test(item, scope, by_name)
                    if checked is not None:
                        tests.append(checked)
        return tests

    def _unused(self, scopes: Sequence[Scope]) -> None:
        shared = {
            clause.name.value
            for _, clause in self._clauses(self.files)
            if isinstance(clause, ast.UsesAllowance)
        }
        for file, scope in zip(self.files, scopes, strict=True):
            if any(one.severity is Severity.ERROR for one in scope.report.found):
                continue
            for item in file.items:
                known = shared if isinstance(item, ast.Allowance) else self.used
                if isinstance(item, ast.Const | ast.Param | ast.Allowance) and item.name.value not in known:
                    scope.report.warning("SCR301", f"`{item.name.value}` is never used", item.name.span)

    def _clauses(self, files: Sequence[ast.PolicyFile]) -> Iterator[tuple[ast.Policy, ast.Clause]]:
        for file in files:
            for item in file.items:
                if isinstance(item, ast.Policy):
                    yield from ((item, clause) for clause in item.clauses)

    def _targets(self, files: Sequence[ast.PolicyFile]) -> set[str]:
        kinds = {clause.kind.value for _, clause in self._clauses(files) if isinstance(clause, ast.Target)}
        return kinds & self.catalogue.kinds.keys()

    def _hiding(self) -> None:
        """Constants and parameters that have the name of a field of a kind that policies of their reach look at."""
        everywhere = self._targets(self.files)
        for file, report in self._each():
            here = self._targets((file,))
            for item in file.items:
                if not isinstance(item, ast.Const | ast.Param):
                    continue
                for kind in sorted(here if isinstance(item, ast.Const) else everywhere):
                    if item.name.value in self.catalogue.kinds[kind].fields:
                        report.warning(
                            "SCR302",
                            f"`{item.name.value}` hides the field of `{kind}`",
                            item.name.span,
                            hint=f"choose another name; `{kind}.{item.name.value}` still means the field",
                        )


def _number(value: Const) -> float:
    return float(value.value)

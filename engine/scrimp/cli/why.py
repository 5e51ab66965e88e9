"""`scrimp why`: why a policy does, or does not, act on a target."""

import time
from pathlib import Path

import click

from scrimp.cli._app import ExitCode
from scrimp.cli._screen import show
from scrimp.cli._session import open_session
from scrimp.collectors import load_snapshot, snapshot_currency
from scrimp.daemon import remembered
from scrimp.diagnostics import did_you_mean
from scrimp.evaluate import Frame, explain
from scrimp.model.decision import Mode
from scrimp.model.expression import Expression
from scrimp.plan import Settings, decide


@click.command()
@click.argument("policy")
@click.argument("target")
@click.option("--snapshot", required=True, type=click.Path(path_type=Path), help="A recorded snapshot.")
@click.option(
    "--policies", type=click.Path(path_type=Path), multiple=True, help="Files or folders of policies."
)
def command(policy: str, target: str, snapshot: Path, policies: tuple[Path, ...]) -> None:
    """Each clause of POLICY for TARGET with its value, truth and margin, and the first blocker.

    TARGET is `kind/name`, or the name alone.
    """
    session = open_session(policies, snapshot_currency(snapshot))
    seen, findings = load_snapshot(snapshot, session.catalogue)
    show(findings)
    if seen is None:
        raise click.exceptions.Exit(ExitCode.WRONG)
    compiled = next((one for one in session.policies.compiled if one.policy.name == policy), None)
    if compiled is None:
        _unknown("policy", policy, [one.policy.name for one in session.policies.compiled])
        return
    kind = compiled.policy.kind
    name = target.removeprefix(f"{kind}/")
    table = seen.tables.get(kind)
    if table is None or name not in table.rows:
        _unknown(kind, name, table.names if table else ())
        return
    frame, row = Frame(seen, seen.at_s), table.rows[name]
    parts: list[tuple[str, Expression | None]] = [
        ("target where", compiled.policy.where),
        ("when", compiled.policy.when.expression),
    ]
    for title, expression in parts:
        if expression is not None:
            click.echo(title)
            for clause in explain(compiled, frame, expression, row).clauses:
                truth = "unknown" if clause.truth is None else str(clause.truth).lower()
                margin = "" if clause.margin is None else f", margin {clause.margin:g}"
                cause = f": {clause.cause}" if clause.cause else ""
                click.echo(f"  {truth:<8}{'not ' if clause.negated else ''}{clause.shown}{margin}{cause}")
    least = session.config.mode_cap if session.config.mode_cap is not None else Mode.ENFORCE
    ledger = remembered(session.config, time.time)
    plan = decide(session.policies, seen, ledger, seen.at_s, Settings(least))
    decision = next(
        (one for one in plan.decisions() if one.policy == policy and one.target == f"{kind}/{name}"), None
    )
    verdict = f"{decision.verdict.value}: {decision.reason}" if decision else "false: nothing is proposed"
    click.echo(f"verdict\n  {verdict}")


def _unknown(what: str, name: str, options: tuple[str, ...] | list[str]) -> None:
    near = did_you_mean(name, options)
    hint = f"; did you mean {near}?" if near else ""
    click.echo(f"error: there is no {what} {name}{hint}", err=True)
    raise click.exceptions.Exit(ExitCode.WRONG)

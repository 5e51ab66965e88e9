"""What the audit log says of a policy and a target up to an instant."""

from collections.abc import Iterator
from datetime import UTC, datetime

from scrimp.cli._app import Wrong
from scrimp.cli._files import configuration
from scrimp.cli._screen import iso
from scrimp.cli._state import visiting
from scrimp.model.quantities import duration_s
from scrimp.store import Record, read_records


def instant_s(text: str, now_s: float) -> float:
    """Epoch seconds of an RFC 3339 instant (UTC where it names no zone), or of a duration before now."""
    ago_s = duration_s(text)
    if ago_s is not None:
        return now_s - ago_s
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(
            f"`{text}` is no instant such as 2026-11-23T12:00:00Z, and no duration such as `2h`"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def recorded_lines(policy: str, target: str, at_s: float) -> Iterator[str]:
    """The newest decision by then, and what came after it by then."""
    decision, later = _recorded(policy, target, at_s)
    if decision is None and not later:
        raise Wrong(f"nothing is recorded about {policy} and {target} by {iso(at_s)}")
    yield f"{policy}  {target if decision is None else decision['target']}  by {iso(at_s)}"
    if decision is not None:
        values = decision["values"]
        yield "recorded"
        yield f"  record {decision['seq']}, tick {decision['tick']}, policies {_version(decision)}"
        yield "seen"
        for text, value in values["seen"].items():
            yield f"  {text} = {'unknown' if value is None else value}"
        yield "verdict"
        yield f"  {values['verdict']}: {values['reason']}"
        yield "first blocker"
        yield f"  {values['blocker'] or 'none'}"
    if later:
        yield "after that" if decision is not None else "perhaps"
    for record in later:
        yield f"  record {record['seq']}, {record['at']}: {_told(record)}"


def _recorded(policy: str, target: str, at_s: float) -> tuple[Record | None, list[Record]]:
    """The newest decision of its own, and what was noted since: acts, and decisions that many targets share."""
    until = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    decision: Record | None = None
    later: list[Record] = []
    with visiting(configuration().store) as visit:
        for record in read_records(visit.log, policy=policy):
            if record["at"] > until:
                continue
            name = record["target"]
            if name is None:
                later.append(record)
            elif name == target or ("/" not in target and name.partition("/")[2] == target):
                if record["event"] == "decision" and "verdict" in record["values"]:
                    decision, later = record, []
                else:
                    later.append(record)
    return decision, later


def _told(record: Record) -> str:
    values = record["values"]
    if "targets" in values:
        first = values["first"]
        told = f"{values['verdict']} for {values['targets']} targets, perhaps this one"
        return f"{told}; of {first['target']}: {first['reason']}"
    words = (record["event"], record["action"], values.get("outcome"), values.get("detail"))
    return " ".join(str(word) for word in words if word)


def _version(record: Record) -> str:
    git = record["git"]
    if git is None:
        return str(record["policy_hash"])[:12]
    return f"{git['commit'][:12]}{' with changes' if git['dirty'] else ''}"

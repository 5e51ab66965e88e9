"""Control and report as JSON, with strict reading: what does not fit is a `ValueError`, never a half-filled noun."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from scrimp.api import CloudNotice, Control, ProcessId, Report, RunState, Stint, Traits

_T = TypeVar("_T")

CONTROL_FORM = "control/1"
REPORT_FORM = "report/1"


def control_to_json(control: Control) -> dict[str, Any]:
    """The control document."""
    return {
        "scrimp": CONTROL_FORM,
        "revision": control.revision,
        "run_state": control.run_state.value,
        "batch_size": control.batch_size,
        "drain_by_s": control.drain_by_s,
        "resume_by_s": control.resume_by_s,
        "checkpoint_at": control.checkpoint_at,
        "key": control.key,
    }


def control_from_json(found: Mapping[str, Any]) -> Control:
    """Read a control document. Raises `ValueError`."""
    batch_size = _whole(found, "batch_size")
    if batch_size is not None and batch_size < 1:
        raise ValueError("batch_size must be at least 1")
    return Control(
        revision=_need(_whole(found, "revision"), "revision"),
        run_state=RunState(found.get("run_state")),
        batch_size=batch_size,
        drain_by_s=_number(found, "drain_by_s"),
        resume_by_s=_number(found, "resume_by_s"),
        checkpoint_at=_whole(found, "checkpoint_at") or 0,
        key=_text(found, "key") or "",
    )


def report_to_json(report: Report) -> dict[str, Any]:
    """The report document."""
    traits = report.traits
    return {
        "scrimp": REPORT_FORM,
        "at_s": report.at_s,
        "revision": report.revision,
        "run_state": report.run_state.value,
        "items_done": report.items_done,
        "items_per_second": report.items_per_second,
        "batch_size": report.batch_size,
        "latency_s": report.latency_s,
        "latency_p95_s": report.latency_p95_s,
        "memory_bytes": report.memory_bytes,
        "checkpoint": report.checkpoint,
        "checkpointed_at_s": report.checkpointed_at_s,
        "progress": report.progress,
        "waiting": report.waiting,
        "stint": stint_to_json(report.stint),
        "notice": notice_to_json(report.notice),
        "traits": {
            "process": process_to_json(traits.process),
            "operation": traits.operation,
            "critical": traits.critical,
            "checkpointable": traits.checkpointable,
            "memory_limit_bytes": traits.memory_limit_bytes,
            "deadline_at_s": traits.deadline_at_s,
            "device": traits.device,
            "precision": traits.precision,
        },
    }


def report_from_json(found: Mapping[str, Any]) -> Report:
    """Read a report document. Raises `ValueError`."""
    traits = found.get("traits")
    if not isinstance(traits, dict):
        raise ValueError("traits must be an object")  # noqa: TRY004 - one type for a document that does not fit
    return Report(
        at_s=_need(_number(found, "at_s"), "at_s"),
        revision=_need(_whole(found, "revision"), "revision"),
        run_state=RunState(found.get("run_state")),
        items_done=_need(_whole(found, "items_done"), "items_done"),
        items_per_second=_number(found, "items_per_second"),
        batch_size=_whole(found, "batch_size"),
        latency_s=_number(found, "latency_s"),
        latency_p95_s=_number(found, "latency_p95_s"),
        memory_bytes=_whole(found, "memory_bytes"),
        checkpoint=_whole(found, "checkpoint") or 0,
        checkpointed_at_s=_number(found, "checkpointed_at_s"),
        progress=_number(found, "progress"),
        waiting=_whole(found, "waiting"),
        stint=stint_from_json(found.get("stint")),
        notice=notice_from_json(found.get("notice")),
        traits=Traits(
            process=process_from_json(traits.get("process")),
            operation=_text(traits, "operation"),
            critical=_truth(traits, "critical"),
            checkpointable=_truth(traits, "checkpointable"),
            memory_limit_bytes=_whole(traits, "memory_limit_bytes"),
            deadline_at_s=_number(traits, "deadline_at_s"),
            device=_text(traits, "device"),
            precision=_text(traits, "precision"),
        ),
    )


def notice_to_json(notice: CloudNotice | None) -> dict[str, Any] | None:
    """What the cloud told the worker."""
    if notice is None:
        return None
    return {
        "instance": notice.instance,
        "action": notice.action,
        "action_at_s": notice.action_at_s,
        "noticed_at_s": notice.noticed_at_s,
    }


def notice_from_json(found: Any) -> CloudNotice | None:
    """Read it; a report of an older worker has none. Raises `ValueError`."""
    if found is None:
        return None
    if not isinstance(found, dict):
        raise ValueError("notice must be an object")  # noqa: TRY004 - as above
    return CloudNotice(
        _text(found, "instance") or "",
        _need(_text(found, "action"), "action"),
        _number(found, "action_at_s"),
        _need(_number(found, "noticed_at_s"), "noticed_at_s"),
    )


def stint_to_json(stint: Stint | None) -> dict[str, Any] | None:
    """What was done since the batch size last changed."""
    return None if stint is None else asdict(stint)


def stint_from_json(found: Any) -> Stint | None:
    """Read a stint. Raises `ValueError`."""
    if found is None:
        return None
    if not isinstance(found, dict):
        raise ValueError("stint must be an object")  # noqa: TRY004 - as above
    return Stint(
        since_s=_need(_number(found, "since_s"), "since_s"),
        batches=_need(_whole(found, "batches"), "batches"),
        items=_need(_whole(found, "items"), "items"),
        work=_need(_number(found, "work"), "work"),
        busy_s=_need(_number(found, "busy_s"), "busy_s"),
        squares_s2=_need(_number(found, "squares_s2"), "squares_s2"),
        core_s=_need(_number(found, "core_s"), "core_s"),
        errors=_need(_whole(found, "errors"), "errors"),
        joules=_number(found, "joules") or 0.0,
    )


def process_to_json(process: ProcessId | None) -> dict[str, Any] | None:
    """A process's identity."""
    if process is None:
        return None
    return {"pid": process.pid, "started": process.started, "boot": process.boot}


def process_from_json(found: Any) -> ProcessId | None:
    """Read a process's identity. Raises `ValueError`; a pid that could mean more than one process is one."""
    if found is None:
        return None
    if not isinstance(found, dict):
        raise ValueError("process must be an object")  # noqa: TRY004 - as above
    pid = _need(_whole(found, "pid"), "pid")
    if pid < 2:
        raise ValueError("pid must be at least 2")
    started = _need(_whole(found, "started"), "started")
    return ProcessId(pid=pid, started=started, boot=_need(_text(found, "boot"), "boot"))


def _need(value: _T | None, name: str) -> _T:
    if value is None:
        raise ValueError(f"{name} is missing")
    return value


def _number(found: Mapping[str, Any], name: str) -> float | None:
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a number that is not negative")
    return float(value)


def _whole(found: Mapping[str, Any], name: str) -> int | None:
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be a whole number that is not negative")
    return value


def _text(found: Mapping[str, Any], name: str) -> str | None:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} must be a string")
    return value


def _truth(found: Mapping[str, Any], name: str) -> bool | None:
    value = found.get(name)
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")
    return value

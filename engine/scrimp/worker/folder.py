"""The worker channel as a folder: `ROOT/GROUP/JOB/{control,report,checkpoint}.json`.

Documents are replaced whole. A control document changes under a lock between processes, and only if its revision is
the one that was read. A job takes part from the moment it has a control document, which its worker writes on joining.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scrimp.api import Control, Report, Unavailable
from scrimp.worker.documents import (
    CONTROL_FORM,
    REPORT_FORM,
    control_from_json,
    control_to_json,
    report_from_json,
    report_to_json,
)
from scrimp.worker.files import locked, read_document, replace_file

LOCK_WAIT_S = 2.0
FORGOTTEN = "forgotten"  # an empty file: its worker may be at its last batch, and must not bring the job back
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def safe_name(name: str) -> str:
    """The name, if it can be a folder's. Raises `ValueError`."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"`{name}` is not a name: letters, digits, `_`, `-` and `.`, at most 100")
    return name


def split_job(job: str) -> tuple[str, str]:
    """Group and job of `group/job`. Raises `ValueError`."""
    group, slash, name = job.partition("/")
    if not slash:
        raise ValueError(f"`{job}` is not of the form group/job")
    return safe_name(group), safe_name(name)


@dataclass(frozen=True, slots=True)
class FolderChannel:
    """The daemon's side. A missing root is an empty channel; a root or a control document that cannot be read is `Unavailable`."""

    root: Path

    def folder(self, job: str) -> Path:
        """Where the documents of `group/job` lie. Raises `ValueError` for a name that is none."""
        group, name = split_job(job)
        return self.root / group / name

    def jobs(self) -> Sequence[str]:
        """All jobs with a control document, by name."""
        if not self.root.exists():
            return ()
        try:
            found = sorted(f"{path.parent.parent.name}/{path.parent.name}" for path in self._controls())
        except OSError as error:
            raise Unavailable(f"cannot list {self.root}: {error.strerror}") from error
        return tuple(job for job in found if all(_NAME.fullmatch(part) for part in job.split("/")))

    def _controls(self) -> Sequence[Path]:
        groups = [group for group in self.root.iterdir() if group.is_dir()]
        folders = [job for group in groups for job in group.iterdir()]
        return [job / "control.json" for job in folders if (job / "control.json").is_file()]

    def control(self, job: str) -> Control | None:
        """The control document; `None` if the job does not take part. `Unavailable` if it is there and not readable."""
        path = self.folder(job) / "control.json"
        try:
            found = read_document(path, CONTROL_FORM)
            return None if found is None else control_from_json(found)
        except (OSError, ValueError) as error:
            raise Unavailable(f"control document of {job}: {error}") from error

    def write_control(self, job: str, control: Control, *, expected_revision: int) -> bool:
        """Compare and set, durably. False if the job does not take part, or its revision moved.

        The document is written with the revision after `expected_revision`, whatever `control` says.
        """
        folder = self.folder(job)
        if not folder.is_dir():
            return False
        with locked(folder / "lock", deadline_s=LOCK_WAIT_S):
            current = self.control(job)
            if current is None or current.revision != expected_revision:
                return False
            self._put(folder, control, expected_revision + 1)
        return True

    def found(self, job: str, *, over: Control | None = None) -> Control:
        """Make sure that there is a readable control document, and give it: the worker's part on joining.

        One that cannot be read is replaced by `over`, or by the default, with a revision of its own. One that was
        forgotten stays so for a worker that is still at it (`over`), until it joins anew.
        """
        folder = self.folder(job)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot make {folder}: {error.strerror}") from error
        with locked(folder / "lock", deadline_s=LOCK_WAIT_S):
            if over is None:
                (folder / FORGOTTEN).unlink(missing_ok=True)
            elif (folder / FORGOTTEN).exists():
                return over
            try:
                current = self.control(job)
            except Unavailable:
                current = None
            if current is not None:
                return current
            fresh = over or Control()
            return self._put(folder, fresh, fresh.revision + (over is not None))

    def _put(self, folder: Path, control: Control, revision: int) -> Control:
        document = control_to_json(control) | {"revision": revision}
        try:
            replace_file(folder / "control.json", json.dumps(document), durable=True)
        except OSError as error:
            raise Unavailable(f"cannot write the control document of {folder.name}: {error}") from error
        return control_from_json(document)

    def report(self, job: str) -> Report | None:
        """The latest report; `None` if there is none, or what is there is not one. Its age stands in `at_s`."""
        try:
            found = read_document(self.folder(job) / "report.json", REPORT_FORM)
            return None if found is None else report_from_json(found)
        except (OSError, ValueError):
            return None

    def forget(self, job: str) -> None:
        """Take away its control document and its report; checkpoints stay. Raises `Unavailable`."""
        folder = self.folder(job)
        if not folder.is_dir():
            return
        with locked(folder / "lock", deadline_s=LOCK_WAIT_S):  # not while its worker makes sure of a document
            try:
                (folder / FORGOTTEN).touch()
                for name in ("control.json", "report.json"):
                    (folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise Unavailable(f"cannot forget {job}: {error.strerror}") from error

    def write_report(self, job: str, report: Report) -> None:
        """The worker's part. Not brought to the disk: after a crash of the machine the worker is gone too. Raises `OSError`."""
        text = json.dumps(report_to_json(report))
        replace_file(self.folder(job) / "report.json", text, durable=False)

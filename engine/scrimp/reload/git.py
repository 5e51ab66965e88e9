"""The commit that a folder's files came from."""

from pathlib import Path

from msgspec import Struct

WAIT_S = 5.0


class Commit(Struct, frozen=True):
    """`dirty` if files of the folder differ from the commit, or are not in it."""

    id: str
    dirty: bool


def commit_of(path: Path) -> Commit | None:
    """The commit checked out at a folder or file; `None` outside of a repository, or where there is no git."""
    folder = path if path.is_dir() else path.parent
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return None
    status = _git(folder, "status", "--porcelain", "--untracked-files=all", "--", str(path.resolve()))
    return None if status is None else Commit(head.strip(), dirty=bool(status.strip()))


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; `None` if it fails. It takes no lock, and asks nobody anything."""
    import subprocess  # noqa: PLC0415 - only where something is loaded anew, for a fast start of `check`

    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None

"""What holds for every command."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.command import Shell

import scrimp.cli

NAMES = sorted(
    path.stem for path in Path(scrimp.cli.__file__).parent.glob("*.py") if not path.stem.startswith("_")
)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(scrimp: Shell, name: str) -> None:
    """A command that cannot be imported, or says nothing, is of no use."""
    ran = scrimp(name, "--help")
    assert ran.code == 0
    assert len(ran.out.splitlines()) > 4


@pytest.mark.parametrize("name", NAMES)
def test_every_command_refuses_an_unknown_flag(scrimp: Shell, name: str) -> None:
    """Wrong usage is exit code 2, with nothing on stdout."""
    ran = scrimp(name, "--no-such-flag")
    assert (ran.code, ran.out) == (2, "")
    assert "no-such-flag" in ran.err


def test_an_unknown_command_names_the_near_one(scrimp: Shell) -> None:
    """A typo costs one glance."""
    ran = scrimp("chek")
    assert ran.code == 2
    assert "did you mean `check`?" in ran.err


def test_a_closed_pipe_is_silent(folder: Path) -> None:
    """`scrimp … | head` must not end in an error message."""
    (folder / "policies" / "b.scrimp").write_text("policy {\n" * 3000)
    with subprocess.Popen(
        [sys.executable, "-c", "from scrimp.cli import main; main()", "check", "--output", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        process.wait(timeout=30)
    assert (process.returncode, said) == (0, b"")


def test_check_starts_light() -> None:
    """No arrays, no cloud and no drawing for a check: it runs on every save and in every commit."""
    heavy = "('numpy', 'rich', 'pyarrow', 'duckdb', 'httpx', 'jsonschema', 'scipy')"
    script = (
        "import sys; from scrimp.cli._app import run; run(['check', '--help']);"
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"


def test_a_thread_under_way_does_not_spoil_the_end() -> None:
    """The interpreter's own end would tear it out of C++ code, which aborts the process now and then."""
    code = """
import atexit, sys, threading, time
from scrimp.cli import main

def work():
    while True:
        time.sleep(1)

atexit.register(print, "the interpreter ends")
threading.Thread(target=work, daemon=True).start()
sys.argv = ["scrimp", "explain", "SCR204"]
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "SCR204" in ended.stdout
    assert "the interpreter ends" not in ended.stdout

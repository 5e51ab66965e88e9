"""Who may import whom. The table is the architecture; `engine/README.md` says the same in words."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOTS = {"scrimp": ROOT / "engine/scrimp", "scrimp_actions": ROOT / "actions/scrimp_actions"}

CORE = ("diagnostics", "model", "lang", "functions", "check", "compile", "evaluate", "plan", "simulate")

PURE = (*CORE, "costs")

# A room imports the rooms named here and itself; nothing else of scrimp.
ROOMS: dict[str, tuple[str, ...]] = {
    "diagnostics": (),
    "model": ("diagnostics",),
    "lang": ("diagnostics",),
    "functions": ("model",),
    "check": ("diagnostics", "model", "lang", "functions"),
    "compile": ("diagnostics", "model", "functions", "check"),
    "evaluate": ("diagnostics", "model", "functions", "compile"),
    "plan": ("model", "compile", "evaluate"),
    "simulate": ("diagnostics", "model", "lang", "check", "compile", "evaluate", "plan"),
    "api": ("model",),
    "aws": ("api",),
    "collectors": ("api", "worker", "aws", *CORE),
    "execute": ("api", *CORE),
    "store": ("api", *CORE),
    "reload": ("api", *CORE),
    "config": ("api", *CORE),
    "history": ("api", "costs", *CORE),
    "costs": ("model",),
    "reports": ("api", "history", "costs", *CORE),
    "worker": ("api", *CORE),
    "plugins": ("api", "config", *CORE),
    "testing": ("api", *CORE),
    "scrimp_actions": ("api", "aws"),
}
ON_TOP = ("daemon", "cli", "web", "lsp")  # these may import every room; nobody imports cli, web and lsp

# Third-party packages and the rooms that they are at home in.
HOMES: dict[str, tuple[str, ...]] = {
    "lark": ("lang",),
    "msgspec": (
        "diagnostics",
        "lang",
        "model",
        "functions",
        "config",
        "check",
        "compile",
        "simulate",
        "reload",
    ),
    "re2": ("check", "compile"),
    "numpy": (
        "model",
        "functions",
        "compile",
        "evaluate",
        "plan",
        "simulate",
        "collectors",
        "store",
        "costs",
        "history",
        "reports",
        "daemon",
        "scrimp_actions",
    ),
    "scipy": ("scrimp_actions", "costs"),
    "jsonschema": ("config",),
    "yaml": ("config",),
    "watchdog": ("reload",),
    "icalendar": ("config",),
    "dateutil": ("config",),
    "duckdb": ("history",),
    "pyarrow": ("history", "collectors"),
    "httpx": ("collectors", "scrimp_actions"),
    "psutil": ("collectors", "worker", "scrimp_actions"),
    "pynvml": ("collectors",),
    "click": ("cli",),
    "rich": ("cli",),
    "boto3": ("aws",),
    "botocore": ("aws",),
    "kubernetes": ("scrimp_actions", "collectors"),
    "pytest": ("testing",),
}
IMPURE = ("time", "os", "pathlib", "logging", "threading", "subprocess", "socket", "sqlite3", "random")
PURE_EXCEPTIONS = {
    ("lang", "os"),
    ("lang", "pathlib"),  # the grammar's tables are read from the package
    ("diagnostics", "pathlib"),  # so are the pages of `explain`
}
HEAVY_AT_USE = ("boto3", "botocore", "kubernetes")  # imported inside the function that needs them


def modules() -> Iterator[tuple[str, Path]]:
    """Every module with the room it belongs to."""
    for package, folder in ROOTS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            room = package if package == "scrimp_actions" else parts[0]
            if room != "__init__":
                yield room, path


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Full names imported by a module, and whether at its top level."""
    tree = ast.parse(path.read_text())
    inner = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in inner) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                name = f"scrimp.{alias.name}" if node.module == "scrimp" else node.module
                yield name, id(node) not in inner


ALL = [pytest.param(room, path, id=str(path.relative_to(ROOT))) for room, path in modules()]


@pytest.mark.parametrize(("room", "path"), ALL)
def test_rooms_import_only_what_the_table_allows(room: str, path: Path) -> None:
    """One wrong arrow, and the core is no longer pure."""
    if room in ON_TOP:
        return
    allowed = {room, *ROOMS[room]}
    for name, _ in imports(path):
        package, _, rest = name.partition(".")
        if package == "scrimp" and rest:
            assert rest.split(".")[0] in allowed, f"{path.name} imports {name}"
        if package == "scrimp_actions":
            assert room in ("scrimp_actions", "plugins"), f"{path.name} imports {name}"


@pytest.mark.parametrize(("room", "path"), ALL)
def test_third_party_packages_stay_at_home(room: str, path: Path) -> None:
    """A dependency with one home can be replaced in one place."""
    for name, top in imports(path):
        package = name.partition(".")[0]
        if package in HOMES and room not in ("cli", "daemon", "web", "lsp"):
            assert room in HOMES[package], f"{path.name} imports {package}"
        if package in HEAVY_AT_USE:
            assert not top, f"{path.name} imports {package} at its top"


@pytest.mark.parametrize(("room", "path"), [p for p in ALL if p.values[0] in PURE])
def test_the_core_knows_no_outside_world(room: str, path: Path) -> None:
    """No clock, file, environment, log, thread or cloud in the core."""
    for name, _ in imports(path):
        package = name.partition(".")[0]
        assert package not in IMPURE or (room, package) in PURE_EXCEPTIONS, f"{path.name} imports {name}"


@pytest.mark.parametrize(("room", "path"), ALL)
def test_rooms_are_entered_by_their_front_door(room: str, path: Path) -> None:
    """Other rooms use a room's `__init__` only; the modules of `model` and `config.catalogue` are doors of their own."""
    for name, _ in imports(path):
        parts = name.split(".")
        if parts[0] == "scrimp" and len(parts) > 2 and parts[1] != room and parts[1] != "model":
            assert name in ("scrimp.config.catalogue", "scrimp.functions.kernels"), (
                f"{path.name} enters {name}"
            )

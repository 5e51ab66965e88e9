"""`scrimp init`: a policy repository that passes its own checks."""

from pathlib import Path

import click

from scrimp.cli._app import ExitCode, Failed, Wrong

FILES = {
    "scrimp.yaml": """\
# How scrimp runs here. `scrimp schema config` shows everything that may stand in this file.
mode_cap: dry_run      # nothing is touched until this says approve or enforce
interval: 30s
collectors:
  host:
    type: host
    price_per_core_hour: 0.04
""",
    "policies/idle.scrimp": """\
scrimp 1

param idle: ratio = 20% within [1%, 90%]

policy name_idle_nodes {
  "Say which nodes do next to nothing."
  owner    "platform"
  mode     enforce
  target   node
  when     avg(cpu_utilization) over 30m < idle for 30m tolerating 5m unknown
  do       recommend(message = "this node is idle: give it back, or give it work")
  cooldown 24h per target
  coverage 80%
}

test name_idle_nodes "says so once a day" {
  start "2026-03-02T00:00Z" every 5m
  series cpu_utilization["a"] = 5% x48
  at 30m expect nothing because "for"
  at 50m expect recommend()
  at 2h expect nothing because "cooldown"
}
""",
    "README.md": """\
# Cost policies

`scrimp check --strict policies` and `scrimp test policies` must pass before a change is merged.
`scrimp run` runs them; `scrimp.yaml` caps how far they may go.
""",
    ".github/workflows/policies.yml": """\
name: policies
on: [push, pull_request]
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: pip install scrimp
      - run: scrimp fmt --check policies
      - run: scrimp check --strict --output github policies
      - run: scrimp test policies
""",
    ".pre-commit-config.yaml": """\
repos:
  - repo: local
    hooks:
      - {id: scrimp-fmt, name: scrimp fmt, entry: scrimp fmt, language: system, files: '\\.scrimp$'}
      - {id: scrimp-check, name: scrimp check, entry: scrimp check --strict policies, language: system, pass_filenames: false}
      - {id: scrimp-test, name: scrimp test, entry: scrimp test policies, language: system, pass_filenames: false}
""",
    ".editorconfig": """\
[*.scrimp]
indent_style = space
indent_size = 2
insert_final_newline = true
""",
    ".gitignore": ".scrimp/\n",
}


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def command(folder: Path) -> ExitCode:
    """Begin a policy repository in FOLDER: a policy with its test, configuration, CI, pre-commit and editor files.

    Nothing that is there already is overwritten.
    """
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        raise Wrong(f"`{there[0]}` is there already: nothing was written")
    try:
        for name, text in FILES.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            click.echo(str(path))
    except OSError as error:
        raise Failed(f"cannot write `{error.filename}`: {error.strerror}") from error
    return ExitCode.DONE

"""The command line: one module per command, found by folder, imported only when it is called."""

from scrimp.cli._app import ExitCode, main

__all__ = ["ExitCode", "main"]

"""DuckDB over the files of a history: in this process, with bounded memory, nothing fetched and nothing left behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from scrimp.history.files import HistoryError


@dataclass(frozen=True, slots=True)
class Limits:
    """What a query may take: memory (what is beyond goes to disk, beside the history) and threads."""

    memory_mb: int = 400
    threads: int = 2


def connect(spill: Path, limits: Limits | None = None) -> duckdb.DuckDBPyConnection:
    """A connection on nothing. Extensions are neither fetched nor loaded, and times without a zone are UTC, wherever it runs."""
    bounds = limits or Limits()
    link = duckdb.connect(
        config={
            "memory_limit": f"{bounds.memory_mb}MB",
            "threads": bounds.threads,
            "temp_directory": str(spill / ".spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": False,
        }
    )
    # No option of `connect`; else a text without a zone is of this machine's.
    link.execute("SET TimeZone = 'UTC'")
    return link


def scan(files: Sequence[Path]) -> str:
    """The rows of these files as a table expression; a column that one lacks is null there."""
    return f"read_parquet([{', '.join(quoted(str(one)) for one in files)}], union_by_name = true)"


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def named(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def run(link: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
    """Execute, with DuckDB's errors as `HistoryError`."""
    try:
        return link.execute(sql, list(values))
    except duckdb.Error as error:
        raise HistoryError(f"the history cannot be read: {str(error).splitlines()[0]}") from error


def arrow(link: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> pa.Table:
    """The rows of a query in columns."""
    try:
        return link.sql(sql, params=list(values)).to_arrow_table()
    except duckdb.Error as error:
        raise HistoryError(f"the history cannot be read: {str(error).splitlines()[0]}") from error


def batches(link: duckdb.DuckDBPyConnection, sql: str, rows: int = 65_536) -> pa.RecordBatchReader:
    """The rows of a query in batches, for more than fit in memory."""
    try:
        return link.sql(sql).to_arrow_reader(rows)
    except duckdb.Error as error:
        raise HistoryError(f"the history cannot be read: {str(error).splitlines()[0]}") from error

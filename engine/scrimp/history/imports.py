"""Bills into usage: read, checked row by row, spread over days, and written so that the total is the file's to the millionth.

A charge of compute or storage becomes what was offered and billed, and an allocation whose use nobody measured; a tag `job`,
`operation` or `team` names it. What a commitment bought and nobody used is allocated to nobody. Anything else (support, tax,
credits) is billed for no resource. Bad rows are left out, told with their line, and their cost counted where it can be read.
To import a file again changes nothing; a bill that was delivered again, with other contents, is another file (see
`redelivered`).
"""

import csv
import gzip
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO, cast, get_args

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from scrimp.diagnostics import Diagnostic, Severity, Source
from scrimp.history.bills import Basis, Form, form_of, lacking
from scrimp.history.bills import Source as Kind
from scrimp.history.daily import add_up
from scrimp.history.files import DAY_S, Folder, HistoryError, Part, day_of, guarded
from scrimp.history.query import Limits, batches, connect, named, quoted, run, scan
from scrimp.history.redelivered import doubled
from scrimp.history.rollup import NOT_MEASURED

MARK = "importing-"
TOLD = 20  # bad rows that are told one by one
COST_MAX = 10**12  # of one row, in its currency: sums of millionths must fit 64 bits


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of one file; sums are in millionths, by currency. `bad` rows are in no sum but in `bad_micro`.

    `ident` names its rows in the history, where they are of `source`. `doubled` is how many of them, by machine, time and
    resource, another import has too, and what those cost in millionths of whatever currency.
    """

    path: Path
    source: Kind
    ident: str
    form: str
    rows: int
    bad: int
    sums: dict[str, int]
    bad_micro: int
    from_s: float
    to_s: float
    findings: tuple[Diagnostic, ...] = ()
    doubled: tuple[int, int] = (0, 0)


def import_bill(
    folder: Folder,
    path: Path,
    basis: Basis = "effective",
    *,
    strict: bool = False,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Imported:
    """Read one bill into the history. Raises `HistoryError` (SCR808) where it cannot be read, or is bad under `strict`."""
    columns = _columns(path)
    form = form_of(columns, basis)
    if form is None:
        lacks = lacking(columns, basis)
        raise HistoryError(
            f"`{path.name}` is no bill that scrimp knows"
            + (f": it has no column `{lacks}`" if lacks else ""),
            "SCR808",
        )
    ident = _digest(path)
    with connect(folder.root, limits) as link:
        run(link, "SET preserve_insertion_order = true")
        try:
            link.execute(f"CREATE TEMP VIEW bill AS {_source(path, columns)}")
            link.execute(f"CREATE TEMP TABLE lines AS {_lines(form)}")
        except duckdb.Error as error:
            raise HistoryError(
                f"cannot read `{path.name}`: {str(error).splitlines()[0]}", "SCR808"
            ) from error
        rejected = _rejected(link)
        found = _checked(link, path, form, ident, rejected)
        if strict and found.bad:
            raise HistoryError(f"`{path.name}` has {found.bad:,} bad rows; nothing was imported", "SCR809")
        run(link, "CREATE TEMP TABLE charges AS " + _CHARGES)
        run(link, "CREATE TEMP TABLE days AS " + _DAYS)
        found = replace(found, doubled=doubled(link, folder, get_args(Kind), ident, found.from_s, found.to_s))
        with _marked(folder, path, ident):
            _write(link, folder, form, ident, progress)
    return found


@contextmanager
def _marked(folder: Folder, path: Path, ident: str) -> Iterator[None]:
    """A mark while the days of a file are written: one that stays says that some of them may lack."""
    mark = folder.root / f"{MARK}{ident}"
    with guarded(f"write {mark.name}"):
        mark.write_text(path.name, "utf-8")
    yield
    with guarded(f"delete {mark.name}"):
        mark.unlink(missing_ok=True)


def unfinished(folder: Folder) -> tuple[str, ...]:
    """The files whose import goes on, or was cut: their days may not all be there."""
    with guarded("read the history"):
        return tuple(sorted({mark.read_text("utf-8") for mark in folder.root.glob(f"{MARK}*")}))


def _columns(path: Path) -> list[str]:
    try:
        if _is_parquet(path):
            return list(pq.read_schema(path).names)
        with _opened(path) as file:
            return next(csv.reader(file), [])
    except (OSError, ValueError, csv.Error) as error:  # Arrow's errors are among these
        cause = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise HistoryError(f"cannot read `{path.name}`: {cause}", "SCR808") from error


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast("TextIO", gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def _digest(path: Path) -> str:
    with guarded(f"read {path.name}"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _source(path: Path, columns: list[str]) -> str:
    """All rows as texts, numbered from 1."""
    if _is_parquet(path):
        texts = ", ".join(_text(path, name) for name in columns)
        return f"SELECT file_row_number + 1 AS n, {texts} FROM read_parquet({quoted(str(path))}, file_row_number = true)"
    kinds = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in columns)
    options = (
        f"columns = {{{kinds}}}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"',"
        " store_rejects = true, rejects_limit = 0, max_line_size = 16777216"
    )
    return f"SELECT row_number() OVER () AS n, * FROM read_csv({quoted(str(path))}, {options})"


def _text(path: Path, name: str) -> str:
    kind = pq.read_schema(path).field(name).type
    if pa.types.is_map(kind) or pa.types.is_struct(kind):
        return f"CAST(to_json({named(name)}) AS VARCHAR) AS {named(name)}"
    return f"CAST({named(name)} AS VARCHAR) AS {named(name)}"


def _lines(form: Form) -> str:
    time = "TRY_CAST(nullif({0}, '') AS TIMESTAMPTZ)"
    return f"""SELECT n, epoch({time.format(form.start)})::BIGINT AS start_s, epoch({time.format(form.end)})::BIGINT AS end_s,
      TRY_CAST(nullif({form.cost}, '') AS DECIMAL(38, 12)) AS cost, {form.currency} AS currency, {form.node} AS node,
      {form.instance_type} AS instance_type, {form.purchase_option} AS purchase_option, {form.resource} AS resource, {form.idle} AS idle,
      CASE WHEN json_valid({form.labels}) THEN {form.labels} ELSE '' END AS labels, {form.origin} AS origin, {form.job} AS own_job, {form.operation} AS own_operation,
      {form.cost} AS cost_text, {form.start} AS start_text FROM bill"""


_BAD = f"""CASE WHEN start_s IS NULL THEN 'no time in `' || coalesce(start_text, '') || '`'
  WHEN end_s IS NULL OR end_s <= start_s THEN 'its period ends before it begins'
  WHEN cost IS NULL THEN 'its cost `' || coalesce(cost_text, '') || '` is no number'
  WHEN abs(cost) > {COST_MAX} THEN 'its cost `' || cost_text || '` is too large'
  WHEN NOT regexp_matches(currency, '^[A-Z]{{3}}$') THEN '`' || currency || '` is no currency' END"""

# Sums run on, so that the rounded pieces add to the rounded total.
_CHARGES = f"""SELECT n, start_s, end_s, currency, node, instance_type, purchase_option, resource, idle, labels, origin, own_job,
  own_operation, (round(sum(cost) OVER (PARTITION BY currency ORDER BY n ROWS UNBOUNDED PRECEDING) * 1000000)
   - round(coalesce(sum(cost) OVER (PARTITION BY currency ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) * 1000000))::HUGEINT AS micro
FROM lines WHERE ({_BAD}) IS NULL"""

_DAYS = f"""SELECT greatest(start_s, day * 86400) AS start_s, least(end_s, (day + 1) * 86400) AS end_s, day,
  (micro * (least(end_s, (day + 1) * 86400) - start_s) // (end_s - start_s)
   - micro * (greatest(start_s, day * 86400) - start_s) // (end_s - start_s))::BIGINT AS micro,
  currency, node, instance_type, purchase_option, resource, idle, labels, origin,
  coalesce(nullif(own_job, ''), json_extract_string(nullif(labels, ''), '$.job'), {quoted(NOT_MEASURED)}) AS job,
  coalesce(nullif(own_operation, ''), json_extract_string(nullif(labels, ''), '$.operation'), '') AS operation,
  coalesce(json_extract_string(nullif(labels, ''), '$.team'), '') AS team,
  coalesce(json_extract_string(nullif(labels, ''), '$.pool'), '') AS pool
FROM (SELECT *, unnest(range(start_s // 86400, (end_s - 1) // 86400 + 1)) AS day FROM charges)"""


def _rejected(link: duckdb.DuckDBPyConnection) -> list[tuple[int, str]]:
    """Records that are no rows at all: their number in the file (the header is the first), and why."""
    there = run(link, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchone()
    if there is None or not there[0]:
        return []
    rows = run(
        link, "SELECT line, lower(replace(error_type::VARCHAR, '_', ' ')) FROM reject_errors ORDER BY line"
    ).fetchall()
    return [(int(line), str(why)) for line, why in dict(rows).items()]


def _checked(
    link: duckdb.DuckDBPyConnection, path: Path, form: Form, ident: str, rejected: list[tuple[int, str]]
) -> Imported:
    totals = run(
        link,
        f"SELECT currency, round(sum(cost) * 1000000)::HUGEINT, count(*), min(start_s), max(end_s) FROM lines WHERE ({_BAD}) IS NULL GROUP BY 1",
    ).fetchall()
    bad = run(
        link, f"SELECT n, {_BAD} FROM lines WHERE ({_BAD}) IS NOT NULL ORDER BY n LIMIT {TOLD}"
    ).fetchall()
    counted = run(
        link,
        f"SELECT count(*), coalesce(round(sum(cost) * 1000000), 0)::HUGEINT FROM lines WHERE ({_BAD}) IS NOT NULL",
    ).fetchone()
    assert counted is not None
    gone = [line for line, _ in rejected]
    places = [*rejected[:TOLD], *((_record(int(n), gone), str(why)) for n, why in bad)]
    lines = _line_numbers(path, [record for record, _ in places]) if places and not _is_parquet(path) else {}
    findings = [
        Diagnostic(
            "SCR809",
            f"{path.name}:{lines.get(record, record)}: {why}",
            Source(str(path), ""),
            severity=Severity.WARNING,
        )
        for record, why in sorted(places)[:TOLD]
    ]
    rows = sum(int(count) for _, _, count, _, _ in totals)
    if not rows and not places:
        raise HistoryError(f"`{path.name}` has no rows", "SCR808")
    return Imported(
        path,
        form.source,
        ident,
        form.name,
        rows,
        int(counted[0]) + len(rejected),
        {str(currency): int(micro) for currency, micro, _, _, _ in totals},
        int(counted[1]),
        float(min((start for *_, start, _ in totals), default=0)),
        float(max((end for *_, end in totals), default=0)),
        tuple(findings),
    )


def _record(n: int, rejected: list[int]) -> int:
    """The number in the file of the n-th row that was read: the header is 1, and rejected records count too."""
    record = n + 1
    for one in rejected:
        if one <= record:
            record += 1
    return record


def _line_numbers(path: Path, records: list[int]) -> dict[int, int]:
    """The line on which each record begins: a record may hold line breaks."""
    wanted, found, before = set(records), {}, 0
    with _opened(path) as file:
        reader = csv.reader(file)
        try:
            for number, _ in enumerate(reader, 1):
                if number in wanted:
                    found[number] = before + 1
                before = reader.line_num
        except (csv.Error, ValueError):  # the rest cannot be told apart
            pass
    return found


def _write(
    link: duckdb.DuckDBPyConnection,
    folder: Folder,
    form: Form,
    ident: str,
    progress: Callable[[int, int], None],
) -> None:
    """A file per day, instead of what an earlier import of the same file wrote there."""
    days = [int(day) for (day,) in run(link, "SELECT DISTINCT day FROM days ORDER BY day").fetchall()]
    for at, day in enumerate(days):
        part = Part("usage", form.source, day_of(day * DAY_S))
        old = _files_of(link, folder, part, ident)
        rows = _rows(day, ident)
        if old:
            rows = f"SELECT * FROM {scan(old)} WHERE import <> {quoted(ident)} UNION ALL BY NAME ({rows})"
        folder.write_stream(part, batches(link, rows), old)
        add_up(folder, part)
        progress(at + 1, len(days))


def _files_of(link: duckdb.DuckDBPyConnection, folder: Folder, part: Part, ident: str) -> list[Path]:
    """The files of a part that hold rows of an earlier import of the same file."""
    files = folder.files_of(part)
    if not files:
        return []
    sql = f"SELECT DISTINCT filename FROM {scan(files)[:-1]}, filename = true) WHERE import = {quoted(ident)}"
    names = {name for (name,) in run(link, sql).fetchall()}
    return [path for path in files if str(path) in names]


def _rows(day: int, ident: str) -> str:
    shared = "start_s, end_s, node, pool, instance_type, purchase_option"
    return f"""SELECT * FROM (
      SELECT {shared}, '' AS job, '' AS operation, team, '' AS policy, resource, currency,
        CASE WHEN resource = 'other' OR (idle AND micro = 0) THEN 0.0 ELSE (end_s - start_s) / 3600.0 END AS capacity, 0.0 AS allocated, 0.0 AS used,
        micro AS billed_micro, labels, origin, {quoted(ident)} AS import
      FROM days WHERE day = {day}
      UNION ALL
      SELECT {shared}, job, operation, team, '', resource, currency, 0.0, (end_s - start_s) / 3600.0, 'nan'::DOUBLE, 0, labels, origin, {quoted(ident)}
      FROM days WHERE day = {day} AND resource <> 'other' AND NOT idle
    ) ORDER BY start_s, node, currency, resource, job"""

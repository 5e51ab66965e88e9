"""Bills that are delivered again: a month's file with other contents counts beside the one before, unless it replaces it.

Nothing in a file says that it stands for another: parts of one bill, accounts and corrections come as files of their own. So
what an import shares with earlier ones is told, and only who imports says whether to replace them.
"""

from collections.abc import Collection

import duckdb

from scrimp.history.daily import add_up
from scrimp.history.files import DAY_S, Folder, day_start_s
from scrimp.history.hours import Span
from scrimp.history.query import Limits, batches, connect, quoted, run, scan

_SAME = "start_s, end_s, node, resource, currency"


def doubled(
    link: duckdb.DuckDBPyConnection,
    folder: Folder,
    sources: Collection[str],
    ident: str,
    from_s: float,
    to_s: float,
) -> tuple[int, int]:
    """How many charges of the table `days` another import has too, for the same machine and time, and what they cost.

    A bill may be there in another format: AWS gives one as a cost and usage report, as CUR 2.0 and in FOCUS.
    """
    files = [path for source in sources for path in folder.files("usage", source, from_s, to_s)]
    if not files:
        return 0, 0
    found = run(
        link,
        f"""SELECT count(*), coalesce(sum(micro), 0)::HUGEINT FROM days SEMI JOIN (
          SELECT DISTINCT {_SAME} FROM {scan(files)} WHERE import <> {quoted(ident)} AND job = '' AND node <> ''
        ) USING ({_SAME})""",
    ).fetchone()
    return (0, 0) if found is None else (int(found[0]), int(found[1]))


def keep_only(
    folder: Folder, source: str, span: Span, idents: Collection[str], limits: Limits | None = None
) -> dict[str, int]:
    """Take out of a span what other imports of the source have in it; gives what that was, in millionths by currency."""
    others = f"import NOT IN ({', '.join(quoted(one) for one in sorted(idents))})"
    others += f" AND start_s >= {int(span.from_s)} AND start_s < {int(span.to_s)}"
    gone: dict[str, int] = {}
    for part in folder.parts("usage", source):
        begin_s = day_start_s(part.day)
        if begin_s + DAY_S <= span.from_s or begin_s >= span.to_s:
            continue
        with connect(folder.root, limits) as link:
            files = [
                path
                for path in folder.files_of(part)
                if (run(link, f"SELECT count(*) FROM {scan([path])} WHERE {others}").fetchone() or (0,))[0]
            ]
            if not files:
                continue
            sums = run(
                link,
                f"SELECT currency, sum(billed_micro)::HUGEINT FROM {scan(files)} WHERE {others} GROUP BY ALL",
            ).fetchall()
            folder.write_stream(
                part, batches(link, f"SELECT * FROM {scan(files)} WHERE NOT ({others})"), files
            )
        add_up(folder, part)
        for currency, micro in sums:
            gone[str(currency)] = gone.get(str(currency), 0) + int(micro)
    return gone

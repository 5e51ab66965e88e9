"""The canonical layout of a policy file. It keeps every comment, and single blank lines where there were any."""

from collections.abc import Sequence
from typing import Any

from scrimp.diagnostics import Span
from scrimp.lang import ast
from scrimp.lang.layout import Laid, Piece, Statement, lay
from scrimp.lang.text import quote

WIDTH = 100
_INDENT = "  "


def format_file(file: ast.PolicyFile) -> str:
    """The file's canonical text.

    Only for a file without syntax errors: what did not parse is not in the tree, and so not in the text.
    """
    return _Writer(file).run()


class _Writer:
    """The lines written so far, and the comments that still wait for their place."""

    def __init__(self, file: ast.PolicyFile) -> None:
        self.file = file
        self.source = file.source.text
        self.comments = sorted(file.comments, key=lambda one: one.span)
        self.lines: list[str] = []
        self.last = 0  # where the newest thing written ended in the source
        self.fresh = True  # nothing stands before in this block

    def run(self) -> str:
        before: Any = None
        items: list[Any] = [self.file.version] if self.file.version is not None else []
        items.extend(self.file.items)
        for at, item in enumerate(items):
            limit = items[at + 1].span.start if at + 1 < len(items) else len(self.source)
            self.before_item(before, item)
            self.item(item, limit)
            before = item
        if self.comments and before is not None and _is_block(before):
            self.blank()
        self.leading(len(self.source) + 1, "")
        return "\n".join(self.lines) + "\n" if self.lines else ""

    # ---- blank lines and comments -----------------------------------------------------------------------

    def blank(self) -> None:
        """One empty line, but none at the start of a block."""
        if not self.fresh and self.lines and self.lines[-1]:
            self.lines.append("")

    def had_blank(self, start: int, end: int) -> bool:
        return self.source[start:end].count("\n") > 1

    def gap(self, start: int) -> None:
        """Keep a blank line that stood before `start`."""
        if self.had_blank(self.last, start):
            self.blank()

    def own_line(self, comment: ast.Comment, indent: str) -> None:
        self.gap(comment.span.start)
        self.lines.append(indent + comment.text)
        self.last = max(self.last, comment.span.end)
        self.fresh = False

    def leading(self, until: int, indent: str) -> None:
        """Comments before `until`, each on its own line."""
        while self.comments and self.comments[0].span.start < until:
            self.own_line(self.comments.pop(0), indent)

    def trailing(self, end: int, limit: int) -> None:
        """The comment that follows on the line that ends at `end`."""
        if not self.comments:
            return
        comment = self.comments[0]
        start = comment.span.start
        if not comment.own_line and end <= start < limit and "\n" not in self.source[end:start]:
            self.lines[-1] += f"  {comment.text}"
            self.last = comment.span.end
            self.comments.pop(0)

    def before_item(self, before: Any, item: Any) -> None:
        """Comments above an item, and the blank line between items of different sorts."""
        if before is None:
            self.leading(item.span.start, "")
            self.gap(item.span.start)
            return
        above = [one for one in self.comments if one.span.start < item.span.start]
        starts = [one.span.start for one in above] + [item.span.start]
        ends = [one.span.end for one in above]
        attached = len(above)  # the first comment that stands right above the item
        while attached and not self.had_blank(ends[attached - 1], starts[attached]):
            attached -= 1
        for at, start in enumerate(starts):
            if (at == 0 and _is_block(before)) or (at == attached and _group(before) != _group(item)):
                self.blank()
            if at < len(above):
                self.own_line(self.comments.pop(0), "")
            else:
                self.gap(start)

    # ---- items and blocks -------------------------------------------------------------------------------

    def item(self, item: Any, limit: int) -> None:
        match item:
            case ast.Allowance():
                self.block(
                    f"allowance {item.name.value}", item.name.span.end, item.limits, item.span, "", limit
                )
            case ast.Policy():
                self.block(
                    f"policy {item.name.value}", item.name.span.end, item.clauses, item.span, "", limit
                )
            case ast.Test():
                head = f"test {item.policy.value} {quote(item.title.value)}"
                self.block(head, item.title.span.end, item.steps, item.span, "", limit)
            case _:
                self.statement(item, "", limit)

    def block(
        self, head: str, head_end: int, entries: Sequence[Any], span: Span, indent: str, limit: int
    ) -> None:
        """A head and its statements in braces; `limit` is where the next thing after it starts."""
        self.gap(span.start)
        self.fresh = True
        self.last = head_end
        inner = indent + _INDENT
        close = max(span.end - 1, head_end)
        self.lines.append(f"{indent}{head} {{")
        first = entries[0].span.start if entries else close
        self.trailing(head_end, first)
        for at, entry in enumerate(entries):
            following = entries[at + 1].span.start if at + 1 < len(entries) else close
            if isinstance(entry, ast.Guard):
                self.leading(entry.span.start, inner)
                self.block(
                    "guard", entry.span.start + len("guard"), entry.entries, entry.span, inner, following
                )
            else:
                self.statement(entry, inner, following)
        self.leading(close, inner)
        if self.fresh and self.lines[-1].endswith("{") and self.lines[-1].startswith(f"{indent}{head}"):
            self.lines[-1] += "}"
        else:
            self.lines.append(f"{indent}}}")
        self.fresh = False
        self.last = max(self.last, span.end)
        self.trailing(span.end, limit)

    # ---- statements -------------------------------------------------------------------------------------

    def statement(self, node: Statement, indent: str, limit: int) -> None:
        """A statement on one line if it fits, with the comments above, within and behind it."""
        self.leading(node.span.start, indent)
        self.gap(node.span.start)
        laid = lay(node)
        above, behind = self.within(laid.pieces, node.span.end)
        for comment in above[0]:
            self.lines.append(indent + comment.text)
        rows = self.rows(laid, above, behind, indent)
        self.lines.extend(rows)
        self.fresh = False
        self.last = max(self.last, node.span.end)
        last = behind[-1]
        if last is not None:
            self.lines[-1] += f"  {last.text}"
        else:
            self.trailing(node.span.end, limit)

    def within(
        self, pieces: tuple[Piece, ...], end: int
    ) -> tuple[list[list[ast.Comment]], list[ast.Comment | None]]:
        """Comments inside a statement: those that go above each of its pieces, and the one behind each."""
        above: list[list[ast.Comment]] = [[] for _ in pieces]
        behind: list[ast.Comment | None] = [None] * len(pieces)
        while self.comments and self.comments[0].span.start < end:
            comment = self.comments.pop(0)
            start = comment.span.start
            at = max((n for n, piece in enumerate(pieces) if piece.span.start <= start), default=0)
            if comment.own_line and start >= pieces[at].span.end and at + 1 < len(pieces):
                above[at + 1].append(comment)
            elif comment.own_line or behind[at] is not None:
                above[at].append(comment)
            else:
                behind[at] = comment
        return above, behind

    def rows(
        self, laid: Laid, above: list[list[ast.Comment]], behind: list[ast.Comment | None], indent: str
    ) -> list[str]:
        """The statement's lines; comments inside it, but for those before and behind it all, ask for broken lines."""
        pieces = laid.pieces
        commented = any(above[1:]) or any(behind[:-1])
        close = f" {laid.close}" if laid.close else ""
        one_line = indent + " ".join(piece.text for piece in pieces) + close
        if not commented and (len(one_line) <= WIDTH or len(pieces) == 1):
            return [one_line]
        more = indent + " " * laid.column
        rows = [indent + pieces[0].text]
        for at in range(1, len(pieces)):
            text = pieces[at].text
            if laid.fills and not commented and len(rows[-1]) + 1 + len(text) <= WIDTH:
                rows[-1] += f" {text}"
                continue
            comment = behind[at - 1]
            if comment is not None:
                rows[-1] += f"  {comment.text}"
            rows.extend(more + one.text for one in above[at])
            rows.append(more + text)
        if laid.close:
            rows.append(indent + laid.close)
        return rows


def _is_block(item: Any) -> bool:
    return isinstance(item, ast.Policy | ast.Allowance | ast.Test)


def _group(item: Any) -> Any:
    """Items of one group stand without a blank line between them; a block is a group of its own."""
    if isinstance(item, ast.Version | ast.Use):
        return "use"
    return "const" if isinstance(item, ast.Const | ast.Param) else item.span if item.span.end else id(item)

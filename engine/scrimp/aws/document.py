"""Permissions as an IAM policy document: one statement for what has the same resources and conditions."""

from collections.abc import Iterable
from typing import Any

from scrimp.api import Permission

VERSION = "2012-10-17"  # of IAM's policy language, not of this document


def iam_document(permissions: Iterable[Permission]) -> dict[str, Any]:
    """The least that allows all of them; in a fixed order, so that a change of policies shows as a small difference."""
    grouped: dict[tuple[Any, ...], set[str]] = {}
    for one in permissions:
        if one.system == "aws":
            conditions = tuple(
                (op, tuple(sorted(pairs.items()))) for op, pairs in sorted(one.conditions.items())
            )
            grouped.setdefault((tuple(sorted(one.resources)), conditions), set()).add(one.action)
    statements = []
    for (resources, conditions), actions in sorted(grouped.items()):
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": sorted(actions),
            "Resource": resources[0] if len(resources) == 1 else list(resources),
        }
        if conditions:
            statement["Condition"] = {operator: dict(pairs) for operator, pairs in conditions}
        statements.append(statement)
    return {"Version": VERSION, "Statement": statements}

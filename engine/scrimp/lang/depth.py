"""How deeply a node nests, measured without recursion."""

from dataclasses import fields, is_dataclass
from typing import Any


def too_deep(node: Any, limit: int) -> bool:
    """Whether a syntax tree has more than `limit` levels of nodes."""
    waiting: list[tuple[Any, int]] = [(node, 1)]
    while waiting:
        one, depth = waiting.pop()
        if depth > limit:
            return True
        if isinstance(one, tuple):
            waiting.extend((child, depth) for child in one)
        elif is_dataclass(one):
            waiting.extend((getattr(one, part.name), depth + 1) for part in fields(one))
    return False

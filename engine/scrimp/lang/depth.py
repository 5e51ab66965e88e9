"""How deeply a node nests, measured without recursion."""

from typing import Any

from msgspec import Struct


def too_deep(node: Any, limit: int) -> bool:
    """Whether a syntax tree has more than `limit` levels of nodes."""
    waiting: list[tuple[Any, int]] = [(node, 1)]
    while waiting:
        one, depth = waiting.pop()
        if depth > limit:
            return True
        if isinstance(one, tuple):
            waiting.extend((child, depth) for child in one)
        elif isinstance(one, Struct):
            waiting.extend((getattr(one, name), depth + 1) for name in one.__struct_fields__)
    return False

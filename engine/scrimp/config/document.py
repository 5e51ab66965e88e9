"""A YAML text as plain values that know where they stand: a span per key and value, by path."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import yaml

from scrimp.diagnostics import Diagnostic, Source, Span

Path = tuple[str | int, ...]
DEPTH = 50


@dataclass(frozen=True, slots=True)
class Placed:
    """Plain values, and where each path's value and key stand."""

    value: Any
    values: dict[Path, Span]
    keys: dict[Path, Span]


def read_yaml(source: Source) -> tuple[Placed | None, tuple[Diagnostic, ...]]:
    """The one document of a YAML text, by the safe subset: no tags, no anchors that explode, no double keys."""
    try:
        node = yaml.compose(source.text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = min(mark.index if mark else 0, max(len(source.text) - 1, 0))
        return None, (Diagnostic("SCR401", f"not YAML: {error.problem}", source, Span(at, at + 1)),)
    except (yaml.YAMLError, RecursionError) as error:
        return None, (Diagnostic("SCR401", f"not YAML: {str(error).splitlines()[0]}", source),)
    reader = _Reader(source)
    value = reader.plain(node, ()) if node is not None else {}
    return (None if reader.found else Placed(value, reader.values, reader.keys)), tuple(reader.found)


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Diagnostic] = []
        self.values: dict[Path, Span] = {}
        self.keys: dict[Path, Span] = {}
        self.scalars = yaml.SafeLoader("")

    def plain(self, node: yaml.Node, path: Path) -> Any:
        self.values[path] = span = Span(
            node.start_mark.index, max(node.end_mark.index, node.start_mark.index)
        )
        if len(path) > DEPTH:
            self.found.append(Diagnostic("SCR401", "this nests too deeply", self.source, span))
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*path, at)) for at, item in enumerate(node.value)]
        if node.tag in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary"):
            return node.value
        try:
            value = self.scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            message = f"`{self.source.slice(span)}` is not plain YAML"
            self.found.append(Diagnostic("SCR401", message, self.source, span))
            return None
        if isinstance(value, float) and not isfinite(value):  # no bound of a schema holds it off
            message = f"`{self.source.slice(span)}` is no number to reckon with"
            self.found.append(Diagnostic("SCR401", message, self.source, span))
            return None
        return value

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            span = Span(key_node.start_mark.index, key_node.end_mark.index)
            if not key:
                self.found.append(Diagnostic("SCR401", "a key must be a word", self.source, span))
            elif key in found:
                message = f"`{key}` is given twice"
                self.found.append(Diagnostic("SCR401", message, self.source, span))
            self.keys[*path, key] = span
            found[key] = self.plain(value_node, (*path, key))
        return found

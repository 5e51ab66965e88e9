"""The catalogue's kinds: those built in, from the data file in `scrimp_schemas`, and a team's own. Actions are the plug-ins' part."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from scrimp.diagnostics import Diagnostic, Source, Span, did_you_mean
from scrimp.model.catalogue import CURRENCY_DEFAULT, Catalogue, FieldSpec, KindSpec
from scrimp.model.types import LABELS, STRING, named_type
from scrimp_schemas import text

if TYPE_CHECKING:
    from scrimp.config.document import Path, Placed

TYPES = ("bool", "string", "count", "ratio", "duration", "bytes", "money", "money/h", "count/s", "bytes/s")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_ON_ALL = {
    "name": FieldSpec("name", STRING, "What the row is called; unique within its kind."),
    "labels": FieldSpec("labels", LABELS, "Words that the team put on it, by key."),
}


def builtin_catalogue(currency: str = CURRENCY_DEFAULT) -> Catalogue:
    """The built-in kinds without actions; fields of money are in `currency`."""
    document: Mapping[str, Any] = json.loads(text("catalogue.json"))
    kinds = {name: _kind(name, kind, currency) for name, kind in document["kinds"].items()}
    return Catalogue(kinds, {}, currency)


def _kind(name: str, kind: Mapping[str, Any], currency: str) -> KindSpec:
    fields = {key: _field(key, field, currency) for key, field in kind["fields"].items()}
    return KindSpec(name, kind["doc"], {**_ON_ALL, **fields}, kind.get("singleton", False))


def _field(name: str, field: Mapping[str, Any], currency: str) -> FieldSpec:
    found = named_type(field["type"], currency)
    if found is None:
        raise ValueError(f"the built-in catalogue gives `{name}` no type of the language")
    low, high = (
        None if (bound := field.get(key)) is None else float(bound) for key in ("minimum", "maximum")
    )
    unit = field.get("unit") or (currency if found.money else "")
    return FieldSpec(name, found, field["doc"], unit, low, high, field.get("per", ""))


def team_catalogue(source: Source, base: Catalogue) -> tuple[Catalogue | None, tuple[Diagnostic, ...]]:
    """`base` with the kinds and fields of a team's `catalog.yaml`; `None` if anything is wrong, all of it reported.

    The shape is that of the built-in data file: kinds by name, in each its fields. A kind that exists gains fields;
    a field that exists cannot be given another meaning.
    """
    from scrimp.config.document import read_yaml  # noqa: PLC0415 - only where there is a file, for a fast start

    placed, found = read_yaml(source)
    if placed is None:
        return None, found
    reader = _TeamReader(source, base, placed)
    kinds = reader.kinds()
    if reader.found:
        return None, tuple(sorted(reader.found, key=lambda one: one.span or Span(0, 0)))
    return replace(base, kinds=kinds), ()


class _TeamReader:
    """Goes through the document and collects what is wrong with it."""

    def __init__(self, source: Source, base: Catalogue, placed: "Placed") -> None:
        self.source = source
        self.base = base
        self.placed = placed
        self.found: list[Diagnostic] = []

    def kinds(self) -> dict[str, KindSpec]:
        """All kinds: those of the base, those that gained fields, and new ones."""
        kinds = dict(self.base.kinds)
        document = self.map_at((), ("scrimp", "kinds"), ("kinds",))
        for name, kind in self.map_at(("kinds",), None).items() if "kinds" in document else ():
            path = ("kinds", name)
            known = self.base.kinds.get(name)
            allowed = ("fields",) if known else ("doc", "singleton", "fields")
            self.named(name, path)
            entries = self.map_at(path, allowed, ("fields",) if known else ("doc", "fields"))
            fields = {} if known is None else dict(known.fields)
            for key in self.map_at((*path, "fields"), None) if "fields" in entries else ():
                spec = self.field(key, (*path, "fields", key), known)
                if spec is not None:
                    fields[key] = spec
            if known is not None:
                kinds[name] = replace(known, fields=fields)
            elif isinstance(kind, dict):
                singleton = self.value_at((*path, "singleton"), bool, "true or false") or False
                doc = self.value_at((*path, "doc"), str, "a text") or ""
                kinds[name] = KindSpec(name, doc, {**_ON_ALL, **fields}, singleton)
        return kinds

    def field(self, name: str, path: "Path", known: KindSpec | None) -> FieldSpec | None:
        """One field; `None` where it is wrong."""
        before = len(self.found)
        self.named(name, path)
        if name in _ON_ALL or (known is not None and name in known.fields):
            self.tell("SCR403", f"`{name}` is a field of this kind already", self.placed.keys.get(path))
        entries = self.map_at(path, ("type", "unit", "doc", "minimum", "maximum", "per"), ("type", "doc"))
        word = self.value_at((*path, "type"), str, "the name of a type")
        wanted = named_type(word, self.base.currency) if word is not None else None
        if word is not None and wanted in (None, LABELS):
            hint = f"did you mean `{near}`?" if (near := did_you_mean(word, TYPES)) else ", ".join(TYPES)
            self.tell("SCR403", f"there is no type `{word}`", self.placed.values.get((*path, "type")), hint)
        for key in ("minimum", "maximum"):
            bound = self.value_at((*path, key), (int, float), "a number in the type's canonical unit")
            if bound is not None and wanted is not None and not wanted.is_number:
                self.tell("SCR403", f"a {word} has no {key}", self.placed.keys.get((*path, key)))
        self.value_at((*path, "doc"), str, "a text")
        self.value_at((*path, "unit"), str, "a text")
        self.value_at((*path, "per"), str, "the name of a field")
        return None if len(self.found) > before else _field(name, entries, self.base.currency)

    def named(self, name: str, path: "Path") -> None:
        """A name must be one that policies can write."""
        if not _NAME.fullmatch(name):
            hint = "lower-case letters, digits and `_`"
            self.tell("SCR403", f"`{name}` is no name", self.placed.keys.get(path), hint)

    def map_at(
        self, path: "Path", allowed: Sequence[str] | None, needed: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The map at a path; keys that are not allowed (`None`: any is) and needed ones that lack are reported."""
        value = self.at(path)
        where = f"`{path[-1]}`" if path else "the file"
        if not isinstance(value, dict):
            self.tell("SCR403", f"{where} must be a map", self.placed.values.get(path))
            return {}
        for key in value if allowed is not None else ():
            if allowed is not None and key not in allowed:
                near = did_you_mean(key, allowed)
                hint = f"did you mean `{near}`?" if near else "known are " + ", ".join(allowed)
                span = self.placed.keys.get((*path, key))
                self.tell("SCR402", f"there is no key `{key}` here", span, hint)
        for key in needed:
            if key not in value:
                self.tell("SCR403", f"{where} needs `{key}`", self.placed.values.get(path))
        return value

    def value_at(self, path: "Path", wanted: Any, said: str) -> Any:
        """The value at a path if it is there and of a type; another type is reported."""
        value = self.at(path)
        right = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
        if value is not None and not right:
            self.tell("SCR403", f"`{path[-1]}` must be {said}", self.placed.values.get(path))
        return value if right else None

    def at(self, path: "Path") -> Any:
        """The value at a path, `None` where there is none."""
        value = self.placed.value
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def tell(self, code: str, message: str, span: Span | None, hint: str = "") -> None:
        """Collect a finding."""
        self.found.append(Diagnostic(code, message, self.source, span or Span(0, 0), hint=hint))

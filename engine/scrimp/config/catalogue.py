"""The catalogue's kinds: those built in, from the data file in `scrimp_schemas`. Actions are the plug-ins' part."""

from collections.abc import Mapping
from typing import Any

import yaml

from scrimp.model.catalogue import CURRENCY_DEFAULT, Catalogue, FieldSpec, KindSpec
from scrimp.model.types import LABELS, STRING, named_type
from scrimp_schemas import text

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there
_ON_ALL = {
    "name": FieldSpec("name", STRING, "What the row is called; unique within its kind."),
    "labels": FieldSpec("labels", LABELS, "Words that the team put on it, by key."),
}


def builtin_catalogue(currency: str = CURRENCY_DEFAULT) -> Catalogue:
    """The built-in kinds without actions; fields of money are in `currency`."""
    document: Mapping[str, Any] = yaml.load(text("catalogue.yaml"), Loader=_LOADER)  # noqa: S506 - a safe loader, and our own file
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
    return FieldSpec(name, found, field["doc"], unit, low, high)

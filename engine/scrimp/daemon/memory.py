"""What the daemon remembers of the world between runs, as documents for the state folder and back.

Without it a restart in the middle of a broken exporter would believe its zeros, and one in the middle of an outage would
not know whom it knows nothing of.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from scrimp.collectors import SourceMemory
from scrimp.daemon.observe import KnownRows
from scrimp.model.snapshot import Column, text_column

Json = dict[str, Any]


def source_documents(memory: Mapping[str, SourceMemory]) -> dict[str, Json]:
    """A document per source."""
    return {name: asdict(one) for name, one in memory.items()}


def source_memory(documents: Mapping[str, Json]) -> dict[str, SourceMemory]:
    """The inverse of `source_documents`."""
    return {name: SourceMemory(**one) for name, one in documents.items()}


def row_document(known: KnownRows) -> Json:
    """Names and labels of a kind's rows."""
    return {
        "names": list(known.names),
        "labels": {key: _words(column) for key, column in known.labels.items()},
    }


def known_rows(document: Json) -> KnownRows:
    """The inverse of `row_document`."""
    labels = {key: text_column(words) for key, words in document["labels"].items()}
    return KnownRows(tuple(document["names"]), labels)


def _words(column: Column) -> list[str | None]:
    return [
        column.words[int(code)] if valid else None
        for code, valid in zip(column.values, column.valid, strict=True)
    ]

"""The data files that scrimp ships: JSON Schemas and the built-in catalogue, read with `text`."""

import pkgutil


def text(name: str) -> str:
    """The text of a data file of this package, such as `catalogue.json`."""
    data = pkgutil.get_data(__name__, name)  # several times as fast to import as `importlib.resources`
    assert data is not None, "the package was read by a loader that gives no data"
    return data.decode()


__all__ = ["text"]

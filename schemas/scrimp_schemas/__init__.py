"""The data files that scrimp ships: JSON Schemas and the built-in catalogue, read with `text`."""

from importlib.resources import files


def text(name: str) -> str:
    """The text of a data file of this package, such as `catalogue.yaml`."""
    return files(__name__).joinpath(name).read_text("utf-8")


__all__ = ["text"]

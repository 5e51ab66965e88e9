"""The language's functions, each declared once."""

from scrimp.functions.library import AGGREGATES, SCALARS, WINDOWS
from scrimp.functions.signature import Function

__all__ = ["AGGREGATES", "SCALARS", "WINDOWS", "Function"]

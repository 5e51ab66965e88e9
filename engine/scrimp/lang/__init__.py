"""The language as text: grammar, parser, syntax tree, formatter.

The nodes of the tree stand in `scrimp.lang.ast`: `from scrimp.lang import ast`.
"""

from scrimp.lang import ast
from scrimp.lang.parser import parse, parse_expression

__all__ = ["ast", "parse", "parse_expression"]

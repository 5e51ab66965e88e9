"""The language as text: grammar, parser, syntax tree, formatter.

The nodes of the tree stand in `scrimp.lang.ast`: `from scrimp.lang import ast`.
"""

from scrimp.lang import ast
from scrimp.lang.format import format_file
from scrimp.lang.parser import parse, parse_expression
from scrimp.lang.text import expression_text

__all__ = ["ast", "expression_text", "format_file", "parse", "parse_expression"]

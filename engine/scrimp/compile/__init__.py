"""Column programs: checked policies as one graph of shared computations."""

from scrimp.compile.policy_set import CompiledPolicy, PolicySet, compile_set
from scrimp.compile.program import Graph, Node, operands

__all__ = ["CompiledPolicy", "Graph", "Node", "PolicySet", "compile_set", "operands"]

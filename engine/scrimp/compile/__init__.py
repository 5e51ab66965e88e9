"""Column programs: checked policies as one graph of shared computations."""

from scrimp.compile.policy_set import CompiledPolicy, PolicySet, compile_set
from scrimp.compile.program import Node

__all__ = ["CompiledPolicy", "Node", "PolicySet", "compile_set"]

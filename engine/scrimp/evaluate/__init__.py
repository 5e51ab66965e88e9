"""Evaluation of policies over columns: truth, clocks, windows, aggregates, and why."""

from scrimp.evaluate.columns import at
from scrimp.evaluate.evaluation import Evaluation, PolicyEvaluation, evaluate
from scrimp.evaluate.explain import Clause, Explanation, explain
from scrimp.evaluate.frame import Frame, column_of, fresh
from scrimp.evaluate.words import value_text

__all__ = [
    "Clause",
    "Evaluation",
    "Explanation",
    "Frame",
    "PolicyEvaluation",
    "at",
    "column_of",
    "evaluate",
    "explain",
    "fresh",
    "value_text",
]

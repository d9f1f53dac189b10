"""Compares runs with full-model training: an experiment -> a grid of runs -> claims and a report."""

from mlilt.comparison.compare import Comparison, compare, plan

__all__ = ["Comparison", "compare", "plan"]

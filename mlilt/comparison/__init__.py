"""Compares finished runs with full-model training: a grid of runs -> a table -> a report."""

from mlilt.comparison.compare import Comparison, compare

__all__ = ["Comparison", "compare"]

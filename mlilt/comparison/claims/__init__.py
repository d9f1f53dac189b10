"""Claims of the paper, held against what was measured: one module a kind, by the file's name.

A claim says that something exceeds a value: a difference of two methods, or one over the other. It holds, does not
hold, or is undecided, by a paired test over queries and seeds, adjusted for all that is tested for the claim; never by
a bare mean.
"""

from mlilt.comparison.claims._base import Case, Claim, Judgement, Result
from mlilt.comparison.claims._judge import judge, judge_all, load, names

__all__ = ["Case", "Claim", "Judgement", "Result", "judge", "judge_all", "load", "names"]

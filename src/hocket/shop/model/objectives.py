"""The objectives that all shop problems share; every one is minimised."""

from typing import Literal, get_args

Objective = Literal[
    "makespan",
    "total_flow_time",
    "weighted_flow_time",
    "total_tardiness",
    "weighted_tardiness",
    "max_lateness",
    "late_jobs",
]
"""Over jobs j with completion C, release r, due date d, weight w and tardiness T = max(0, C - d):
max C, sum (C - r), sum w (C - r), sum T, sum w T, max (C - d), number of C > d.
Jobs without a due date count in the first three alone."""

OBJECTIVES: tuple[str, ...] = get_args(Objective)
DUE_DATE_OBJECTIVES = frozenset(OBJECTIVES[3:])

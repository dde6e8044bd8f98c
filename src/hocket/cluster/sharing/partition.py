"""Runtime partitioning: into how many tasks a stage is cut, and what each of them has to do.

The number is the work that is expected over the runtime advised for a task (ATR): Kažemaks,
Versluis, Ozkan, Decouchant, arXiv 2510.15485, which take 500 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

from hocket.cluster.model.analytics import MOST_TASKS


def advised(work: float, runtime: Fraction, tasks: int, cores: int) -> int:
    """Into how many tasks to cut `work` core-ticks so that each runs for about `runtime` ticks.

    Never into fewer than the stage has, unless there is one for every core: a floor such as
    Spark's ``minPartitionNum``, below which cores would be idle for want of tasks.
    """
    return min(max(int(work / runtime), min(tasks, cores), 1), MOST_TASKS)


def cut(tasks: Sequence[int], parts: int) -> tuple[int, ...]:
    """The ticks of each of `parts` tasks into which the data of `tasks` are cut anew.

    The original tasks lie side by side with equal shares of the data, and the work of each lies
    evenly in its share. Sums of the first parts are rounded, halves up, so that nothing is lost.
    """
    count = len(tasks)
    if parts == count:
        return tuple(tasks)
    before = [0, *accumulate(tasks)]
    ends = []
    for k in range(parts):
        whole, rest = divmod(k * count, parts)
        ends.append(before[whole] + (2 * tasks[whole] * rest + parts) // (2 * parts))
    ends.append(before[-1])
    return tuple(end - start for start, end in pairwise(ends))

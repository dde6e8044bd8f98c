"""The example of Topcuoglu et al., and the nine graphs that gym_ds3 added to it.

The times are those of H. Topcuoglu, S. Hariri, M.-Y. Wu, Performance-effective and low-complexity
task scheduling for heterogeneous computing, IEEE Transactions on Parallel and Distributed Systems
13 (2002) 260-274, figure 2 and table 1. The other graphs, frequencies, power and bandwidths are
those of the "synthetic" profile of gym_ds3 (T. T. Sung et al., DeepSoCS, Electronics 9 (2020) 936),
files ``DASH.SoC.Top.txt`` and ``job_Top.txt`` to ``job_Top10.txt``. Times are microseconds.
"""

from __future__ import annotations

from hocket.taskgraph.generate.base import arrows, job_type
from hocket.taskgraph.model.jobs import JobType
from hocket.taskgraph.model.processors import (
    Communication,
    Function,
    Link,
    OperatingPoint,
    Processor,
)

TASKS = tuple(f"task_{i}" for i in range(1, 11))

TIMES = {
    "P1": (14, 13, 11, 13, 12, 13, 7, 5, 18, 21),
    "P2": (16, 19, 13, 8, 13, 16, 15, 11, 12, 7),
    "P3": (9, 18, 19, 17, 10, 9, 11, 14, 20, 16),
}
"""Duration of tasks 1 to 10; in the files, power at the highest frequency is the same number."""

_POINTS = (
    (600, 900),
    (800, 950),
    (1000, 1000),
    (1200, 1037),
    (1400, 1100),
    (1600, 1175),
    (1800, 1300),
    (2000, 1362),
)

_EDGES = (
    "0>1:18 0>2:12 0>3:9 0>4:11 0>5:14 1>7:19 1>8:16 2>6:23 3>7:27 3>8:23 4>8:13 5>7:15 "
    "6>9:17 7>9:11 8>9:13",
    "0>1:18 0>2:12 0>3:9 0>4:11 1>5:14 1>6:19 2>5:16 3>6:23 3>7:27 4>7:23 5>8:13 6>8:15 "
    "7>9:11 8>9:13",
    "0>1:18 0>2:12 0>3:9 0>4:11 1>5:14 2>6:19 3>5:16 4>6:23 5>7:27 6>8:23 7>9:13 8>9:15",
    "0>1:18 0>2:12 1>4:9 1>6:11 2>3:14 2>5:19 2>6:16 3>7:23 4>7:27 5>8:13 6>7:23 7>9:15 8>9:17",
    "0>1:18 0>2:12 0>3:9 2>4:11 1>5:14 3>5:19 2>6:16 1>7:23 3>7:27 4>8:23 5>8:13 6>9:15 "
    "7>9:17 8>9:11",
    "0>1:18 0>2:12 1>3:9 2>4:11 1>5:14 2>5:19 2>6:16 2>7:23 2>8:27 3>9:23 4>9:19 5>9:16 "
    "6>9:23 7>9:27 8>9:23",
    "0>1:18 0>2:12 0>3:9 0>4:11 1>5:14 3>6:19 1>7:16 2>7:23 2>8:27 4>8:23 5>9:17 6>9:11 "
    "7>9:13 8>9:18",
    "0>1:18 0>2:12 0>3:9 0>4:11 0>5:14 0>6:19 2>7:16 1>8:23 3>8:27 4>9:23 5>9:13 6>9:15 "
    "7>9:17 8>9:11",
    "0>1:18 0>2:12 0>3:9 0>4:11 0>5:14 3>6:19 1>7:16 3>7:23 2>8:27 5>8:23 4>9:13 6>9:15 "
    "7>9:17 8>9:11",
    "0>1:18 0>2:12 0>3:9 0>4:11 1>5:14 2>5:19 1>6:16 4>6:23 3>7:27 4>7:23 4>8:13 5>9:15 "
    "6>9:17 7>9:11 8>9:13",
)

MOST = len(_EDGES)
"""How many graphs there are."""

_EVEN = {6: (0.17, 0.15), 7: (0.14, 0.16), 8: (0.12, 0.16), 9: (0.11, 0.12)}


def processors() -> tuple[Processor, ...]:
    """The three processors, at their highest frequency, each running one task at a time."""
    points = tuple(OperatingPoint(frequency=f, voltage=v) for f, v in _POINTS)
    return tuple(
        Processor(
            name=name,
            functions={
                task: Function(duration=time, power=float(time))
                for task, time in zip(TASKS, times, strict=True)
            },
            points=points,
        )
        for name, times in TIMES.items()
    )


def communication() -> Communication:
    """One unit of volume per tick between two processors, a hundred within one, two to memory."""
    return Communication(
        links=tuple(Link(between=(name, name), bandwidth=100) for name in TIMES),
        default=1,
        memory=dict.fromkeys(TIMES, 2),
    )


def weights(count: int) -> tuple[float, ...]:
    """The shares in which gym_ds3 mixes its first `count` graphs: nearly even ones."""
    if count not in _EVEN:
        return (1.0,) * count
    each, last = _EVEN[count]
    return (each,) * (count - 1) + (last,)


def types(count: int = MOST) -> tuple[JobType, ...]:
    """The first `count` graphs, called Top_1 to Top_10, with the weights of gym_ds3."""
    return tuple(
        job_type(f"Top_{i + 1}", TASKS, arrows(_EDGES[i]), weight)
        for i, weight in enumerate(weights(count))
    )

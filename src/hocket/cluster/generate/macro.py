"""A window of a large trace with users and jobs of very different sizes, rebuilt from its figures.

The authors of user weighted fair queuing replayed 500 s of a trace of a Google cluster, scaled to
32 cores in two ways. What is known of each is how many users and jobs it has and the total, median
and maximum of the jobs' run times on all cores; see `WINDOWS`. Everything else is our choice: sizes
between those are drawn so that their logarithms rise steadily and their total comes out; jobs fall
to users by Zipf's law, come at uniformly random times, and are divided into tasks as those of
`hocket.cluster.generate.analytics` are.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from hocket.cluster.generate.analytics import AGGREGATE, CORES, OVERHEADS, Tasks, skewed
from hocket.cluster.model.analytics import Analytics, Job, Stage, User
from hocket.cluster.sharing.policy import UWFQ as SOURCE
from hocket.core.domain import Generator, checked
from hocket.core.streams import Streams


class Window(NamedTuple):
    """A scaled window: how many users and jobs, and run times on all 32 cores (s)."""

    users: int
    jobs: int
    total: float
    median: float
    longest: float


WINDOWS = {
    "hetero": Window(users=27, jobs=125, total=399, median=0.255, longest=76),
    "homo": Window(users=22, jobs=97, total=601, median=7.09, longest=33.1),
}
SMALLEST = 0.01
"""Seconds that the smallest job takes on all cores."""


class Macro(Generator, frozen=True, kw_only=True):
    """Users and jobs as in a window of a Google trace, rebuilt from its published figures.

    - `sizes`: `hetero`, most jobs small and a few very large, or `homo`, most of several seconds
    - `seconds`: how long jobs arrive; the trace's window has 500
    - `tasks`: into how many tasks a scan is divided
    - `skew`: the longest of them over the mean
    """

    name: ClassVar[str] = "uwfq-macro"
    source: ClassVar[str] = SOURCE

    sizes: Literal["hetero", "homo"] = "hetero"
    seconds: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 500.0
    tasks: Tasks = CORES
    skew: Annotated[float, msgspec.Meta(ge=1, le=30)] = 2.0

    def __post_init__(self) -> None:
        checked(self, "cluster")

    def make(self, seed: int = 0) -> Analytics:
        """The scenario of this seed, in milliseconds."""
        window, streams = WINDOWS[self.sizes], Streams(seed)
        sizes = run_times(window)
        streams["sizes"].shuffle(sizes)
        times = np.sort(streams["arrivals"].uniform(0, 1000 * self.seconds, size=window.jobs))
        owners = _owners(window, streams["users"])
        jobs = tuple(
            self._job(f"job-{k + 1}", f"user-{user + 1}", round(time), seconds)
            for k, (user, time, seconds) in enumerate(
                zip(owners.tolist(), times.tolist(), sizes.tolist(), strict=True)
            )
        )
        users = tuple(User(name=f"user-{k + 1}") for k in range(window.users))
        name = f"macro-{self.sizes}-{seed}"
        return Analytics(name=name, cores=CORES, jobs=jobs, users=users, overheads=OVERHEADS)

    def _job(self, name: str, user: str, arrival: int, seconds: float) -> Job:
        work = max(CORES, round(1000 * CORES * seconds))
        aggregate = min(AGGREGATE, work // 2)
        longest = round(self.skew * (work - aggregate) / self.tasks)
        scan = skewed(work - aggregate, self.tasks, longest)
        return Job(
            name=name,
            user=user,
            arrival=arrival,
            stages=(
                Stage(name="scan", tasks=scan, estimate=sum(scan)),
                Stage(
                    name="sum", tasks=(aggregate,), after=(0,), divisible=False, estimate=aggregate
                ),
            ),
        )


def run_times(window: Window) -> npt.NDArray[np.float64]:
    """Run times (s) in ascending order, with the window's median, maximum and total.

    The lower half rises from `SMALLEST` to the median with equal steps of its logarithm, the upper
    half to the maximum with steps that grow as a power, which is found by halving.
    """
    at = (np.arange(window.jobs) / (window.jobs - 1)).astype(np.float64)
    lower, upper = at[at <= 0.5] / 0.5, (at[at > 0.5] - 0.5) / 0.5
    small = SMALLEST * (window.median / SMALLEST) ** lower
    low, high = 0.01, 100.0
    for _ in range(64):  # the total falls as the power rises
        power = (low + high) / 2
        large = window.median * (window.longest / window.median) ** (upper**power)
        low, high = (power, high) if small.sum() + large.sum() > window.total else (low, power)
    found: npt.NDArray[np.float64] = np.concatenate((small, large))
    return found


def _owners(window: Window, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """The user of each job: one each, the others by Zipf's law."""
    weights = 1 / np.arange(1, window.users + 1)
    more = random.choice(window.users, size=window.jobs - window.users, p=weights / weights.sum())
    owners = np.concatenate((np.arange(window.users), more))
    random.shuffle(owners)
    return owners


NAMED = {"macro-hetero": Macro(sizes="hetero"), "macro-homo": Macro(sizes="homo")}
"""Both windows by their names; as scenarios they are those of seed 0."""

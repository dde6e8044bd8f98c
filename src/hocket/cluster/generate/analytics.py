"""The four small workloads with which user weighted fair queuing was measured on a real cluster.

Users run jobs of three sizes on 32 cores. Published are how long the cores of a job are busy in
all, and how long a job takes that has the cluster to itself; not how its work is divided. So each
job is made of two stages, a scan of skewed tasks, one for each core, and an aggregate of one task,
such that it takes alone what it took there:

    alone = overhead of the job + longest task of the scan + overhead of a stage + aggregate,

where both overheads hold what the driver takes for a stage.

The time on cores is taken to include what a task takes besides its work, so tasks have no overhead
of their own: the published makespan of S2 leaves no room for one. Overheads of the driver and the
aggregate are our choice: a job's is at the upper end of what drivers take, and with the others the
scan of the smallest job is about as skewed as that of the next. How much of them the driver does
for one stage at a time was measured on Spark itself, see `SERIAL`. Nothing was chosen by the
response times that come out of the four workloads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, NamedTuple

import msgspec
import numpy as np

from hocket.cluster.model.analytics import Analytics, Job, Overheads, Stage, User
from hocket.cluster.sharing.policy import UWFQ as SOURCE
from hocket.core.domain import Generator, checked
from hocket.core.streams import Streams

Tasks = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
CORES = 32
JOB, STAGE = 300, 200
"""What a job takes until its first stage is queued, and its second after that is done (ms)."""
SERIAL = 0.13
"""Share of a job's overheads that Spark's driver does for one stage at a time.

Measured by ``python -m benchmarks.spark_driver`` on Spark 3.5.5, for jobs of two stages and 32
tasks as here: processor time of the scheduler's threads over what a job alone takes besides its
tasks. Median of three runs on two busy processors, 11 to 15 %; up to 27 % for jobs of fewer tasks.
That was 5 to 7 ms for a stage, most of it by the task. The published workloads ran on another
machine, for which nothing of the kind is known; it is the share that is carried over, not the time.
"""
DRIVER = round(SERIAL * (JOB + STAGE) / 2)
OVERHEADS = Overheads(job=JOB - DRIVER, stage=STAGE - DRIVER, driver=DRIVER)
AGGREGATE = 270
"""How long the one task of a job's second stage runs (ms)."""


class Published(NamedTuple):
    """What is known of a kind of job: core-milliseconds in all, and milliseconds when alone."""

    slot_time: int
    alone: int


KINDS = {
    "loop1000": Published(131_115, 10_840),
    "loop100": Published(26_926, 2_200),
    "loop20": Published(1_523, 852),
}
"""Jobs that loop over each row so often and then sum what comes out."""


def skewed(work: int, count: int, longest: int) -> tuple[int, ...]:
    """`count` tasks of `work` core-ticks in all, of which the first takes `longest`.

    They fall off as a power of their rank, as sizes of files do that are read largest first.
    `longest` is at least the mean; rounding is made up for in the tasks behind the first.
    """
    if count == 1 or longest * count <= work:
        share, more = divmod(work, count)
        return tuple(share + (k < more) for k in range(count))
    ranks = np.arange(1, count + 1, dtype=np.float64)
    low, high = 0.0, 64.0
    for _ in range(64):  # the sum falls as the power rises
        power = (low + high) / 2
        low, high = (power, high) if (longest * ranks**-power).sum() > work else (low, power)
    ends = np.rint(np.cumsum(longest * ranks**-high)).astype(np.int64)
    ends[0], ends[-1] = min(longest, work), work
    ends = np.clip(ends, ends[0], work)
    return tuple(int(size) for size in np.diff(ends, prepend=0))


def job(name: str, user: str, kind: str, arrival: int, after: str = "", tasks: int = CORES) -> Job:
    """A job of one of the published kinds, in two stages; estimates are what its stages take.

    Its scan has so many tasks; of too few for the published longest one all are equal.
    """
    slot_time, alone = KINDS[kind]
    longest = alone - JOB - STAGE - AGGREGATE
    scan = skewed(slot_time - AGGREGATE, tasks, longest)
    return Job(
        name=name,
        user=user,
        stages=(
            Stage(name="scan", tasks=scan, estimate=sum(scan)),
            Stage(name="sum", tasks=(AGGREGATE,), after=(0,), divisible=False, estimate=AGGREGATE),
        ),
        arrival=arrival,
        after=after,
        kind=kind,
    )


class Micro(Generator, frozen=True, kw_only=True):
    """Four users on 32 cores: the small workloads S1 to S4 of user weighted fair queuing.

    - `case`: `s1`, two users with four long jobs each, one after another, and two with six short
      ones that come at random, 15 a minute; `s2`, two frequent users with twenty jobs every half
      minute, four times, and two infrequent ones with twelve at random, 8 a minute; `s3`, four
      users with four long jobs each, one after another; `s4`, four users with thirty small jobs
      each at once, the users 0.1 s apart
    - `tasks`: into how many tasks a scan is divided; Spark makes one for each core

    Jobs are divided into tasks as this module says; that is our choice.
    """

    name: ClassVar[str] = "uwfq-micro"
    source: ClassVar[str] = SOURCE

    case: Literal["s1", "s2", "s3", "s4"] = "s1"
    tasks: Tasks = CORES

    def __post_init__(self) -> None:
        checked(self, "cluster")

    def make(self, seed: int = 0) -> Analytics:
        """The scenario of this seed, in milliseconds; chance is in random arrivals only."""
        jobs = {"s1": _s1, "s2": _s2, "s3": _s3, "s4": _s4}[self.case]
        made = tuple(
            job(come.name, come.user, come.kind, come.arrival, come.after, self.tasks)
            for come in jobs(Streams(seed))
        )
        users = dict.fromkeys(one.user for one in made)
        return Analytics(
            name=f"{self.case}-{seed}",
            cores=CORES,
            jobs=made,
            users=tuple(User(name=user, group=_group(user)) for user in users),
            overheads=OVERHEADS,
        )


def _group(user: str) -> str:
    group = user.rpartition("-")[0]
    return "" if group == "user" else group


class _Coming(NamedTuple):
    """A job that comes, by the name of its kind."""

    name: str
    user: str
    kind: str
    arrival: int
    after: str = ""


def _s1(streams: Streams) -> Iterator[_Coming]:
    for number in (1, 2):
        yield from _in_turn(f"long-{number}", "loop1000", 4, 100 * number)
    for number in (1, 2):
        start = 50 + 100 * number
        yield from _at_random(f"short-{number}", "loop100", 6, start, 15, streams)


def _s2(streams: Streams) -> Iterator[_Coming]:
    for number in (1, 2):
        user = f"frequent-{number}"
        for burst, start in enumerate((100, 30_000, 60_000, 90_000)):
            for k in range(20):
                name = f"{user}/{20 * burst + k + 1}"
                yield _Coming(name, user, "loop100", start + 100 * (number - 1))
    for number in (1, 2):
        start = 100 + 100 * number
        yield from _at_random(f"infrequent-{number}", "loop100", 12, start, 8, streams)


def _s3(_: Streams) -> Iterator[_Coming]:
    for number in (1, 2, 3, 4):
        yield from _in_turn(f"user-{number}", "loop1000", 4, 100 * number)


def _s4(_: Streams) -> Iterator[_Coming]:
    for number in (1, 2, 3, 4):
        for k in range(30):
            yield _Coming(f"user-{number}/{k + 1}", f"user-{number}", "loop20", 100 * number)


def _in_turn(user: str, kind: str, count: int, start: int) -> Iterator[_Coming]:
    """Jobs of which each is submitted when the one before is done."""
    before = ""
    for k in range(count):
        yield _Coming(f"{user}/{k + 1}", user, kind, start, before)
        before = f"{user}/{k + 1}"


def _at_random(
    user: str, kind: str, count: int, start: int, rate: float, streams: Streams
) -> Iterator[_Coming]:
    """Jobs of a Poisson process of so many a minute; the first comes at `start` (ms)."""
    gaps = streams[f"{user}.arrivals"].exponential(60_000 / rate, size=count - 1)
    times = start + np.concatenate(([0.0], np.cumsum(gaps)))
    for k, time in enumerate(times.tolist()):
        yield _Coming(f"{user}/{k + 1}", user, kind, round(time))


NAMED: dict[str, Micro] = {
    "s1": Micro(case="s1"),
    "s2": Micro(case="s2"),
    "s3": Micro(case="s3"),
    "s4": Micro(case="s4"),
}
"""The four by their names; as scenarios they are those of seed 0."""

"""The best use of given GPUs: policy, token budget, cut and roles for the highest rate in the SLO.

The rate is that of the scenario's own requests, sent closer together or further apart. The most
promising candidates, by a short part of the log, are bisected first; another is then only looked at
a little above the highest rate so far, and mostly refuted by one simulation that is given up early.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from hocket.core.errors import NotApplicable
from hocket.core.solution import Row
from hocket.core.streams import Streams
from hocket.serving.capacity.crew import Crew, Journal
from hocket.serving.capacity.evidence import described, measured, ordered, unfit
from hocket.serving.capacity.fleet import Configuration, Counts, Cut, Excluded, fleet
from hocket.serving.capacity.part import busiest
from hocket.serving.capacity.probe import Ended, Outcome, probe
from hocket.serving.capacity.rate import TOLERANCE, at_rate, highest, own_rate
from hocket.serving.capacity.settle import Ending, Job
from hocket.serving.model.cluster import Cluster

PARTS = 16
"""Uses are ranked on one part in so many of the log."""
LEAST_PART = 250
WAVES = (2, 6)
ROUGHLY = 0.2
"""How exactly rates are found where uses are only ranked."""


class Use(msgspec.Struct, frozen=True):
    """One use of the GPUs: a configuration by its place in the job, and replicas."""

    index: int
    counts: Counts


class Push(msgspec.Struct, frozen=True):
    """Find the highest rate of a use; `start` is the factor of the scenario's rate to begin with.

    With `beat` it has to meet the SLO at `start`, or nothing else is looked at. `tolerance` is that
    of `hocket.serving.capacity.rate.highest`.
    """

    use: Use
    start: float
    beat: bool = False
    tolerance: float = TOLERANCE


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """The factors at which a use met the SLO and did not, and every simulation, in order."""

    passed: float
    failed: float
    rows: tuple[tuple[float, Outcome], ...] = ()
    ended: Ending = ""
    error: str = ""


def push(job: Job, task: Push) -> Pushed:
    """A task for `hocket.core.pool.spread`."""
    rows: list[tuple[float, Outcome]] = []
    one = job.configurations[task.use.index]
    world = fleet(job.scenario, job.search, one, task.use.counts)
    ended: Ending = ""

    def passes(factor: float) -> bool:
        rows.append(
            (factor, probe(at_rate(world, factor), one.policy, seed=job.seed, clock=job.clock))
        )
        return rows[-1][1].meets

    try:
        if not task.beat or passes(task.start):
            start = task.start * (1 + TOLERANCE) if task.beat else task.start
            highest(passes, start=start, tolerance=task.tolerance)
    except Ended:
        ended = "time"
    except KeyboardInterrupt:  # what was found until now is the answer
        ended = "interrupted"
    passed = max((factor for factor, outcome in rows if outcome.meets), default=0.0)
    above = (f for f, outcome in rows if not outcome.meets and f > passed)
    return Pushed(passed=passed, failed=min(above, default=math.inf), rows=tuple(rows), ended=ended)


class Fastest:
    """The state of one search. `run` leaves what was found in its fields.

    - `best`: the use that takes most, `factor` how many times the scenario's own rate it takes
    - `highest`: for each use the lowest factor known to be too much
    """

    def __init__(
        self,
        job: Job,
        uses: Sequence[Use],
        excluded: Sequence[Excluded],
        crew: Crew,
        journal: Journal,
    ) -> None:
        self.job, self.uses, self.excluded = job, tuple(uses), tuple(excluded)
        self.crew, self.journal = crew, journal
        self.own = own_rate(job.scenario, job.seed)
        if not self.own:
            raise NotApplicable("goodput is a rate; these requests do not come at one")
        self.requests = len(job.scenario.workload.draw(Streams(job.seed), job.scenario.time_unit))
        self.best: int | None = None
        self.factor = 0.0
        self.outcome: Outcome | None = None
        self.failed = [math.inf] * len(self.uses)
        self.rows_of: dict[int, tuple[tuple[float, Outcome], ...]] = {}
        self.settled: set[int] = set()
        self.lost: dict[int, str] = {}
        self.ended = ""

    def run(self) -> None:
        """Search until everything is settled or time is over; Ctrl-C ends it too."""
        try:
            order, starts = self._ranked()
            for size in (*WAVES, len(order)):
                if not self.ended:
                    self._push(order[:size], starts)
                    order = order[size:]
        except KeyboardInterrupt:
            self.ended = "interrupted"
        except Ended:
            self.ended = self.ended or "time"
        self.journal.note(self.value, self.bound)

    @property
    def value(self) -> float | None:
        """Requests per second of the best use; None if none meets the SLO at any rate tried."""
        return self.own * self.factor if self.best is not None else None

    @property
    def bound(self) -> float | None:
        """No use meets the SLO at this rate; None while that is not known of all."""
        most = max(self.failed, default=math.inf)
        return None if math.isinf(most) else self.own * most

    @property
    def complete(self) -> bool:
        """Whether everything was looked at."""
        return len(self.settled) == len(self.uses)

    def rows(self) -> tuple[Row, ...]:
        """The evidence."""
        found: list[Row] = []
        for place, use in enumerate(self.uses):
            what = described(self.job.configurations[use.index], use.counts)
            for factor, outcome in self.rows_of.get(place, ()):
                found.append({**what, "rate": self.own * factor, **measured(outcome)})
            if not self.rows_of.get(place):
                why = self.lost.get(place, "not run: the search ended before")
                found.append({**what, "verdict": why})
        return ordered([*found, *map(unfit, self.excluded)])

    def _ranked(self) -> tuple[list[int], list[float]]:
        """All uses, the most promising first, and the factors to begin with."""
        order, starts = list(range(len(self.uses))), [1.0] * len(self.uses)
        count = max(LEAST_PART, self.requests // PARTS)
        part = busiest(self.job.scenario, count, self.job.seed) if len(order) > 2 else None
        if part is None:
            return order, starts
        rate = own_rate(part, self.job.seed)
        job = replace(self.job, scenario=part)
        tasks = [Push(use, 1.0, tolerance=ROUGHLY) for use in self.uses]
        found: dict[int, float] = {}
        for place, pushed in self.crew.results(push, job, tasks, 6 * count, _lost):
            if pushed.ended == "interrupted":
                raise KeyboardInterrupt
            if not pushed.ended:
                found[place] = pushed.passed
        for place, factor in found.items():
            # The part is a busy one: the whole log takes as many requests per second, or more.
            starts[place] = factor * rate / self.own if factor else 1.0
        return sorted(order, key=lambda place: (-found.get(place, 0.0), place)), starts

    def _push(self, places: Sequence[int], starts: Sequence[float]) -> None:
        beat = self.factor * (1 + TOLERANCE)
        tasks = [Push(self.uses[place], beat or starts[place], beat=beat > 0) for place in places]
        results = self.crew.results(push, self.job, tasks, 4 * self.requests, _lost)
        for at, pushed in results:
            self._learn(places[at], pushed)
            self.journal.note(self.value, self.bound)
            if self.ended == "interrupted":
                raise KeyboardInterrupt
        if self.crew.over():
            self.ended = "time"

    def _learn(self, place: int, pushed: Pushed) -> None:
        if pushed.ended == "lost":
            self.lost[place] = f"failed: {pushed.error}"
            return
        self.rows_of[place] = pushed.rows
        self.failed[place] = pushed.failed
        if pushed.ended:
            self.ended = pushed.ended
        else:
            self.settled.add(place)
        better = pushed.passed > self.factor
        same = pushed.passed == self.factor and self.best is not None and place < self.best
        if pushed.passed and (better or same):
            self.best, self.factor = place, pushed.passed
            self.outcome = dict(pushed.rows)[pushed.passed]


def uses(scenario: Cluster, configurations: Sequence[Configuration]) -> tuple[Use, ...]:
    """All ways to use the GPUs of the scenario's first pool with these configurations.

    Of two roles every split that leaves no replica's worth of GPUs idle. Pools as they are have one
    use.
    """
    pool = scenario.pools[0]
    total = pool.count * pool.gpus
    found = []
    for index, one in enumerate(configurations):
        found += [Use(index, counts) for counts in _counts(one.cuts, total)]
    return tuple(found)


def _counts(cuts: tuple[Cut, ...], gpus: int) -> list[Counts]:
    if not cuts:
        return [()]
    first = cuts[0].gpus
    if len(cuts) == 1:
        return [(gpus // first,)] if gpus >= first else []
    second = cuts[1].gpus
    found: list[Counts] = []
    for decode in range(gpus // second, 0, -1):
        prefill = (gpus - decode * second) // first
        if prefill and (not found or found[-1][0] < prefill):
            found.append((prefill, decode))
    return found


def _lost(why: str) -> Pushed:
    return Pushed(passed=0.0, failed=math.inf, ended="lost", error=why)

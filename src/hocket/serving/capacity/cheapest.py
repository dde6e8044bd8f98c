"""The cheapest fleet that meets the SLO on a log.

Configurations are ranked by what they need on busy parts of the log: on a short one all, on longer
ones the better third of them each time (successive halving: Jamieson and Talwalkar, "Non-stochastic
Best Arm Identification and Hyperparameter Optimization", AISTATS 2016). Then they are settled on
the whole log, the most promising first; once a fleet is known, the others are only looked at up to
its price, which mostly takes one simulation that is given up early. Among fleets of equal price the
one that more requests meet the SLO on is preferred.

The bound is the cheapest fleet that is not refuted. It holds for the fleets of the search, this log
and this seed, if more replicas never make it worse, which is looked at around the fleet found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import msgspec
from msgspec.structs import replace

from hocket.core.solution import Row
from hocket.core.streams import Streams
from hocket.serving.capacity.crew import Crew, Journal
from hocket.serving.capacity.evidence import described, measured, ordered, unfit
from hocket.serving.capacity.fleet import Counts, Cut, Excluded, fleet
from hocket.serving.capacity.part import busiest
from hocket.serving.capacity.probe import Ended, Outcome, probe
from hocket.serving.capacity.settle import Job, Settled, Task, look, settle
from hocket.serving.capacity.work import guess

LEAST_PART = 250
"""Requests below which a part of a log says nothing."""
PARTS = (64, 16)
"""Configurations are ranked on one part in so many of the log, one after the other."""
KEPT = 3
"""One in so many goes on to the next part."""
WAVES = (2, 6)
"""How many configurations are settled at a time, before all that are left."""
SLACK = 3
"""Replicas up to so many fewer than found are looked at to see whether they are really too few."""


Kind = tuple[str, tuple[Cut, ...]]
"""Configurations that differ in policy only."""


class Best(msgspec.Struct, frozen=True):
    """The fleet to beat."""

    price: float
    index: int
    counts: Counts
    outcome: Outcome


class Cheapest:
    """The state of one search. `run` leaves what was found in its fields.

    - `best`: the cheapest fleet known to meet the SLO
    - `seen`: all simulations of the whole log; `floors`: what each configuration costs at least
    - `ended`: why it was ended before everything was settled, if it was
    - `found`: the best fleet of each configuration; `hints`: where others of a kind begin
    - `scouted`: what was the cheapest on a part of the log
    - `strange`: fleets that contradict the assumption that more replicas are never worse
    """

    def __init__(
        self,
        job: Job,
        excluded: Sequence[Excluded],
        crew: Crew,
        journal: Journal,
    ) -> None:
        self.job, self.excluded, self.crew, self.journal = job, tuple(excluded), crew, journal
        self.drawn = job.scenario.workload.draw(Streams(job.seed), job.scenario.time_unit)
        self.requests = len(self.drawn)
        self.best: Best | None = None
        self.seen: dict[tuple[int, Counts], Outcome] = {}
        self.floors = [self._price(i, self._ones(i)) for i in range(len(job.configurations))]
        self.settled: set[int] = set()
        self.failed: dict[int, str] = {}
        self.found: dict[Kind, dict[int, Counts]] = {}
        self.hints: dict[Kind, Counts] = {}
        self.ended = self.scouted = ""
        self.strange: list[str] = []

    def run(self) -> None:
        """Search until everything is settled or time is over; Ctrl-C ends it too."""
        try:
            tasks = self._ranked()
            for size in (*WAVES, len(tasks)):
                if not self.ended:
                    self._settle(tasks[:size])
                    tasks = tasks[size:]
            if not self.ended:
                self._look_around()
                self._look_closer()
        except KeyboardInterrupt:
            self.ended = "interrupted"
        except Ended:
            self.ended = self.ended or "time"
        self.journal.note(self.value, self.bound)

    @property
    def value(self) -> float | None:
        """The price of the best fleet."""
        return None if self.best is None else self.best.price

    @property
    def bound(self) -> float | None:
        """The least price of a fleet that is not refuted, None if all are."""
        least = min([*self.floors, math.inf if self.best is None else self.best.price])
        return None if math.isinf(least) else least

    @property
    def complete(self) -> bool:
        """Whether no cheaper fleet is left to be looked at."""
        limit = math.inf if self.best is None else self.best.price
        return all(i in self.settled or floor >= limit for i, floor in enumerate(self.floors))

    def rows(self) -> tuple[Row, ...]:
        """The evidence."""
        found: list[Row] = []
        for (index, counts), outcome in sorted(self.seen.items(), key=lambda item: item[0]):
            one = self.job.configurations[index]
            price = {"price": self._price(index, counts)}
            found.append({**described(one, counts), **price, **measured(outcome)})
        looked = {index for index, _ in self.seen}
        for index, one in enumerate(self.job.configurations):
            if index not in looked:
                found.append({**described(one, None), "verdict": self._unseen(index)})
        return ordered([*found, *map(unfit, self.excluded)])

    def most_attained(self) -> tuple[int, Counts, Outcome] | None:
        """The fleet that most requests met the SLO on, if not enough; None if none was run."""
        whole = [(key, outcome) for key, outcome in self.seen.items() if not outcome.stopped]
        found = max(
            whole or list(self.seen.items()),
            key=lambda item: (item[1].attainment, -self._price(*item[0])),
            default=None,
        )
        return None if found is None else (*found[0], found[1])

    # Ranking on parts of the log.

    def _ranked(self) -> list[Task]:
        """All configurations, the most promising first, each with replicas to begin with."""
        hints = [self._guess(i) for i in range(len(self.job.configurations))]
        order = sorted(range(len(hints)), key=lambda i: (self._price(i, hints[i]), i))
        kept = len(order)
        for share in PARTS if kept > 2 else ():
            count = self.requests // share
            part = busiest(self.job.scenario, count, self.job.seed) if count >= LEAST_PART else None
            if part is None or kept < 2 or self.crew.over():
                continue
            found = self._on(replace(self.job, scenario=part), order[:kept], hints, count)
            for index, (_, _, counts) in found.items():
                hints[index] = counts
            last = (math.inf, 0.0, ())
            order[:kept] = sorted(order[:kept], key=lambda i: (*found.get(i, last)[:2], i))
            kept = -(-kept // KEPT)
            if found:
                best = min(found, key=lambda i: (*found[i][:2], i))
                told = self.job.configurations[best].told(hints[best])
                self.scouted = f"on the busiest {count} requests in a row, {told} was the cheapest"
        return [Task(i, hints[i]) for i in order]

    def _guess(self, index: int) -> Counts:
        one = self.job.configurations[index]
        world = fleet(self.job.scenario, self.job.search, one, self._ones(index))
        found = guess(world.pools, self.drawn, world.time_unit)
        return tuple(min(count, self.job.search.most) for count in found)

    def _on(
        self, job: Job, indices: Sequence[int], hints: Sequence[Counts], requests: int
    ) -> dict[int, tuple[float, float, Counts]]:
        """For each configuration its price on a part of the log, minus attainment, and replicas."""
        tasks = [Task(i, hints[i]) for i in indices]
        found: dict[int, tuple[float, float, Counts]] = {}
        for place, settled in self.crew.results(settle, job, tasks, 3 * requests, _lost):
            index = indices[place]
            if settled.ended == "interrupted":
                raise KeyboardInterrupt
            if settled.best is not None:
                price, outcome = self._price(index, settled.best), dict(settled.rows)[settled.best]
                found[index] = (price, -outcome.attainment, settled.best)
            elif not settled.ended:
                most = (job.search.most,) * len(job.configurations[index].cuts)
                found[index] = (math.inf, 0.0, most)
        return found

    # Settling on the whole log.

    def _settle(self, tasks: Sequence[Task]) -> None:
        """Settle configurations up to the price to beat."""
        limit = math.inf if self.best is None else self.best.price
        wave = [
            Task(task.index, self.hints.get(self._kind(task.index), task.hint), limit)
            for task in tasks
            if self.floors[task.index] <= limit
        ]
        results = self.crew.results(settle, self.job, wave, 2 * self.requests, _lost)
        for place, settled in results:
            self._learn(wave[place].index, settled)
            self.journal.note(self.value, self.bound)
            if self.ended == "interrupted":
                raise KeyboardInterrupt
        # What one policy needs is where to begin with the others on the same replicas.
        for kind, counts in self.found.items():
            self.hints[kind] = counts[min(counts)]
        if self.crew.over():
            self.ended = "time"

    def _learn(self, index: int, settled: Settled) -> None:
        self.floors[index] = max(self.floors[index], settled.floor)
        for counts, outcome in settled.rows:
            self.seen[index, counts] = outcome
            self._offer(index, counts, outcome)
        if settled.ended == "lost":
            self.failed[index] = settled.error
        elif settled.ended:
            self.ended = settled.ended
        else:
            self.settled.add(index)
            if settled.best is not None:
                self.found.setdefault(self._kind(index), {})[index] = settled.best

    def _kind(self, index: int) -> Kind:
        one = self.job.configurations[index]
        return one.gpu, one.cuts

    def _offer(self, index: int, counts: Counts, outcome: Outcome) -> None:
        """Keep a fleet if it is the best so far, whatever the order in which results come."""
        if not outcome.meets:
            return
        best = Best(self._price(index, counts), index, counts, outcome)
        if self.best is None or _rank(best) < _rank(self.best):
            self.best = best

    # Afterwards.

    def _look_around(self) -> None:
        """See whether fewer replicas than were found are too few, and more are not worse."""
        looked: set[tuple[int, Counts]] = set()
        while self.best is not None and (self.best.index, self.best.counts) not in looked:
            index, counts, price = self.best.index, self.best.counts, self.best.price
            looked.add((index, counts))
            around = _neighbours(counts, self.job.search.most)
            points = [(index, near) for near in around if (index, near) not in self.seen]
            results = self.crew.results(look, self.job, points, self.requests, _failed)
            outcomes = dict(results)
            for at, (_, near) in enumerate(points):
                outcome = outcomes.get(at)
                if outcome is None:
                    continue
                self.seen[index, near] = outcome
                if outcome.meets and self._price(index, near) < price:
                    self._contradiction(index, near, "do meet the SLO, though more do not")
                more = all(map(int.__ge__, near, counts))
                if more and not outcome.meets and outcome.limit != "error":
                    self._contradiction(index, near, "do not meet the SLO, though fewer do")
                self._offer(index, near, outcome)

    def _contradiction(self, index: int, counts: Counts, what: str) -> None:
        self.strange.append(f"{self.job.configurations[index].told(counts)} {what}")

    def _look_closer(self) -> None:
        """Where nothing meets the SLO, find out how far the most promising fleet gets."""
        if self.best is not None:
            return
        found = max(
            self.seen.items(),
            key=lambda item: (item[1].attainment, -self._price(*item[0])),
            default=None,
        )
        if found is None or not found[1].stopped:
            return
        (index, counts), job = found[0], self.job
        one = job.configurations[index]
        world = fleet(job.scenario, job.search, one, counts)
        self.seen[index, counts] = probe(
            world, one.policy, seed=job.seed, clock=job.clock, quit_early=False
        )

    def _unseen(self, index: int) -> str:
        if index in self.failed:
            return f"failed: {self.failed[index]}"
        if self.best is not None and self.floors[index] > self.best.price:
            return f"not run: costs {self.floors[index]:g} at least"
        return "not run: the search ended before"

    def _price(self, index: int, counts: Counts) -> float:
        return self.job.configurations[index].price(self.job.search, counts)

    def _ones(self, index: int) -> Counts:
        return (1,) * len(self.job.configurations[index].cuts)


def _rank(best: Best) -> tuple[float, float, int, Counts]:
    return (best.price, -best.outcome.attainment, best.index, best.counts)


def _neighbours(counts: Counts, most: int) -> list[Counts]:
    """Fleets with one replica of a role more, or up to `SLACK` fewer."""
    found = []
    for axis, change in product(range(len(counts)), (1, *range(-1, -SLACK - 1, -1))):
        near = counts[axis] + change
        if 1 <= near <= most:
            found.append((*counts[:axis], near, *counts[axis + 1 :]))
    return found


def _failed(why: str) -> Outcome:
    return Outcome(meets=False, attainment=0.0, limit="error", error=why)


def _lost(why: str) -> Settled:
    return Settled(index=-1, floor=0.0, ended="lost", error=why)

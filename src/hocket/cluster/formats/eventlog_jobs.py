"""From what a Spark event log says to jobs of a scenario.

- All of Spark's jobs that serve one SQL query are one job here, as its user waits for all of them;
  what of a query began after another part had ended comes after it.
- Stages that were skipped, as their output was there, are left out, and those that needed them
  follow whatever these followed. A stage that several jobs share belongs to the first.
- A task lasts as long as it was at work on its core: deserialisation, run, serialisation. What it
  held its core for besides is an overhead. Overheads are medians over the log; those of jobs and
  stages hold what the driver took too, as no log says what it did for one stage at a time.
- Jobs that failed, were cancelled or had not ended are left out, and so are attempts in vain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from hocket.cluster.formats.eventlog_record import KIND, JobSeen, Record, StageSeen
from hocket.cluster.model.analytics import Job, Overheads, Stage
from hocket.core.scenario import LONGEST

NOBODY = "no-user"
"""The user of jobs that name none."""


class Group(NamedTuple):
    """Spark's jobs that are one job here: of one query, or just one.

    `arrival` is when it was submitted, `ended` when its last job was done (ms of the log).
    """

    name: str
    jobs: tuple[JobSeen, ...]
    arrival: int
    ended: int | None
    kind: str


class Found(NamedTuple):
    """What a log holds: jobs in the order of their arrival, overheads, and what was done to it."""

    jobs: tuple[Job, ...]
    overheads: Overheads
    notes: tuple[str, ...]


def found(record: Record, sequential: bool = False) -> Found:
    """The jobs of a log. With `sequential`, users submit as those who wait for their answers.

    Then a job that came when its user had no other in the system follows the user's last one, after
    the time that was between them.
    """
    builder = _Builder(record)
    groups = sorted(_groups(record), key=lambda group: group.arrival)
    kept = [(group, stages) for group in groups if (stages := builder.stages(group))]
    start = min((group.arrival for group, _ in kept), default=0)
    jobs, last = [], dict[str, tuple[str, int]]()
    for group, stages in kept:
        user = builder.user(group)
        after, think = "", 0
        if sequential and user in last and last[user][1] <= group.arrival:
            after, think = last[user][0], group.arrival - last[user][1]
        arrival = 0 if after else group.arrival - start
        if max(arrival, think) > LONGEST:
            raise ValueError(
                f"{group.name} comes {arrival} ms after the first; is the clock right?"
            )
        jobs.append(
            Job(
                name=group.name,
                user=user,
                stages=stages,
                arrival=arrival,
                after=after,
                think=think,
                kind=group.kind,
            )
        )
        ended = group.arrival if group.ended is None else group.ended
        if user not in last or ended > last[user][1]:
            last[user] = group.name, ended
    return Found(tuple(jobs), builder.overheads(), builder.notes())


def _groups(record: Record) -> Iterable[Group]:
    """Spark's jobs, those of one query together."""
    queries: dict[int, list[JobSeen]] = {}
    for job in record.jobs.values():
        known = None if job.query is None else record.queries.get(job.query)
        if job.query is None:
            ended = job.ended if job.succeeded else None
            yield Group(f"job-{job.id}", (job,), job.submitted, ended, _kind(job))
        else:
            queries.setdefault(job.query if known is None else known.root, []).append(job)
    for number, jobs in queries.items():
        query = record.queries.get(number)
        good = [job for job in jobs if job.succeeded]
        ends = [job.ended for job in good if job.ended is not None]
        whole = len(good) == len(jobs)
        if query is not None and query.failed is not None:
            whole = not query.failed  # parts may be cancelled that a query turns out not to need
        if query is not None and query.ended is None:
            whole = False
        ended = max(ends) if ends and whole else None
        arrival = min(job.submitted for job in jobs)
        kind = _kind(jobs[0])
        if query is not None:
            arrival = min(arrival, query.started)
            kind = query.description or kind
        yield Group(f"query-{number}", tuple(good), arrival, ended, kind[:200])


def _kind(job: JobSeen) -> str:
    return next((job.properties[key] for key in KIND if key in job.properties), "")[:200]


class _Builder:
    """Makes stages of groups, and counts what it did."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.count: Counter[str] = Counter()
        self.gaps: Counter[int] = Counter()  # from the end of stages to the next
        self.starts: Counter[int] = Counter()  # from submission to the first stage

    def user(self, group: Group) -> str:
        """Whoever submitted it."""
        for job in group.jobs:
            for key in self.record.keys:
                if key in job.properties:
                    return job.properties[key]
        self.count["nobody"] += 1
        return NOBODY

    def stages(self, group: Group) -> tuple[Stage, ...]:
        """The stages of a group that ran; none if it is left out."""
        if group.ended is None:
            self.count["unfinished"] += 1
            return ()
        seen = self._ran(group)
        if not seen:
            self.count["empty"] += 1
            return ()
        self.count["parts"] += len(group.jobs) - 1
        before = self._before(group, seen)
        number = {stage.id: index for index, stage in enumerate(seen)}
        self._gaps(group, seen, before)
        query = group.jobs[0].query is not None
        return tuple(
            Stage(
                name=stage.name.partition("\n")[0][:80],
                tasks=self._tasks(stage),
                after=tuple(sorted(number[b] for b in before[stage.id])),
                # How finely a query is cut is up to Spark, but for what ends in one partition;
                # how finely a program's data are cut is up to the program.
                divisible=query and stage.count > 1,
            )
            for stage in seen
        )

    def _ran(self, group: Group) -> list[StageSeen]:
        """The stages of a group that ran, in the order of their numbers, which is that of FIFO."""
        found: dict[int, StageSeen] = {}
        for job in group.jobs:
            for number in job.listed:
                stage = self.record.stages[number]
                if stage.owner == job.id and stage.tasks:
                    found[number] = stage
                elif stage.count:
                    self.count["skipped"] += 1
        return [found[number] for number in sorted(found)]

    def _before(self, group: Group, seen: list[StageSeen]) -> dict[int, set[int]]:
        """By stage those that come before it, directly."""
        ran = {stage.id for stage in seen}
        before = {stage.id: self._parents(stage, ran) for stage in seen}
        for job in group.jobs:
            own = [number for number in job.listed if number in ran and not before[number]]
            earlier = [o for o in group.jobs if o.ended is not None and o.ended <= job.submitted]
            # Only those after which no other part came that had ended too.
            begun = max((one.submitted for one in earlier), default=0)
            latest = [
                one
                for one in earlier
                if one.submitted == begun or (one.ended is not None and one.ended > begun)
            ]
            for one in latest:
                last = self._last(one, ran)
                for number in own:
                    before[number] |= last - {number}
        return before

    def _parents(self, stage: StageSeen, ran: set[int]) -> set[int]:
        """The nearest stages before one that ran, past those that were skipped."""
        found, known, todo = set[int](), set[int](), list(stage.parents)
        while todo:
            number = todo.pop()
            if number in ran:
                found.add(number)
            elif number not in known and number in self.record.stages:
                known.add(number)
                todo += self.record.stages[number].parents
        return found - {stage.id}

    def _last(self, job: JobSeen, ran: set[int]) -> set[int]:
        """The stages of a job after which none of its own comes."""
        own = {n for n in job.listed if n in ran and self.record.stages[n].owner == job.id}
        followed = {b for n in own for b in self._parents(self.record.stages[n], own)}
        return own - followed

    def _tasks(self, stage: StageSeen) -> tuple[int, ...]:
        """How long its tasks took; those that the log lost took as long as the mean of them."""
        found = [stage.tasks[partition] for partition in sorted(stage.tasks)]
        lost = stage.count - len(found)
        if lost <= 0:
            return tuple(found)
        self.count["lost"] += lost
        return (*found, *[round(sum(found) / len(found))] * lost)

    def _gaps(self, group: Group, seen: list[StageSeen], before: dict[int, set[int]]) -> None:
        """Take note of what the driver took between stages."""
        for stage in seen:
            ends = [self.record.stages[b].completed for b in before[stage.id]]
            known = [end for end in ends if end is not None]
            if stage.submitted is None:
                continue
            if not before[stage.id]:
                self.starts[max(0, stage.submitted - group.arrival)] += 1
            elif len(known) == len(ends):
                self.gaps[max(0, stage.submitted - max(known))] += 1

    def overheads(self) -> Overheads:
        """Medians of what was seen."""
        return Overheads(
            job=_median(self.starts),
            stage=_median(self.gaps),
            task=_median(self.record.overheads),
        )

    def notes(self) -> tuple[str, ...]:
        """What was done to the log, in sentences."""
        keys = ", ".join(self.record.keys)
        told = {
            "nobody": f"jobs that name no user in {keys}, and are those of {NOBODY!r}",
            "unfinished": "jobs left out that failed, were cancelled or had not ended",
            "empty": "jobs left out that ran no task",
            "parts": "jobs of Spark's that are parts of others, as they serve the same query",
            "skipped": "stages left out whose output was there before",
            "lost": "tasks that the log lost, taken to last as long as others of their stage",
            "vain": "attempts at tasks left out that were in vain",
            "backwards": "tasks that end before they begin, taken as 0 ms",
        }
        count = self.count | {"vain": self.record.vain, "backwards": self.record.backwards}
        return tuple(f"{what}: {count[key]}" for key, what in told.items() if count.get(key))


def _median(counts: Counter[int]) -> int:
    """The lower median of counted values; 0 if there are none."""
    half, reached = (counts.total() + 1) // 2, 0
    for value in sorted(counts):
        reached += counts[value]
        if reached >= half:
            return value
    return 0

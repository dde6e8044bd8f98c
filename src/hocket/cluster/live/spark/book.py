"""What the policy sees of a live application: the simulator's view, fed from outside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hocket.cluster.model.analytics import Analytics
from hocket.cluster.roles.analytics import JobState, Ordering, StageState, View
from hocket.core.errors import IllegalDecision, UserError
from hocket.core.policy import Policy
from hocket.core.streams import Streams


class Noted(NamedTuple):
    """One question to the policy and its answer, from which the dialogue can be replayed.

    - `what`: ``submit``, ``order``, ``finish``, or ``leave`` for a job that is over
    - `now`: milliseconds since the beginning
    - `stages`: (number, waiting, running) of every stage in the view
    - `detail`: of a new stage its number, job, name of the job, user, kind, tasks and estimate; of
      a finished one its number, its work and how many its job has left; of a job its number
    - `answer`: numbers of stages in order, or a number of tasks
    """

    what: str
    now: int
    stages: tuple[tuple[int, int, int], ...]
    detail: tuple[Any, ...]
    answer: tuple[int, ...]


class Book:
    """Jobs and stages of an application, and the policy that is asked about them.

    Times are milliseconds; work is core-milliseconds. Not thread-safe: one thread keeps it.
    """

    def __init__(self, policy: Policy, cores: int, seed: int = 0, *, record: bool = False) -> None:
        """Begin with an idle application of `cores`; `record` keeps all questions and answers.

        Raises UserError for a policy that schedules something else, or that needs to know the
        future.
        """
        if "cluster/analytics" not in policy.problems:
            known = "cluster/uwfq, cluster/ujf, cluster/cfq, cluster/fair, cluster/fifo"
            raise UserError(f"{policy.name} does not order the jobs of users; use one of {known}")
        self.policy = policy
        self.view = View(cores)
        # A scenario without jobs: what will come is not known to anybody.
        application = Analytics(name="live", cores=cores, jobs=())
        if why := policy.refuses(application):
            raise UserError(f"{policy}: {why}")
        self.decider: Ordering = policy.begin(application, Streams(seed))
        self.stages: dict[int, StageState] = {}
        self.jobs: dict[int, JobState] = {}
        self._ended: dict[int, tuple[StageState, int]] = {}  # by job: what ended last
        self.record = record
        self.noted: list[Noted] = []

    def job(self, number: int, user: str, kind: str, name: str, now: int) -> JobState:
        """The job of a number, noted when it is first asked for."""
        found = self.jobs.get(number)
        if found is None:
            found = JobState(number, name, user, kind, now, 1)
            self.jobs[number] = found
            self.view.jobs.append(found)
        return found

    def job_done(self, number: int, now: int) -> None:
        """Forget a job, whose last stage is thereby known to have been its last."""
        job = self.jobs.pop(number, None)
        if job is None:
            return
        job.finish, job.left = now, 0
        self._tell_end(job, now)
        self.view.jobs.remove(job)
        self._note("leave", (number,), ())

    def submit(
        self, number: int, job: JobState, tasks: int, given: int | None, now: int
    ) -> int | None:
        """Note a new stage; into how many tasks the policy would cut it."""
        self._tell_end(job, now)
        stage = StageState(number, job, len(job.stages), now, tasks, given)
        job.stages.append(stage)
        self._look(now)
        answer = self.decider.submit(self.view, stage)
        self.stages[number] = stage
        self.view.stages.append(stage)
        detail = (number, job.number, job.name, job.user, job.kind, tasks, given)
        self._note("submit", detail, () if answer is None else (answer,))
        return answer

    def order(self, now: int) -> list[StageState]:
        """The stages that have tasks waiting, in the order in which they are to get cores.

        What the policy leaves out comes last. Raises IllegalDecision for what is no such stage.
        """
        self._look(now)
        listed = list(self.decider.order(self.view))
        known = {id(stage) for stage in self.view.stages}
        for stage in listed:
            if id(stage) not in known:
                what = f"ordered {stage!r:.60}"
                raise IllegalDecision(self.policy.name, now, what, "no such stage waits")
        self._note("order", (), tuple(stage.number for stage in listed))
        return list(dict.fromkeys([*listed, *self.view.stages]))

    def finish(self, number: int, work: int, now: int) -> None:
        """Note that a stage is done, and what its tasks took.

        The policy is told when the job goes on or is over: only then is it known whether any of its
        stages are left.
        """
        stage = self.stages.pop(number)
        stage.waiting = stage.running = 0
        self._tell_end(stage.job, now)
        self._ended[stage.job.number] = (stage, work)

    def _tell_end(self, job: JobState, now: int) -> None:
        stage, work = self._ended.pop(job.number, (None, 0))
        if stage is not None:
            self.finished(stage, work, now)

    def finished(self, stage: StageState, work: int, now: int) -> None:
        """Tell the policy that a stage is done."""
        self._look(now)
        self._note("finish", (stage.number, work, stage.job.left), ())
        self.decider.finish(self.view, stage, work)

    def _look(self, now: int) -> None:
        view = self.view
        view.now = max(now, view.now)
        view.stages = [stage for stage in self.stages.values() if stage.waiting]
        view.free = max(view.cores - sum(stage.running for stage in self.stages.values()), 0)

    def _note(self, what: str, detail: tuple[Any, ...], answer: tuple[int, ...]) -> None:
        stages = tuple((s.number, s.waiting, s.running) for s in self.stages.values())
        line = Noted(what, self.view.now, stages, detail, answer)
        if self.record:
            self.noted.append(line)
        else:
            self.noted[:] = [line]


def replay(noted: Iterable[Noted], policy: Policy, cores: int, seed: int = 0) -> list[str]:
    """Put recorded questions to a fresh decider; where it answers otherwise, in words.

    Empty when the policy decides as it did live: its decisions came from the role alone.
    """
    book = Book(policy, cores, seed)
    ended: dict[int, StageState] = {}
    apart: list[str] = []
    for k, line in enumerate(noted):
        counts = {number: (waiting, running) for number, waiting, running in line.stages}
        for number in [number for number in book.stages if number not in counts]:
            ended[number] = gone = book.stages.pop(number)
            gone.waiting = gone.running = 0
        for number, stage in book.stages.items():
            stage.waiting, stage.running = counts[number]
        answer = _again(book, line, ended)
        if answer != line.answer:
            apart.append(f"decision {k} ({line.what} at {line.now}): {answer}, not {line.answer}")
    return apart


def _again(book: Book, line: Noted, ended: dict[int, StageState]) -> tuple[int, ...]:
    """Put one question again."""
    if line.what == "submit":
        number, job, name, user, kind, tasks, given = line.detail
        cut = book.submit(number, book.job(job, user, kind, name, line.now), tasks, given, line.now)
        return () if cut is None else (cut,)
    if line.what == "order":
        book.order(line.now)
        return book.noted[-1].answer
    if line.what == "finish":
        number, work, left = line.detail
        stage = ended.pop(number)
        stage.job.left = left
        book.finished(stage, work, line.now)
    else:
        book.job_done(line.detail[0], line.now)
    return ()

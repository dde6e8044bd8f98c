"""Who says how much work a stage and its job will be: the choices of a policy, and what they do."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Annotated, Protocol

import msgspec

from hocket.cluster.model.analytics import Analytics
from hocket.cluster.model.analytics import Job as Submitted
from hocket.cluster.roles.analytics import JobState, StageState
from hocket.cluster.sharing.history import History
from hocket.cluster.units import second
from hocket.core.errors import RunError
from hocket.core.streams import Streams


class Estimator(Protocol):
    """Estimates in core-ticks, without the overheads of tasks."""

    def stage(self, stage: StageState) -> float:
        """The work of a stage that is about to be queued."""

    def job(self, stage: StageState) -> float:
        """The work of its whole job, as it is known when this stage is about to be queued."""

    def finish(self, stage: StageState, work: int) -> None:
        """A stage is done, and so much work it was."""


class Oracle(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="oracle",
):
    """The work that the scenario holds, exactly: what the published experiments use.

    A live application holds no such thing; there this is the same as `Given`.
    """

    def begin(self, scenario: Analytics, streams: Streams) -> Estimator:
        """The estimator of one run."""
        return _Known(scenario, 0.0, streams) if scenario.jobs else Given().begin(scenario, streams)


class Noisy(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="noisy",
):
    """The oracle's, wrong by a factor that is drawn for each stage.

    It is lognormal: half are too high, half too low; two thirds within a factor e to the `sigma`.
    Drawn from streams ``policy.estimates.JOB``, so that every policy meets the same errors.
    """

    sigma: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.5

    def begin(self, scenario: Analytics, streams: Streams) -> Estimator:
        """The estimator of one run."""
        return _Known(scenario, self.sigma, streams)


class Past(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="history",
):
    """The median of earlier stages of the same kind of job and index.

    Before any, `prior` seconds for each task. Jobs of no kind are like others of their user. A job
    is the sum of its stages: those that are done at their real work, those still to come as far as
    such jobs have had them before.
    """

    prior: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 1.0

    def begin(self, scenario: Analytics, streams: Streams) -> Estimator:
        """The estimator of one run."""
        return _Learning(self.prior * float(second(scenario.time_unit)), given=False)


class Given(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="given",
):
    """What whoever submits a stage expects of it; where nobody has said, as with history."""

    prior: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 1.0

    def begin(self, scenario: Analytics, streams: Streams) -> Estimator:
        """The estimator of one run."""
        return _Learning(self.prior * float(second(scenario.time_unit)), given=True)


Estimates = Oracle | Given | Past | Noisy


class _Known:
    """The scenario's own figures, times errors."""

    def __init__(self, scenario: Analytics, sigma: float, streams: Streams) -> None:
        self.jobs = {job.name: job for job in scenario.jobs}
        self.sigma, self.streams = sigma, streams
        self.drawn: dict[str, list[float]] = {}

    def stage(self, stage: StageState) -> float:
        return self._works(stage.job)[stage.index]

    def job(self, stage: StageState) -> float:
        return sum(self._works(stage.job))

    def finish(self, stage: StageState, work: int) -> None:
        if not stage.job.left:
            self.drawn.pop(stage.job.name, None)

    def _works(self, job: JobState) -> list[float]:
        if job.name not in self.drawn:
            if job.name not in self.jobs:
                raise RunError(
                    f"estimates of the kind oracle or noisy know the jobs of the scenario only, "
                    f"not {job.name!r}; choose history or given"
                )
            self.drawn[job.name] = self._draw(self.jobs[job.name])
        return self.drawn[job.name]

    def _draw(self, job: Submitted) -> list[float]:
        works = [float(stage.work) for stage in job.stages]
        if not self.sigma:
            return works
        luck = self.streams[f"policy.estimates.{job.name}"].lognormal(0.0, self.sigma, len(works))
        return [work * factor for work, factor in zip(works, luck.tolist(), strict=True)]


class _Learning:
    """What was given if anything is, else the history of jobs that are alike."""

    def __init__(self, prior: float, given: bool) -> None:
        self.history, self.given = History(prior), given
        self.works: dict[int, dict[int, float]] = {}  # by job: its stages, estimated or real

    def stage(self, stage: StageState) -> float:
        if self.given and stage.given is not None:
            return stage.given
        return self.history.estimate(_kind(stage.job), stage.index, stage.tasks)

    def job(self, stage: StageState) -> float:
        works = self.works.setdefault(stage.job.number, {})
        works[stage.index] = self.stage(stage)
        expected = dict(self.history.stages(_kind(stage.job)))
        return sum((expected | works).values())

    def finish(self, stage: StageState, work: int) -> None:
        self.history.add(_kind(stage.job), stage.index, work)
        if stage.job.number in self.works:
            self.works[stage.job.number][stage.index] = work
            if not stage.job.left:
                del self.works[stage.job.number]


def _kind(job: JobState) -> Hashable:
    return ("kind", job.kind) if job.kind else ("user", job.user)

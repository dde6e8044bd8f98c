"""What all policies for shared applications have in common: estimates, and how finely to cut."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Annotated, ClassVar

import msgspec

from hocket.cluster.model.analytics import Analytics
from hocket.cluster.roles.analytics import Ordering, StageState, View
from hocket.cluster.sharing.estimates import Estimates, Estimator, Noisy, Oracle
from hocket.cluster.sharing.partition import advised
from hocket.cluster.units import second
from hocket.core.policy import Policy
from hocket.core.streams import Streams

UWFQ = (
    "D. Kažemaks, L. Versluis, B. Ozkan, J. Decouchant, Balancing fairness and performance in "
    "multi-user Spark workloads with dynamic scheduling, arXiv 2510.15485"
)
SPARK = "Apache Spark 3.5, org.apache.spark.scheduler.SchedulingAlgorithm"


class SharingPolicy(Policy, frozen=True):
    """Users share the cores of one application.

    - `partition`: the runtime advised for a task, in seconds: divisible stages are cut into as many
      tasks as their estimated work holds it. Published with 0.5. None leaves stages as they are
    - `estimates`: who says how much work a stage or job will be
    """

    problems: ClassVar[tuple[str, ...]] = ("cluster/analytics",)

    partition: Annotated[float, msgspec.Meta(ge=0.001, le=1e9)] | None = None
    estimates: Estimates = Oracle()

    def refuses(self, scenario: Analytics) -> str:
        """See Policy.refuses."""
        if not scenario.jobs and isinstance(self.estimates, Noisy):
            return "noisy estimates are drawn around what a scenario holds; choose history or given"
        return ""

    def begin(self, scenario: Analytics, streams: Streams) -> Ordering:
        """See Policy.begin. A live adapter gives a scenario without jobs: only cores and unit."""
        return self.sharer(Setting(self, scenario, streams))

    def sharer(self, setting: Setting) -> Ordering:
        """The decider of one run."""
        raise NotImplementedError(f"{type(self).__name__} has no sharer(setting)")


class Setting:
    """What a decider starts from: cores, ticks of a second, streams, and what its policy says."""

    def __init__(self, policy: SharingPolicy, scenario: Analytics, streams: Streams) -> None:
        """At the begin of a run."""
        self.cores, self.streams = scenario.cores, streams
        self.second = second(scenario.time_unit)
        self.estimator: Estimator = policy.estimates.begin(scenario, streams)
        self.runtime: Fraction | None = None
        if policy.partition is not None:
            self.runtime = Fraction(policy.partition) * self.second


class Sharer:
    """A decider that cuts stages by their estimates; what it does in what order is `note`'s."""

    def __init__(self, setting: Setting) -> None:
        """Nothing has been submitted."""
        self.estimator, self.runtime, self.second = (
            setting.estimator,
            setting.runtime,
            float(setting.second),
        )

    def submit(self, view: View, stage: StageState) -> int | None:
        """See Ordering.submit."""
        self.note(view, stage)
        if self.runtime is None:
            return None
        work = self.estimator.stage(stage)
        return advised(work, self.runtime, stage.tasks, view.cores)

    def note(self, view: View, stage: StageState) -> None:
        """A stage is about to be queued."""

    def order(self, view: View) -> Iterable[StageState]:
        """See Ordering.order."""
        raise NotImplementedError(f"{type(self).__name__} has no order(view)")

    def why(self, view: View, stage: StageState) -> str:
        """See Ordering.why."""
        return ""

    def finish(self, view: View, stage: StageState, work: int) -> None:
        """See Ordering.finish."""
        self.estimator.finish(stage, work)

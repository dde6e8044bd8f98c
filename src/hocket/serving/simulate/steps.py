"""Every iteration of a simulated run: who got how many tokens, and what was left.

The compositions are those of the plain replicas, which keep the rules of the package step by step,
so that they can be laid beside the steps of a real engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hocket.core.policy import Policy
from hocket.serving.model.cluster import Cluster
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.live import Live
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.simulate.plain_parts import Batch, Step


class SimStep(NamedTuple):
    """One iteration as it was composed.

    - `time`: the tick at which it began, on `replica`
    - `tokens`: tokens computed for each request in it, decodes before prompts
    - `preempted`: who gave way for it, in order
    - `free`: blocks that could still be taken after its composition, those included that the prefix
      cache would give up
    - `running`, `waiting`: who was admitted, in order of admission, and who waited then, in order
      of the queue
    - `reasons`: what first refused each of those who waited and were refused
    """

    time: int
    replica: str
    tokens: dict[str, int]
    preempted: tuple[str, ...]
    free: int
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    reasons: Mapping[str, str] = {}


def steps(scenario: Cluster, policy: Policy, *, seed: int = 0) -> list[SimStep]:
    """The iterations of a run, in order of their beginning; raises what `simulate` does."""
    found: list[SimStep] = []

    def watched(*args: Any) -> Watched:
        return Watched(found, *args)

    simulate(scenario, policy, seed=seed, replica=watched)
    return found


class Watched(PlainReplica):
    """A plain replica that writes down what it composes."""

    def __init__(self, found: list[SimStep], *args: Any) -> None:
        self._found = found
        self._victims: list[str] = []
        super().__init__(*args)

    def _preempt(self, step: Step, live: Live, needy: Live) -> None:
        super()._preempt(step, live, needy)
        self._victims.append(live.id)

    def _begin(self, batch: Batch, step: Step) -> None:
        super()._begin(batch, step)
        tokens = {live.id: 1 for live in step.decodes}
        tokens |= {live.id: count for live, count in step.chunks}
        waiting = self.waiting()
        self._found.append(
            SimStep(
                time=self.now,
                replica=self.name,
                tokens=tokens,
                preempted=tuple(self._victims),
                free=self.memory.available,
                running=tuple(live.id for live in self.running()),
                waiting=tuple(live.id for live in waiting),
                reasons={live.id: live.why for live in waiting if live.why},
            )
        )
        self._victims = []

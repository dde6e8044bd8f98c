"""Records of simulated runs, as a recorder in a real engine would have written them."""

from __future__ import annotations

from typing import Any

from hocket.core.load import load_policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.serving import memory
from hocket.serving.live.record import Asked, Began, Finished, Line, Step
from hocket.serving.model.cluster import Cluster
from hocket.serving.simulate import plain_parts
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.plain import PlainReplica


class Recording(PlainReplica):
    """A plain replica that writes down each iteration, as a line of a record."""

    def __init__(self, lines: list[Step], made: dict[str, int], *args: Any) -> None:
        self._lines, self._made = lines, made
        self._preempted: list[str] = []
        self._cached: dict[str, int] = {}
        self._reasons: dict[str, str] = {}
        super().__init__(*args)

    def _preempt(self, step: Any, live: Any, needy: Any) -> None:
        super()._preempt(step, live, needy)
        self._preempted.append(live.id)
        self._reasons[live.id] = f"memory for {needy.id}"

    def _begin(self, batch: Any, step: plain_parts.Step) -> None:
        super()._begin(batch, step)
        tokens = {live.id: 1 for live in step.decodes}
        tokens |= {live.id: count for live, count in step.chunks}
        cached = {live.id: live.computed for live, _ in step.chunks if not live.done}
        waiting = {live.id: live.why for live in self.waiting() if live.why}
        self._lines.append(
            Step(
                n=len(self._lines),
                at=self.now,
                end=self._ends[batch.number].time,
                tokens=tokens,
                cached={name: count for name, count in cached.items() if count},
                preempted=tuple(self._preempted),
                reasons=waiting | self._reasons,
                free=self.memory.available,
                running=len(self.running()),
                waiting=len(self.waiting()),
            )
        )
        self._preempted, self._reasons = [], {}

    def _token(self, live: Any) -> None:
        super()._token(live)
        self._made[live.id] = live.generated


def record(scenario: Cluster, policy: str, seed: int = 0) -> tuple[list[Line], Timeline]:
    """The lines that an engine which does as the simulator would leave, and the simulation."""
    steps: list[Step] = []
    made: dict[str, int] = {}
    timeline = simulate(
        scenario,
        load_policy(policy),
        seed=seed,
        replica=lambda *args: Recording(steps, made, *args),  # type: ignore[arg-type]
    )
    (pool,) = scenario.pools
    drawn = scenario.workload.draw(Streams(seed), scenario.time_unit)
    lines: list[Line] = [
        Began(
            policy={"policy": policy},
            engine="the simulator",
            block_size=pool.block_size,
            blocks=memory.blocks(pool),
            max_context=memory.max_context(pool),
            prefix_cache=pool.prefix_cache,
            seed=seed,
        )
    ]
    rows = {drawn.name(i): i for i in range(len(drawn))}
    for point in timeline.points("dispatch"):
        i = rows[point.group]
        lines.append(
            Asked(
                id=point.group,
                at=point.time,
                arrival=point.time,
                prompt=int(drawn.prompt[i]),
                limit=int(drawn.limit[i]),
                priority=int(drawn.priority[i]),
                tenant=drawn.tenants[int(drawn.tenant[i])],
                expected=int(drawn.expected[i]),
                prefix=drawn.prefix[i][: int(drawn.prompt[i]) // pool.block_size]
                if drawn.prefix
                else (),
            )
        )
    lines += steps
    for kind, why in (("finish", "length"), ("cancel", "abort")):
        for point in timeline.points(kind):
            left = Finished(
                id=point.group, at=point.time, generated=made.get(point.group, 0), why=why
            )
            lines.append(left)
    return lines, timeline

"""Records of engines that never were: simulated runs, written down as a live one would be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hocket.core.policy import Policy, spec
from hocket.serving import memory
from hocket.serving.cost import Linear
from hocket.serving.live.record import Asked, Began, Finished, Line, Step, Writer
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.policies.vllm import VllmV1
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.live import Live
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.simulate.plain_parts import Batch
from hocket.serving.simulate.plain_parts import Step as Composed
from hocket.serving.twin.bounds import Bounded
from hocket.serving.workload import Trace

KNOWN = Linear(base=0.012, per_token=6e-5, per_pair=2e-9, per_decode=1.5e-4, per_context=1.2e-7)
POLICY = VllmV1(tokens=512, seqs=16)
POOL = Pool(kv_blocks=400, block_size=32, max_context=2048, cost=KNOWN)


def workload(count: int = 120, rate: float = 3.0, seed: int = 0) -> Trace:
    """Requests of a Poisson stream, `rate` per second."""
    rng = np.random.default_rng(seed)
    arrival = np.rint(np.cumsum(rng.exponential(1e6 / rate, count))).astype(int)
    return Trace(
        arrival=tuple(arrival.tolist()),
        prompt=tuple(rng.integers(20, 900, count).tolist()),
        output=tuple(rng.integers(1, 120, count).tolist()),
        names=tuple(f"ask-{i}" for i in range(count)),
    )


def record(
    trace: Trace,
    pool: Pool = POOL,
    policy: Policy = POLICY,
    *,
    noise: float = 0.0,
    between: float = 0.0,
    seed: int = 0,
) -> list[Line]:
    """The lines of a run.

    Each iteration takes what the pool's cost says times a lognormal factor of mean 1 and deviation
    `noise`; after it the engine is busy with itself for `between` seconds, which the record shows
    as a gap between steps.
    """
    lines: list[Line] = [_began(pool, policy)]
    for i, name in enumerate(trace.names):
        at = trace.arrival[i]
        lines.append(Asked(id=name, at=at, arrival=at, prompt=trace.prompt[i]))
    rng = np.random.default_rng(seed)
    spread = np.sqrt(np.log1p(noise**2))

    def lasts(ticks: int) -> int:
        factor = np.exp(spread * rng.standard_normal() - spread**2 / 2)
        return max(1, round(ticks * float(factor)))

    def written(*args: Any) -> _Written:
        return _Written(lines, lasts, round(between * 1e6), *args)

    scenario = Cluster(name="truth", time_unit="us", workload=trace, pools=(pool,), gauge_every=0)
    simulate(scenario, policy, seed=0, replica=written)
    return [lines[0], *sorted(lines[1:], key=_when)]


def save(lines: list[Line], path: Path) -> Path:
    """Write them to a file."""
    writer = Writer(path)
    for line in lines:
        writer.write(line)
    writer.close()
    return path


def _began(pool: Pool, policy: Policy) -> Began:
    return Began(
        policy=spec(policy.inner if isinstance(policy, Bounded) else policy),
        engine="simulated",
        block_size=pool.block_size,
        blocks=memory.blocks(pool),
        max_context=pool.max_context or 2048,
        tokens=getattr(policy, "tokens", 2048),
        seqs=getattr(policy, "seqs", 256),
        prefix_cache=pool.prefix_cache,
    )


def _when(line: Line) -> tuple[int, int]:
    """Requests are asked before the step that takes them in, and leave after their last one."""
    match line:
        case Asked(at=at):
            return at, 0
        case Step(end=end):
            return end, 1
        case Finished(at=at):
            return at, 2
    return 0, 0


class _Written(PlainReplica):
    """A plain replica that writes down its iterations."""

    def __init__(
        self, lines: list[Line], lasts: Callable[[int], int], between: int, *args: Any
    ) -> None:
        self._lines, self._lasts, self._between = lines, lasts, between
        self._at = 0
        self._victims: list[str] = []
        self._cached: dict[str, int] = {}
        super().__init__(*args)

    def _preempt(self, step: Composed, live: Live, needy: Live) -> None:
        super()._preempt(step, live, needy)
        self._victims.append(live.id)

    def join(self, batch: Batch, live: Live) -> None:
        super().join(batch, live)
        self._cached[live.id] = 0  # looked up in `_begin`, when it is known

    def _duration(self, step: Composed) -> int:
        return self._between + self._lasts(super()._duration(step))

    def _begin(self, batch: Batch, step: Composed) -> None:
        super()._begin(batch, step)
        self._at = self.now + self._between
        for live, _ in step.chunks:
            if live.id in self._cached:
                self._cached[live.id] = live.computed

    def _end(self, batch: Batch, step: Composed) -> None:
        tokens = {live.id: 1 for live in step.decodes}
        tokens |= {live.id: count for live, count in step.chunks}
        line = Step(
            n=self.iterations - 1,
            at=self._at,
            end=self.now,
            tokens=tokens,
            cached={name: count for name, count in self._cached.items() if count},
            preempted=tuple(self._victims),
        )
        self._lines.append(line)
        self._victims, self._cached = [], {}
        super()._end(batch, step)

    def _finish(self, live: Live) -> None:
        super()._finish(live)
        self._lines.append(Finished(id=live.id, at=self.now, generated=live.generated))


def replaced(line: Line, **fields: Any) -> Line:
    """The line with other fields."""
    return msgspec.structs.replace(line, **fields)

"""Where two runs of the same requests part, and how to tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hocket.core.errors import Deadlock
from hocket.core.policy import Policy
from hocket.serving import memory
from hocket.serving.model.cluster import Cluster
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.live import Live
from hocket.serving.simulate.plain_parts import Batch, Step
from hocket.serving.simulate.steps import SimStep, Watched
from hocket.serving.workload.trace import Trace

BEFORE = 3
"""Iterations told before the one that differs."""
COMPARED = ("time", "tokens", "preempted", "free", "running", "waiting")


class Seen(NamedTuple):
    """A running request before an iteration: tokens in memory, tokens of its answer."""

    id: str
    computed: int
    generated: int


class Run(NamedTuple):
    """One side: its iterations, and who was running in each; `error` is what ended it."""

    steps: Sequence[SimStep]
    seen: Sequence[Sequence[Seen]]
    error: str = ""


def parting(simulated: Sequence[SimStep], real: Sequence[SimStep]) -> int | None:
    """The number of the first iteration that is not the same; None if all are."""
    for at, (one, other) in enumerate(zip(simulated, real, strict=False)):
        if differing(one, other):
            return at
    short, long = sorted((len(simulated), len(real)))
    return None if short == long else short


def differing(one: SimStep, other: SimStep) -> list[str]:
    """What two iterations do not have in common."""
    return [name for name in COMPARED if getattr(one, name) != getattr(other, name)]


def most(scenario: Cluster) -> int:
    """Iterations after which a run is taken to be endless: requests push one another out."""
    trace = scenario.workload
    work = sum(trace.prompt) + sum(trace.output) if isinstance(trace, Trace) else 10**6
    return 1000 + 20 * work


def simulated(scenario: Cluster, policy: Policy, seed: int) -> Run:
    """The simulator's run, with who was running. Raises Deadlock for one that does not end."""
    limit = most(scenario)
    steps: list[SimStep] = []
    seen: list[tuple[Seen, ...]] = []

    def replica(*args: Any) -> _Detailed:
        return _Detailed(steps, seen, limit, *args)

    simulate(scenario, policy, seed=seed, replica=replica)
    return Run(steps, seen)


class _Detailed(Watched):
    """A plain replica that writes down, too, how far the running requests are."""

    def __init__(
        self, found: list[SimStep], seen: list[tuple[Seen, ...]], limit: int, *args: Any
    ) -> None:
        self._seen, self._limit = seen, limit
        super().__init__(found, *args)

    def _begin(self, batch: Batch, step: Step) -> None:
        self._seen.append(tuple(_seen(live) for live in self.running()))
        if len(self._seen) > self._limit:
            raise Deadlock(f"{self.world.policy} is not done after {self._limit:,} iterations")
        super()._begin(batch, step)


def _seen(live: Live) -> Seen:
    return Seen(live.id, live.computed, live.generated)


def told(simulator: Run, engine: Run, at: int) -> str:
    """Both states at iteration `at`, side by side, after the last ones in which they agreed."""
    lines = [f"iteration {at} is the first that differs", ""]
    if at:
        lines.append("before, in both:")
        lines += [f"  {n}: {_brief(simulator.steps[n])}" for n in range(max(0, at - BEFORE), at)]
        lines.append("")
    ours, theirs = _state(simulator, at), _state(engine, at)
    width = max(len("simulator"), *(len(text) for text in ours.values()))
    lines.append(f"  {'':<12} {'simulator':<{width}}   vllm")
    for name in (*COMPARED, "state"):
        mark = " " if ours.get(name) == theirs.get(name) else "*"
        lines.append(f"{mark} {name:<12} {ours.get(name, ''):<{width}}   {theirs.get(name, '')}")
    return "\n".join(line.rstrip() for line in lines)


def _state(run: Run, at: int) -> dict[str, str]:
    if at >= len(run.steps):
        return {"time": run.error or f"no more: its run ended after {len(run.steps)}"}
    step = run.steps[at]
    seen = run.seen[at] if at < len(run.seen) else ()
    return {
        "time": str(step.time),
        "tokens": _tokens(step.tokens),
        "preempted": " ".join(step.preempted) or "-",
        "free": str(step.free),
        "running": " ".join(step.running) or "-",
        "waiting": " ".join(step.waiting) or "-",
        "state": " ".join(f"{one.id}:{one.computed}+{one.generated}" for one in seen) or "-",
    }


def _brief(step: SimStep) -> str:
    gone = f", {' '.join(step.preempted)} gave way" if step.preempted else ""
    return f"at {step.time}: {_tokens(step.tokens)}{gone}; {step.free} blocks free"


def _tokens(tokens: Mapping[str, int]) -> str:
    return " ".join(f"{name}={count}" for name, count in sorted(tokens.items()))


def title(scenario: Cluster) -> str:
    """What is compared, in a line."""
    pool = scenario.pools[0]
    cache = "with" if pool.prefix_cache else "without"
    return (
        f"{scenario.name or 'the scenario'} ({memory.blocks(pool)} blocks of {pool.block_size} "
        f"tokens, {memory.max_context(pool)} at most for a request, {cache} prefix cache)"
    )


def requests(scenario: Cluster) -> str:
    """The requests of a run, one per line."""
    trace = scenario.workload
    if not isinstance(trace, Trace):
        return ""
    columns = ["arrival", "prompt", "output", "limit", "priority", "tenant", "expected", "cancel"]
    shown = [name for name in (*columns, "prefix") if getattr(trace, name)]
    rows = [["request", *shown]]
    for i in range(len(trace.prompt)):
        name = trace.names[i] if trace.names else f"r{i}"
        rows.append([name, *(str(getattr(trace, column)[i]) for column in shown)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines)

"""Check that an engine composes the iterations that the simulator says it does.

The same requests go through both, on the same virtual clock, and every iteration is compared: who
computes how many tokens, who gives way, which blocks are free, who runs and who waits, in order.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hocket.core import registry
from hocket.core.errors import HocketError, UserError
from hocket.core.extras import need
from hocket.core.load import load_policy
from hocket.core.policy import Policy
from hocket.core.streams import Streams
from hocket.serving import memory
from hocket.serving.cost import Roofline
from hocket.serving.facts import engine_of
from hocket.serving.model.cluster import Cluster
from hocket.serving.policies.priority import Priority
from hocket.serving.roles.batching import Batcher, Limits
from hocket.serving.roles.facts import Engine
from hocket.serving.roles.policy import WHOLE, BatchingPolicy, ServingPolicy
from hocket.serving.simulate.steps import SimStep
from hocket.serving.workload.trace import Trace, recorded
from hocket.testing.errors import DecisionError, LiveError
from hocket.testing.live_cases import Kind, draw, shrunk
from hocket.testing.live_compare import Run, Seen, most, parting, requests, simulated, title, told
from hocket.testing.report import Report

if TYPE_CHECKING:
    from hocket.serving.live.vllm.fresh import Settings

STOCK = {"serving/vllm-v1": "fcfs", "serving/priority": "priority"}
"""Policies that vLLM's own scheduler has, by its ``--scheduling-policy``."""

UNBOUNDED = 2**30
"""Tokens of an iteration for a policy that sets no bound: memory then does."""


def check_live(
    policy: Policy | str = "serving/vllm-v1",
    *,
    cases: int = 50,
    seed: int = 0,
    engine: str = "vllm",
    model: Path | str | None = None,
    scenario: Cluster | None = None,
    stock: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Check that vLLM with `policy` composes the same iterations as the simulator; say what was.

    - `cases`: so many small runs are drawn from `seed`: with chunked prompts, scarce memory, shared
      prefixes, priorities, and clients that go away. Or the run of `scenario`, of one replica
    - `model`: by default vLLM's scheduler and memory manager run without a model, which is fast;
      with ``"tiny"`` or the folder of a model, the whole engine does
    - `stock`: vLLM's own scheduler instead of hocket's, for a policy that it has: serving/vllm-v1,
      or serving/priority, which is its ``--scheduling-policy priority`` without prefix cache
    - `progress`: called with the number of runs done, and that of all

    Needs vLLM. Raises LiveError, which shows the first iteration that differs, with both states, in
    the smallest run found; DecisionError for a policy that fails in the simulator; UserError for
    what cannot be compared; Deadlock if requests push one another out for ever.
    """
    if engine != "vllm":
        raise UserError(f"engine {engine!r} is not known here; vllm is")
    subject = load_policy(policy) if isinstance(policy, str) else policy
    if not isinstance(subject, ServingPolicy) or subject.role not in ("batching", WHOLE):
        raise UserError(f"{subject} is no batching policy, so there is nothing of it in an engine")
    if stock and subject.name not in STOCK:
        raise UserError(
            f"vLLM's own scheduler has no {subject.name}; compare with {' or '.join(STOCK)}"
        )
    bench = Bench(subject, seed=seed, stock=stock, model=model)
    runs = [scenario] if scenario is not None else bench.draw(cases)
    for number, run in enumerate(runs):
        if progress is not None:
            progress(number, len(runs))
        bench.check(run, smaller=scenario is None)
    return bench.report()


class Bench:
    """Both sides for one policy, and what has been compared.

    `counts`: runs, iterations, requests, cuts of prompts (`chunks`), preemptions (`preempted`),
    tokens that the prefix cache spared (`cached`), runs that have one (`caches`), and `cancels`.
    """

    def __init__(
        self,
        policy: ServingPolicy,
        *,
        seed: int = 0,
        stock: bool = False,
        model: Path | str | None = None,
    ) -> None:
        """The fields of `check_live`. Raises MissingExtra without vLLM."""
        from hocket.serving.live.vllm.tiny import prepare

        prepare()
        need("vllm", "llm")
        self.policy, self.seed, self.stock = policy, seed, stock
        self._simulated = _Unknowing(inner=policy)
        self._model = model
        self.counts: Counter[str] = Counter()

    @property
    def kind(self) -> Kind:
        """What may occur in the runs that are drawn."""
        own_priority = self.stock and self.policy.name == Priority.name
        return Kind(
            sizes=(32,) if self._model is not None else Kind().sizes,
            prefixes=not own_priority,
            distinct=own_priority,
            gap=20_000,
        )

    def draw(self, cases: int) -> list[Cluster]:
        """Runs that press on the policy's limits."""
        rng = Streams(self.seed)["conformance"]
        limits = self._limits(draw(rng, Limits(), self.kind, "any"))
        return [draw(rng, limits, self.kind, f"case {number}") for number in range(cases)]

    def check(self, scenario: Cluster, *, smaller: bool = False) -> None:
        """Compare one run; with `smaller` a mismatch is shown in the smallest run that has it."""
        scenario = _comparable(scenario, self.seed)
        found = self._compare(scenario)
        if found is None:
            return
        if smaller:
            scenario = shrunk(scenario, lambda one: self._compare(one, count=False) is not None)
        ours, theirs = self._details(scenario)
        at = parting(ours.steps, theirs.steps)
        text = told(ours, theirs, len(theirs.steps) if at is None else at)
        raise LiveError(f"{self._subject} on {title(scenario)}: {text}\n\n{requests(scenario)}")

    def report(self) -> Report:
        """What was found equal."""
        counts = self.counts
        return Report(
            subject=self._subject,
            checks=(
                f"iterations: {counts['iterations']} in {counts['runs']} runs of "
                f"{counts['requests']} requests, composed alike",
                f"prompts: cut {counts['chunks']} times",
                f"memory: {counts['preempted']} preemptions",
                f"prefix cache: on in {counts['caches']} runs, {counts['cached']} tokens found",
                f"clients: {counts['cancels']} went away",
            ),
        )

    @property
    def _subject(self) -> str:
        what = "vLLM's own scheduler" if self.stock else "vLLM"
        return f"{self.policy} in {what}"

    def _limits(self, scenario: Cluster) -> Limits:
        facts = engine_of(scenario, scenario.pools[0], "replica-0", self.seed)
        return self._simulated.batcher(facts, Streams(self.seed)).limits

    def _compare(self, scenario: Cluster, *, count: bool = True) -> int | None:
        """The first iteration that differs."""
        try:
            ours = simulated(scenario, self._simulated, self.seed).steps
        except HocketError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise DecisionError(f"{self.policy} fails on {title(scenario)}: {why}") from error
        theirs = self._live(scenario)
        at = parting(ours, theirs.steps)
        if at is None and theirs.error:
            at = len(theirs.steps)
        if at is None and count:
            self._add(scenario, theirs)
        return at

    def _details(self, scenario: Cluster) -> tuple[Run, Run]:
        return simulated(scenario, self._simulated, self.seed), self._live(scenario)

    def _live(self, scenario: Cluster) -> Run:
        """The engine's run; its failure ends it."""
        from hocket.serving.live.vllm.drive import Clock, Composed, drive
        from hocket.serving.live.vllm.prompts import asks

        pool = scenario.pools[0]
        found: list[SimStep] = []
        seen: list[tuple[Seen, ...]] = []

        def note(step: SimStep, composed: Composed) -> None:
            found.append(step)
            seen.append(tuple(Seen(*one) for one in composed.seen))

        engine = self._engine(self._settings(scenario))
        try:
            clock = Clock(pool.cost.model(pool), 1e6)
            requested = asks(scenario, self.seed)
            drive(engine, requested, clock, told=note, most=most(scenario))
        except UserError:
            raise
        except Exception as error:
            return Run(found, seen, f"{type(error).__name__}: {error}")
        return Run(found, seen)

    def _engine(self, settings: Settings) -> Any:
        from hocket.serving.live.vllm.fresh import running
        from hocket.serving.live.vllm.inprocess import Bare, Modelled

        if self._model is None:
            return Bare(settings)
        return Modelled(running(None if self._model == "tiny" else Path(self._model)), settings)

    def _settings(self, scenario: Cluster) -> Settings:
        """The engine's arguments for a run: no tighter than the policy's own bounds."""
        from hocket.serving.live.vllm.fresh import Settings

        pool, limits = scenario.pools[0], self._limits(scenario)
        context = memory.max_context(pool)
        tokens = limits.tokens or UNBOUNDED
        return Settings(
            blocks=memory.blocks(pool),
            block_size=pool.block_size,
            max_context=context,
            tokens=tokens if self.stock else max(tokens, context, limits.seqs),
            seqs=limits.seqs,
            prefix_cache=pool.prefix_cache,
            whole=limits.whole,
            scheduling=STOCK.get(self.policy.name, "fcfs") if self.stock else "fcfs",
            hocket=None if self.stock else self._hocket(scenario),
        )

    def _hocket(self, scenario: Cluster) -> dict[str, Any]:
        pool = scenario.pools[0]
        found = {
            "policy": as_data(self.policy),
            "seed": self.seed,
            "targets": msgspec.to_builtins(engine_of(scenario, pool).targets),
        }
        # A roofline computes with the pool's model and GPU, which the engine is not told of.
        if not isinstance(pool.cost, Roofline):
            found["cost"] = msgspec.to_builtins(pool.cost)
        return found

    def _add(self, scenario: Cluster, run: Run) -> None:
        trace, counts = scenario.workload, self.counts
        counts["runs"] += 1
        counts["iterations"] += len(run.steps)
        counts["caches"] += scenario.pools[0].prefix_cache
        if isinstance(trace, Trace):
            counts["requests"] += len(trace.prompt)
            counts["cancels"] += sum(ticks >= 0 for ticks in trace.cancel)
        last: dict[str, int] = {}
        for step, seen in zip(run.steps, run.seen, strict=True):
            counts["preempted"] += len(step.preempted)
            counts["cached"] += sum(one.computed for one in seen if one.id not in last)
            counts["chunks"] += sum(
                step.tokens.get(name, 0) > 1 and tokens > 1 for name, tokens in last.items()
            )
            last = {one.id: step.tokens.get(one.id, 0) for one in seen}


class _Unknowing(BatchingPolicy, frozen=True):
    """Another policy that is not told how long answers will be, since no real engine knows."""

    inner: ServingPolicy

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the other."""
        return self.inner.name

    def batcher(self, engine: Engine, streams: Streams) -> Batcher:
        """See BatchingPolicy.batcher."""
        return self.inner.batcher(msgspec.structs.replace(engine, lengths=None), streams)


def _comparable(scenario: Cluster, seed: int) -> Cluster:
    """The run with its requests written out. Raises UserError for what one engine cannot play."""
    pool = scenario.pools[0]
    why = ""
    if len(scenario.pools) > 1 or pool.count != 1 or pool.role != "both" or pool.pp != 1:
        why = "has not one pool of one replica without pipeline stages"
    elif pool.breakdowns is not None or pool.host_blocks:
        why = "has replicas that fail, or host memory"
    elif scenario.time_unit != "us":
        why = f"counts in {scenario.time_unit}; an engine's scheduler does in us"
    if why:
        raise UserError(f"{scenario.name or 'the scenario'} {why}: it cannot be compared")
    drawn = scenario.workload.draw(Streams(seed), scenario.time_unit)
    trace = recorded(drawn)
    if pool.prefix_cache and trace.prefix and trace.prefix_block != pool.block_size:
        trace = _by_block(trace, pool.block_size)
    return msgspec.structs.replace(scenario, workload=trace)


def _by_block(trace: Trace, size: int) -> Trace:
    """The same prompts, their beginnings told for every block of memory."""
    parts = trace.prefix_block // size
    units = dict.fromkeys(unit for ids in trace.prefix for unit in ids)
    place = {unit: number * parts for number, unit in enumerate(units)}
    prefix = tuple(
        tuple(place[unit] + part for unit in ids for part in range(parts))[: -(-prompt // size)]
        for ids, prompt in zip(trace.prefix, trace.prompt, strict=True)
    )
    return msgspec.structs.replace(trace, prefix=prefix, prefix_block=size)


def as_data(policy: Policy) -> dict[str, Any]:
    """A policy as `load_policy` reads it; one from a loose file by the path of that file."""
    kind = type(policy)
    try:
        known = registry.policy_class(policy.name) is kind
    except HocketError:
        known = False
    file = getattr(sys.modules[kind.__module__], "__file__", "")
    name = policy.name if known else f"{file}:{kind.__name__}"
    return {"policy": name, **msgspec.to_builtins(msgspec.structs.asdict(policy))}

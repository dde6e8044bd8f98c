"""``hocket live vllm``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from hocket import api
from hocket.cli.files import Json, Settings
from hocket.cli.output import as_json, duration, say, say_notes, ticking
from hocket.cli.run import Named
from hocket.cli.shown import place
from hocket.core.errors import UserError
from hocket.core.fields import with_fields
from hocket.core.interrupt import Interrupt
from hocket.core.policy import Policy, spec

if TYPE_CHECKING:
    from hocket.serving.live.vllm.job import News
    from hocket.serving.model.cluster import Cluster

MOST = 3600.0
"""Seconds that a run may last if nothing is said."""


def vllm(
    scenario: Named,
    /,
    *,
    model: Annotated[
        str, Parameter(help="A folder with a model; tiny makes up a small one, for a trial.")
    ] = "tiny",
    policy: Annotated[str, Parameter(help="Name or policy file.")] = "serving/vllm-v1",
    settings: Settings = (),
    stock: Annotated[
        bool, Parameter(negative="", help="Only watch: vLLM's own scheduler decides.")
    ] = False,
    kv_blocks: Annotated[
        int | None, Parameter(help="Blocks of key-value memory; default: what vLLM finds.")
    ] = None,
    block_size: Annotated[int | None, Parameter(help="Tokens per block.")] = None,
    seqs: Annotated[int | None, Parameter(help="Most requests at a time.")] = None,
    tokens: Annotated[int | None, Parameter(help="Most tokens of an iteration.")] = None,
    prefix_cache: Annotated[
        bool | None,
        Parameter(
            negative="--no-prefix-cache", help="Share blocks of equal beginnings; default: no."
        ),
    ] = None,
    max_context: Annotated[
        int | None, Parameter(help="Most tokens of prompt and answer together.")
    ] = None,
    overlap: Annotated[
        bool, Parameter(negative="", help="Compose the next iteration while one is under way.")
    ] = False,
    engine: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Another argument of vLLM's engine, as name=value."),
    ] = (),
    rate: Annotated[
        float | None, Parameter(help="Requests per second, in place of the workload's.")
    ] = None,
    requests: Annotated[int | None, Parameter(help="How many of the workload's.")] = None,
    time_limit: Annotated[float, Parameter(help="Seconds after which the record ends.")] = MOST,
    seed: Annotated[int, Parameter(help="Seed of all that is random.")] = 0,
    threads: Annotated[int | None, Parameter(help="Threads that compute.")] = None,
    clock: Annotated[
        Literal["wall", "processor"],
        Parameter(help="Time on the wall, or what the engine's one thread uses of a processor."),
    ] = "wall",
    output: Annotated[
        Path, Parameter(name=["--output", "-o"], validator=place, help="The record to write.")
    ] = Path("run.jsonl"),
    json: Json = False,
) -> int:
    """Run requests through vLLM on this machine, under a policy, and record every iteration.

    The requests are those of a scenario or a log, sent at their times on the clock on the wall.
    Prompts are drawn at random, with equal beginnings where the workload says so; answers are made
    as long as it says, which the policy is not told. A scenario whose first pool has kv_blocks sets
    the engine's memory where no option does. Ctrl-C ends the run and keeps the record, which
    `hocket report` shows. Needs vLLM: pip install 'hocket[llm]'.

    Examples:

        hocket live vllm requests.csv --model tiny --policy serving/past-future -o run.jsonl
        hocket live vllm chat.yaml --model ./llama --kv-blocks 2000 --prefix-cache --set seqs=64
        hocket live vllm chat.yaml --model ./llama --stock --rate 5 --requests 200 -o stock.jsonl
    """
    from hocket.serving.live.vllm.measure import measure

    world = _cluster(scenario)
    say_notes(world)
    if stock and settings:
        raise UserError("--stock leaves every decision to vLLM: there is no policy to --set")
    chosen = None if stock else _policy(policy, settings)
    bounds = {
        "kv_blocks": kv_blocks,
        "block_size": block_size,
        "prefix_cache": prefix_cache,
        "max_context": max_context,
    }
    last: list[News] = []
    stopping = "stopping after this iteration; again to stop at once"
    with ticking(not json) as tick, Interrupt(lambda: say(stopping)) as interrupt:

        def told(news: News) -> None:
            last[:] = [news]
            tick(f"{news.done} of {news.count} requests, {duration(news.seconds)}")

        measure(
            world.workload,
            record=output,
            policy=chosen,
            model=model,
            seqs=seqs,
            tokens=tokens,
            overlapped=overlap,
            engine=_arguments(engine),
            rate=rate,
            requests=requests,
            time_limit=time_limit,
            unit=world.time_unit,
            seed=seed,
            threads=threads,
            clock=clock,
            progress=told,
            stop=lambda: interrupt.asked,
            **_memory(world, bounds),
        )
    _show(last[-1], output, chosen, json)
    return 130 if interrupt.asked else 0


def _cluster(name: str) -> Cluster:
    """The scenario with the requests. Raises UserError for one of another domain."""
    from hocket.serving.model.cluster import Cluster
    from hocket.serving.twin import is_record

    if is_record(name):
        raise UserError(
            f"{name} is a record; make a scenario of it: hocket report {name} --scenario again.yaml"
        )
    world = api.load(name)
    if not isinstance(world, Cluster):
        raise UserError(f"{name} has no requests for a language model; give a log, or a scenario")
    return world


def _policy(name: str, settings: tuple[str, ...]) -> Policy:
    """The policy that composes iterations. Raises UserError for one of another role."""
    from hocket.serving.roles.policy import BatchingPolicy

    chosen = with_fields(api.load_policy(name), settings)
    if not isinstance(chosen, BatchingPolicy):
        raise UserError(
            f"{chosen.name} composes no iterations; one engine needs a batching policy, such as "
            "serving/sarathi"
        )
    return chosen


def _memory(world: Cluster, asked: dict[str, Any]) -> dict[str, Any]:
    """What was asked of the engine's memory, and else what the first pool says, if it does."""
    given = {name: value for name, value in asked.items() if value is not None}
    pool = world.pools[0]
    if pool.kv_blocks is None:
        return given
    told = {name: getattr(pool, name) for name in asked}
    return {name: value for name, value in told.items() if value is not None} | given


def _arguments(texts: tuple[str, ...]) -> dict[str, Any]:
    """``enforce_eager=true`` as a mapping, values read as YAML reads them."""
    from hocket.core.structured import parse

    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UserError(f"--engine {text!r} sets nothing; write name=value")
        found[name.strip()] = parse(value, "yaml", "--engine")
    return found


def _show(last: News, output: Path, policy: Policy | None, json: bool) -> None:
    if json:
        as_json(
            {
                "record": str(output),
                "policy": None if policy is None else spec(policy),
                "requests": last.count,
                "done": last.done,
                "seconds": last.seconds,
            }
        )
        return
    say(f"{last.done} of {last.count} requests in {duration(last.seconds)}; wrote {output}")
    say(f"look at it with: hocket report {output}")

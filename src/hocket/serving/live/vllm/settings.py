"""What hocket's scheduler is told when an engine starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from hocket.core import files, structured
from hocket.core.convert import convert
from hocket.core.errors import InputError, Problem, UserError
from hocket.core.load import load_policy
from hocket.core.streams import MAX_SEED, Streams
from hocket.core.writing import require_place
from hocket.serving.cost.protocol import Cost
from hocket.serving.roles.batching import Batcher
from hocket.serving.roles.facts import Engine, Targets
from hocket.serving.roles.policy import BATCHING, WHOLE, ServingPolicy

VARIABLE = "HOCKET_VLLM"
"""The environment variable with the settings, or with the name of a file of them."""

T = TypeVar("T")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the scheduler.

    - `policy`: a policy that batches: its name, a mapping with its name and fields, or a file
    - `record`: the file into which the run is written down, line by line; none if empty. Where
      several engines share the settings (data parallelism), each appends its name
    - `seed`: of the policy's random numbers
    - `name`: of this engine; its random numbers depend on it, as those of a simulated replica do.
      By default ``replica-0``, with the engine's number among those that share a server, which
      is appended to a name that several share
    - `targets`: what users were promised, in seconds (`hocket.serving.roles.facts.Targets`)
    - `cost`: what iterations cost, for policies that ask: a file that `hocket calibrate` wrote, or
      a cost model as pools of a scenario have it
    - `unverified`: whether to run with a version of vLLM that this was not tested with
    """

    policy: str | dict[str, Any] = BATCHING
    record: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    name: str = ""
    targets: Targets = Targets()
    cost: str | dict[str, Any] = ""
    unverified: bool = False


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one engine, and what was made of them."""

    settings: Settings
    policy: ServingPolicy
    engine: Engine
    batcher: Batcher


def read(additional: Any, environ: Mapping[str, str]) -> Settings:
    """The settings from vLLM's ``additional_config`` or the environment; defaults without either.

    Relative paths in a file are relative to its folder. Raises InputError with every problem.
    """
    given = additional.get("hocket") if isinstance(additional, dict) else None
    named = environ.get(VARIABLE, "").strip()
    if given is not None and named:
        raise UserError(
            f"settings are given twice, in additional_config and in {VARIABLE}; leave one out"
        )
    if given is not None:
        return _settings(given, "additional_config.hocket", Path())
    if not named:
        return Settings()
    if named.startswith("{"):
        return _settings(structured.parse(named, "yaml", VARIABLE), VARIABLE, Path())
    kind = structured.KINDS.get(files.suffix(named), "yaml")
    data = structured.parse(files.text(named), kind, named)
    return _settings(data, named, Path(named).parent)


def _settings(data: Any, source: str, folder: Path) -> Settings:
    if not isinstance(data, dict):
        example = '{"policy": "serving/past-future"}'
        raise InputError(source, [f"expected settings such as {example}, got {data!r:.60}"])
    found = convert(data, Settings, source=source)
    if found.seed > MAX_SEED:
        raise InputError(source, [Problem("seed", f"{found.seed} is more than 2^128 - 1")])
    return msgspec.structs.replace(
        found,
        record=str(folder / found.record) if found.record else "",
        policy=_beside(found.policy, folder),
        cost=_beside(found.cost, folder),
    )


def _beside(named: str | dict[str, Any], folder: Path) -> str | dict[str, Any]:
    """A file's name as seen from here, if there is such a file in the folder."""
    if isinstance(named, str) and named and (folder / named.partition(":")[0]).is_file():
        return str(folder / named)
    return named


def prepare(settings: Settings, engine: Engine) -> Prepared:
    """The batcher that `settings` ask for, for an engine whose cost model is still to be read.

    Raises InputError with every problem, each with the path of its setting.
    """
    problems: list[Problem] = []

    def tried(setting: str, attempt: Callable[[], T]) -> T | None:
        try:
            return attempt()
        except UserError as error:
            problems.append(Problem(setting, str(error)))
            return None

    policy = tried("policy", lambda: policy_of(settings.policy))
    cost = tried("cost", lambda: cost_of(settings.cost, engine))
    if settings.record:
        tried("record", lambda: require_place(settings.record))
    if policy is not None and not problems:
        engine = msgspec.structs.replace(engine, targets=settings.targets, cost=cost)
        streams = Streams(settings.seed).child(f"policy.{engine.name}")
        batcher = tried("policy", lambda: policy.batcher(engine, streams))
        if batcher is not None:
            return Prepared(settings=settings, policy=policy, engine=engine, batcher=batcher)
    raise InputError("the settings of hocket in vLLM", problems)


def policy_of(given: str | dict[str, Any]) -> ServingPolicy:
    """The policy that a setting names. Raises UserError for one that does not batch."""
    found = load_policy(given)
    if isinstance(found, ServingPolicy) and found.role in ("batching", WHOLE):
        return found
    role = f" ({found.role})" if isinstance(found, ServingPolicy) else ""
    raise UserError(f"{found.name} does not compose iterations{role}; {BATCHING} does")


def cost_of(given: str | dict[str, Any], engine: Engine) -> Cost | None:
    """The cost model that a setting names, for this engine. Raises UserError."""
    if not given:
        return None
    from hocket.serving.formats.pools import expand_pools
    from hocket.serving.model.cluster import Pool

    config = {"kind": "file", "path": given} if isinstance(given, str) else given
    fields = {"name": engine.name, "pp": engine.stages, "block_size": engine.block_size}
    fields |= {
        "kv_blocks": engine.blocks,
        "max_context": engine.max_context,
        "gpu": "",
        "model": "",
    }
    expanded = expand_pools({"pools": [fields | {"cost": config}]}, Path())["pools"][0]
    pool = convert(expanded, Pool, source="the cost model")
    if problems := list(pool.cost.problems("cost", pool)):
        raise InputError("the cost model", problems)
    return pool.cost.model(pool)


def described(prepared: Prepared) -> dict[str, Any]:
    """The policy as a mapping that `hocket` reads: its name, or file, and all its fields."""
    given = prepared.settings.policy
    named = str(given.get("policy", "") if isinstance(given, dict) else given)
    own = named if ".py" in named else prepared.policy.name
    fields: dict[str, Any] = msgspec.to_builtins(prepared.policy)
    return {"policy": own} | fields

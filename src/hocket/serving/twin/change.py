"""What if: changes to a served log, written as ``KEY=VALUE``.

- ``policy=serving/past-future``: another policy, by name or file; ``policy.every=1`` sets a field
- ``kv_blocks=400``, ``kv_blocks=0.5x``: blocks of key-value memory
- ``tokens=1024``, ``seqs=2x``: the engine's bounds of an iteration
- ``rate=2x``: the same requests in half the time
- ``prefix_cache=on``: whether blocks of finished prompts are kept and shared
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hocket.core.errors import InputError, Problem, UserError, did_you_mean
from hocket.core.fields import with_fields
from hocket.core.load import load_policy
from hocket.core.policy import Policy
from hocket.serving import memory
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.roles.policy import ServingPolicy
from hocket.serving.twin.bounds import Bounded
from hocket.serving.twin.served import Served
from hocket.serving.workload import Trace, faster

KEYS = ("policy", "kv_blocks", "tokens", "seqs", "rate", "prefix_cache")

_NUMBER = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(x?)")
_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario and a policy after changes; `label` says which, in the words they were given."""

    label: str
    scenario: Cluster
    policy: Policy


def changed(served: Served, changes: Sequence[str]) -> Changed:
    """The log's scenario and policy with the changes made.

    Raises InputError with every change that cannot be read, or that makes no engine; UnknownName
    for a policy that nobody knows.
    """
    given = _read(changes)
    world, policy = served.scenario, served.policy
    inner = policy.inner if isinstance(policy, Bounded) else policy
    if "policy" in given:
        inner = _serving(load_policy(given["policy"]))
    fields = [f"{key[7:]}={text}" for key, text in given.items() if key.startswith("policy.")]
    own = {field.name for field in msgspec.structs.fields(type(inner))}
    most = bounds(served.policy)
    for key in ("tokens", "seqs"):
        if key in given:
            most[key] = _amount(given[key], most[key], key)
            if key in own:
                fields.append(f"{key}={most[key]}")
    inner = with_fields(inner, fields)
    if isinstance(policy, Bounded) or "tokens" in given or "seqs" in given:
        inner = Bounded(inner=_serving(inner), **most)
    world = msgspec.structs.replace(
        world,
        pools=(_pool(world.pools[0], given),),
        workload=_workload(world.workload, given),
    )
    if problems := list(world.problems()):
        raise InputError("--what-if", problems)
    return Changed(label=", ".join(changes), scenario=world, policy=inner)


def like(served: Served, other: Served) -> Changed:
    """The requests of one log before the engine and under the policy of another."""
    pool = msgspec.structs.replace(other.pool, cost=served.pool.cost)
    world = msgspec.structs.replace(served.scenario, pools=(pool,))
    return Changed(label=f"as in {other.source}", scenario=world, policy=other.policy)


def _read(changes: Iterable[str]) -> dict[str, str]:
    """The changes by key. Raises InputError with every one that cannot be read."""
    found: dict[str, str] = {}
    problems = []
    for text in changes:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            problems.append(f"{text!r:.60} changes nothing; write KEY=VALUE")
        elif key not in KEYS and not key.startswith("policy."):
            near = did_you_mean(key, KEYS) or f"; there is {', '.join(KEYS)}"
            problems.append(f"{key!r:.40} is nothing that can be changed{near}")
        elif key in found:
            problems.append(f"{key} is changed twice")
        else:
            found[key] = value
    if problems:
        raise InputError("--what-if", problems)
    return found


def _pool(pool: Pool, given: dict[str, str]) -> Pool:
    fields: dict[str, Any] = {}
    if "kv_blocks" in given:
        fields["kv_blocks"] = _amount(given["kv_blocks"], memory.blocks(pool), "kv_blocks")
    if "prefix_cache" in given:
        text = given["prefix_cache"].lower()
        if text not in _SWITCH:
            raise InputError("--what-if", [Problem("prefix_cache", f"{text!r:.40}: on or off")])
        fields["prefix_cache"] = _SWITCH[text]
    return msgspec.structs.replace(pool, **fields)


def _workload(workload: Any, given: dict[str, str]) -> Any:
    if "rate" not in given:
        return workload
    times = _factor(given["rate"])
    if not isinstance(workload, Trace):
        raise UserError("--what-if rate: only recorded arrivals can be made faster")
    return faster(workload, times)


def bounds(policy: Policy) -> dict[str, int]:
    """The bounds in force, as far as they are known: the engine's own, or the policy's."""
    return {
        "tokens": getattr(policy, "tokens", None) or 2048,
        "seqs": getattr(policy, "seqs", None) or 256,
    }


def _amount(text: str, now: int, key: str) -> int:
    """A count as given, or a multiple of the present one: ``400``, ``0.5x``."""
    found = _NUMBER.fullmatch(text)
    if found is None or (not found[2] and "." in found[1]):
        message = f"{text!r:.40} is no count; write {now} or, for half of that, 0.5x"
        raise InputError("--what-if", [Problem(key, message)])
    value = float(found[1]) * now if found[2] else int(found[1])
    if not 1 <= value <= 2**40:
        raise InputError("--what-if", [Problem(key, f"{text} of {now} leaves none, or too many")])
    return int(value)


def _factor(text: str) -> float:
    found = _NUMBER.fullmatch(text)
    if found is None or not found[2] or not 0.001 <= float(found[1]) <= 1000:
        message = f"{text!r:.40} is no factor; write 2x for twice as many requests per second"
        raise InputError("--what-if", [Problem("rate", message)])
    return float(found[1])


def _serving(policy: Policy) -> ServingPolicy:
    if not isinstance(policy, ServingPolicy):
        raise UserError(f"--what-if policy: {policy.name} is none for serving")
    return policy

"""What a capacity search chooses between: configurations, and how many replicas of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from hocket.core.policy import Policy, spec
from hocket.serving.cost import CostConfig, Roofline
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.model.search import Search, Split, policy_of
from hocket.serving.policies.system import System
from hocket.serving.roles.cluster import Role
from hocket.serving.roles.policy import batching

Counts = tuple[int, ...]
"""Replicas of each role: one number for colocated fleets, prefill and decode for others."""

DIGITS = 12
"""Prices are rounded to so many, or 3 x 1.2 and 2 x 1.8 would not be the same price."""


def rounded(prices: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Prices above 0, to `DIGITS` digits; the shape is kept."""
    given = np.asarray(prices, dtype=np.float64)
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(given)))
    return np.asarray(np.round(given * scale) / scale)


class Cut(NamedTuple):
    """How a replica is spread over GPUs."""

    tp: int
    pp: int

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tp * self.pp


class Configuration(msgspec.Struct, frozen=True):
    """Everything but the number of replicas.

    `cuts` has one entry for replicas that do both, two for those that prefill and those that
    decode; none stands for the pools of the scenario as they are.
    """

    gpu: str
    cuts: tuple[Cut, ...]
    policy: Policy

    @property
    def split(self) -> Split:
        """Whether there are replicas of two roles."""
        return "colocated" if len(self.cuts) == 1 else "disaggregated"

    def gpus(self, counts: Counts) -> int:
        """GPUs of a fleet."""
        return sum(count * cut.gpus for count, cut in zip(counts, self.cuts, strict=True))

    def price(self, search: Search, counts: Counts) -> float:
        """What a fleet costs per hour; its GPUs where there are no prices."""
        gpus = self.gpus(counts)
        return float(rounded(gpus * search.price[self.gpu])) if search.price else float(gpus)

    def told(self, counts: Counts) -> str:
        """A fleet in words: ``3 replicas of 2 x A100-80GB (TP 2) with serving/sarathi``."""
        if not self.cuts:
            return f"the pools as they are with {self.policy}"
        parts = []
        for count, cut in zip(counts, self.cuts, strict=True):
            ways = [f"{way} {n}" for way, n in (("TP", cut.tp), ("PP", cut.pp)) if n > 1]
            over = f"{cut.gpus} x {self.gpu} ({', '.join(ways)})" if ways else self.gpu
            parts.append(f"{count} replica{'s' if count > 1 else ''} of {over}")
        told = parts[0] if len(parts) == 1 else f"{parts[0]} to prefill and {parts[1]} to decode"
        return f"{told} with {self.policy}"


class Excluded(NamedTuple):
    """A configuration that cannot be built, and why."""

    gpu: str
    cuts: tuple[Cut, ...]
    policy: str
    why: str


def configurations(
    scenario: Cluster, search: Search
) -> tuple[tuple[Configuration, ...], tuple[Excluded, ...]]:
    """All configurations of a search, in order, and those that cannot be.

    A policy that refuses one kind of fleet is only told of if it refuses all.
    """
    found: list[Configuration] = []
    excluded: list[Excluded] = []
    refused: list[Excluded] = []
    policies = tuple(dict.fromkeys(_policies(search)))
    for gpu, cuts in product(_gpus(scenario, search), _cuts(scenario.pools[0], search)):
        if why := _unfit(scenario, search, gpu, cuts):
            excluded.append(Excluded(gpu, cuts, "", why))
            continue
        for policy in policies:
            one = Configuration(gpu, cuts, policy)
            if why := policy.refuses(fleet(scenario, search, one, (1,) * len(cuts))):
                refused.append(Excluded(gpu, cuts, str(policy), why))
            else:
                found.append(one)
    used = {str(one.policy) for one in found}
    excluded += [one for one in refused if one.policy not in used]
    return tuple(found), tuple(excluded)


def as_they_are(
    scenario: Cluster, search: Search
) -> tuple[tuple[Configuration, ...], tuple[Excluded, ...]]:
    """The policies of a search on the scenario's own pools, and those that refuse them."""
    kinds = "+".join(dict.fromkeys(pool.gpu for pool in scenario.pools))
    found: list[Configuration] = []
    excluded: list[Excluded] = []
    for policy in dict.fromkeys(_policies(search)):
        if why := policy.refuses(scenario):
            excluded.append(Excluded(kinds, (), str(policy), why))
        else:
            found.append(Configuration(kinds, (), policy))
    return tuple(found), tuple(excluded)


def fleet(
    scenario: Cluster, search: Search, configuration: Configuration, counts: Counts
) -> Cluster:
    """The scenario with the replicas of a configuration in place of its own, and no search."""
    if not configuration.cuts:
        return replace(scenario, search=None)
    pools = pools_of(scenario, search, configuration.gpu, configuration.cuts, counts)
    return replace(scenario, pools=pools, search=None)


def pools_of(
    scenario: Cluster, search: Search, gpu: str, cuts: Sequence[Cut], counts: Counts
) -> tuple[Pool, ...]:
    """Pools like the scenario's first one, but of this GPU and cut, for each role."""
    first = scenario.pools[0]
    roles: tuple[Role, ...] = ("both",) if len(cuts) == 1 else ("prefill", "decode")
    found = []
    for role, cut, count in zip(roles, cuts, counts, strict=True):
        same = (gpu, *cut) == (first.gpu, first.tp, first.pp)
        pool = replace(
            first,
            name=first.name if role == "both" else role,
            count=count,
            most=max(first.most, count),
            gpu=gpu,
            tp=cut.tp,
            pp=cut.pp,
            role=role,
            cost=_cost(first, search, gpu, cut),
            # A number of blocks that was measured holds for the replica it was measured on.
            kv_blocks=first.kv_blocks if same else None,
        )
        found.append(pool)
    return tuple(found)


def _cost(first: Pool, search: Search, gpu: str, cut: Cut) -> CostConfig:
    for one in search.costs:
        if (one.gpu, one.tp) == (gpu, cut.tp):
            return one.cost
    if (gpu, cut.tp) == (first.gpu, first.tp) or isinstance(first.cost, Roofline):
        return first.cost
    return Roofline()


def _unfit(scenario: Cluster, search: Search, gpu: str, cuts: tuple[Cut, ...]) -> str:
    """What keeps replicas of this kind from being built, empty if nothing does."""
    pools = pools_of(scenario, search, gpu, cuts, (1,) * len(cuts))
    wrong = replace(scenario, pools=pools, search=None).problems()
    told = dict.fromkeys(problem.message for problem in wrong if problem.path.startswith("pools"))
    return "; ".join(told)


def _gpus(scenario: Cluster, search: Search) -> tuple[str, ...]:
    return search.gpus or (scenario.pools[0].gpu,)


def _cuts(first: Pool, search: Search) -> Iterator[tuple[Cut, ...]]:
    """Of a split fleet both roles may be cut in their own way."""
    cuts = [Cut(tp, pp) for tp, pp in product(search.tp or (first.tp,), search.pp or (first.pp,))]
    for split in search.split:
        yield from product(cuts, repeat=1 if split == "colocated" else 2)


def _policies(search: Search) -> Iterator[Policy]:
    for part in search.policies:
        policy = policy_of(part)
        if not search.tokens:
            yield policy
        for tokens in search.tokens:
            yield with_tokens(policy, tokens)


def with_tokens(policy: Policy, tokens: int) -> Policy:
    """The policy with this token budget, or as it is if it has none."""
    changed: Any = policy
    if isinstance(policy, System):
        inner = with_tokens(batching(policy.batching), tokens)
        found: Policy = replace(changed, batching=spec(inner))
        return found
    if "tokens" in policy.__struct_fields__:
        found = replace(changed, tokens=tokens)
        return found
    return policy


def tokens_of(policy: Policy) -> int | str | None:
    """The token budget of a policy, None if it has none."""
    inner = batching(policy.batching) if isinstance(policy, System) else policy
    budget: int | str | None = getattr(inner, "tokens", None)
    return budget

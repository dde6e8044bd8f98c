"""What a capacity search may choose from: the key ``search`` of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from hocket.core.errors import Problem, UnknownName, UserError
from hocket.core.load import load_policy
from hocket.core.policy import Policy
from hocket.serving import catalogue
from hocket.serving.cost import CostConfig

if TYPE_CHECKING:
    from hocket.serving.model.cluster import Pool

Split = Literal["colocated", "disaggregated"]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Replicas = Annotated[int, msgspec.Meta(ge=1, le=1024)]
Price = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Some = msgspec.Meta(min_length=1)

POLICIES = ("serving/vllm-v1", "serving/sarathi")


class Calibrated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What iterations cost on replicas of `tp` GPUs of a kind, where it is known."""

    gpu: str
    tp: Positive = 1
    cost: CostConfig


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fleets that `hocket solve` looks at, and what they cost.

    Model, memory and everything else that is not listed here is that of the scenario's first pool.

    - `gpus`: kinds of GPU; `tp`, `pp`: how a replica may be cut; those of the first pool if empty
    - `price`: of each kind, per hour, in any currency; without prices GPUs are counted
    - `split`: replicas that prefill and decode, or some for each, cut alike or not
    - `policies`: names, or mappings with fields
    - `tokens`: budgets of an iteration, for policies that have one; their own if empty
    - `most`: most replicas of each role
    - `costs`: calibrated cost models; elsewhere that of the first pool holds for its own GPU and
      `tp`, and for others a roofline
    """

    gpus: tuple[str, ...] = ()
    price: dict[str, Price] = {}
    tp: tuple[Positive, ...] = ()
    pp: tuple[Positive, ...] = ()
    split: Annotated[tuple[Split, ...], Some] = ("colocated",)
    policies: Annotated[tuple[str | dict[str, Any], ...], Some] = POLICIES
    tokens: tuple[Positive, ...] = ()
    most: Replicas = 16
    costs: tuple[Calibrated, ...] = ()

    def problems(self, path: str, pool: Pool | None) -> Iterator[Problem]:
        """What is wrong beyond types; `pool` is the first one."""
        yield from self._names(path)
        for name in ("gpus", "tp", "pp", "split", "tokens"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                yield Problem(f"{path}.{name}", "names something twice")
        kinds = self.gpus or (() if pool is None else (pool.gpu,))
        for gpu in kinds:
            if self.price and gpu not in self.price:
                yield Problem(f"{path}.price", f"there is none for {gpu}; give all or none")
        for i, part in enumerate(self.policies):
            try:
                policy_of(part)
            except UserError as error:
                yield Problem(f"{path}.policies[{i}]", str(error))

    def _names(self, path: str) -> Iterator[Problem]:
        named = [(f"gpus[{i}]", gpu) for i, gpu in enumerate(self.gpus)]
        named += [(f"price.{gpu}", gpu) for gpu in self.price]
        named += [(f"costs[{i}].gpu", one.gpu) for i, one in enumerate(self.costs)]
        for where, gpu in named:
            try:
                catalogue.gpu(gpu)
            except UnknownName as error:
                yield Problem(f"{path}.{where}", str(error))


def policy_of(part: str | dict[str, Any]) -> Policy:
    """The policy that an entry of `Search.policies` names. Raises UserError."""
    found = load_policy(part)
    if "serving/cluster" not in found.problems:
        raise UserError(f"{found.name} does not serve language models; serving/vllm-v1 does")
    return found

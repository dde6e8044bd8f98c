"""Which ways there are to place a model on GPUs, and what an instance of each costs and holds.

Tensor-parallel degrees divide the attention heads, pipeline depths the layers. A pair of instances
that hand requests over shares the nodes: each of `cross` pipeline segments lies on one node, with
its part of the prefill and of the decode instance, so that keys and values never cross nodes
(Zhong et al., DistServe, OSDI 2024, section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

from hocket.serving import catalogue, memory
from hocket.serving.cost.distserve import DistServe
from hocket.serving.disaggregation import published
from hocket.serving.disaggregation.instance import Instance
from hocket.serving.model.cluster import Pool


class Parallel(NamedTuple):
    """How one instance is cut: tensor-parallel degree and pipeline depth."""

    tp: int
    pp: int

    @property
    def gpus(self) -> int:
        """GPUs of the instance."""
        return self.tp * self.pp

    def __str__(self) -> str:
        return f"TP {self.tp} PP {self.pp}"


class Pair(NamedTuple):
    """A prefill and a decode instance on shared nodes, in the order of the authors' search.

    The depth of a pipeline is `cross` times the depth of its segment on one node.
    """

    cross: int
    prefill_tp: int
    prefill_pp: int
    decode_tp: int
    decode_pp: int

    @property
    def prefill(self) -> Parallel:
        """The prefill instance."""
        return Parallel(self.prefill_tp, self.cross * self.prefill_pp)

    @property
    def decode(self) -> Parallel:
        """The decode instance."""
        return Parallel(self.decode_tp, self.cross * self.decode_pp)

    @property
    def gpus(self) -> int:
        """GPUs of both."""
        return self.prefill.gpus + self.decode.gpus

    def __str__(self) -> str:
        return f"prefill {self.prefill}, decode {self.decode}"


Placement = Parallel | Pair
"""What one simulation runs: a colocated instance, or a pair."""


class Profile(NamedTuple):
    """What the search knows of a model on a kind of GPU.

    `times`: costs by tensor-parallel degree; `memory`: tokens of keys and values by (tp, pp), where
    what is missing does not fit. `pack` is L_m, None to pack prompts up to the memory.
    """

    layers: int
    heads: int
    times: Mapping[int, DistServe]
    memory: Mapping[tuple[int, int], int]
    pack: int | None = None

    def instance(self, cut: Parallel) -> Instance | None:
        """The instance of the simulator; None if it does not fit or its times are unknown."""
        tokens = self.memory.get(cut)
        costs = self.times.get(cut.tp)
        if tokens is None or costs is None:
            return None
        return Instance(costs, cut.pp, tokens, self.pack)

    def fits(self, placement: Placement) -> bool:
        """Whether every instance of a placement can be simulated."""
        if isinstance(placement, Parallel):
            return self.instance(placement) is not None
        return self.fits(placement.prefill) and self.fits(placement.decode)


def published_profile(model: str, engine: str = "distserve", pack: int | None = None) -> Profile:
    """A model as the authors measured it on A100 80 GB. Raises UnknownName."""
    shape = catalogue.model(model)
    costs, tokens = published.times(model, engine), published.memory(model)
    return Profile(shape.layers, shape.heads, costs, tokens, pack)


def catalogue_profile(
    model: str,
    gpu: str,
    times: Mapping[int, DistServe],
    *,
    most_pp: int = 8,
    memory_utilization: float = 0.9,
    pack: int | None = None,
) -> Profile:
    """A model whose costs one has fitted, with the memory that model and GPU leave.

    Depths of up to `most_pp` are looked at. Raises UnknownName.
    """
    shape = catalogue.model(model)
    tokens = {}
    for tp, pp in product(times, _divisors(shape.layers, most_pp)):
        pool = Pool(model=model, gpu=gpu, tp=tp, pp=pp, memory_utilization=memory_utilization)
        if blocks := memory.blocks(pool):
            tokens[tp, pp] = blocks * pool.block_size
    return Profile(shape.layers, shape.heads, times, tokens, pack)


def colocated(profile: Profile, gpus: int) -> list[Parallel]:
    """Every way to cut one instance over at most `gpus` GPUs, whether it fits or not."""
    degrees, depths = _divisors(profile.heads, gpus), _divisors(profile.layers, gpus)
    return [Parallel(tp, pp) for tp, pp in product(degrees, depths) if tp * pp <= gpus]


def pairs(profile: Profile, nodes: int, gpus: int, *, fast_links: bool = False) -> list[Pair]:
    """Every pair of instances on `nodes` nodes of `gpus` GPUs each, whether it fits or not.

    With `fast_links` between the nodes the borders of nodes do not matter. The order and the number
    of pairs are those of the authors' search.
    """
    total = nodes * gpus
    local = total if fast_links else gpus
    degrees, depths = _divisors(profile.heads, local), _divisors(profile.layers, local)
    segments = [1] if fast_links else _divisors(profile.layers, nodes)
    found = []
    for pair in product(segments, degrees, depths, degrees, depths):
        cross, prefill_tp, prefill_pp, decode_tp, decode_pp = pair
        of_a_node = prefill_tp * prefill_pp + decode_tp * decode_pp
        whole = not (profile.layers % (cross * prefill_pp) or profile.layers % (cross * decode_pp))
        if of_a_node <= local and cross * of_a_node <= total and whole:
            found.append(Pair(*pair))
    return found


def _divisors(number: int, most: int) -> list[int]:
    return [d for d in range(1, min(number, most) + 1) if number % d == 0]

"""Which fleets there are, and what the key `search` may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

import hocket
from hocket.core.errors import InputError
from hocket.core.save import save
from hocket.core.streams import Streams
from hocket.serving.capacity.deploy import commands
from hocket.serving.capacity.fleet import (
    Configuration,
    Cut,
    configurations,
    fleet,
    pools_of,
    tokens_of,
    with_tokens,
)
from hocket.serving.capacity.part import busiest
from hocket.serving.capacity.work import guess
from hocket.serving.cost import Constant, Linear, Roofline
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.model.search import Calibrated, Search
from hocket.serving.workload import ClosedLoop, Fixed, Separate, Trace
from tests.serving.capacity.cases import chats, line, policy

TWO: Any = ("colocated", "disaggregated")


def test_every_combination_is_a_configuration() -> None:
    search = Search(
        tp=(1, 2),
        gpus=("A100-80GB", "H100"),
        split=TWO,
        policies=("serving/vllm-v1", "serving/distserve"),
        tokens=(256, 512, 1024),
    )
    found, excluded = configurations(chats(), search)
    # Colocated 2 cuts x 3 budgets; split 4 pairs x (3 budgets + DistServe, which has none).
    assert len(found) == 2 * (2 * 3 + 4 * (3 + 1))
    assert excluded == ()  # DistServe refuses colocated fleets, but not all
    only = Search(policies=("serving/distserve",))
    found, excluded = configurations(chats(), only)
    assert found == () and "prefill" in excluded[0].why


def test_the_first_pool_is_the_template() -> None:
    first = Pool(name="gpu", tp=2, kv_blocks=777, memory_utilization=0.8, count=9)
    world = replace(chats(), pools=(first,))
    same, other = (Cut(2, 1), Cut(1, 1))
    (pool,) = pools_of(world, Search(), "A100-80GB", (same,), (3,))
    assert pool == replace(first, count=3)
    (pool,) = pools_of(world, Search(), "A100-80GB", (other,), (3,))
    assert (pool.kv_blocks, pool.memory_utilization, pool.tp) == (None, 0.8, 1)
    prefill, decode = pools_of(world, Search(), "H100", (same, other), (1, 2))
    assert [(p.name, p.role, p.count, p.tp) for p in (prefill, decode)] == [
        ("prefill", "prefill", 1, 2),
        ("decode", "decode", 2, 1),
    ]


def test_costs_hold_for_what_they_were_calibrated_on() -> None:
    mine, theirs = Linear(base=0.01), Constant(seconds=0.5)
    world = replace(chats(), pools=(Pool(cost=mine),))
    search = Search(costs=(Calibrated(gpu="H100", tp=2, cost=theirs),))

    def cost(gpu: str, tp: int) -> Any:
        return pools_of(world, search, gpu, (Cut(tp, 1),), (1,))[0].cost

    assert cost("A100-80GB", 1) is mine
    assert cost("H100", 2) is theirs
    assert cost("A100-80GB", 2) == cost("H100", 1) == Roofline()
    tuned = Roofline(compute=0.5)
    again = replace(world, pools=(Pool(cost=tuned),))
    assert pools_of(again, Search(), "H100", (Cut(4, 1),), (1,))[0].cost is tuned


def test_prices_and_words() -> None:
    one = Configuration("H100", (Cut(2, 1), Cut(1, 4)), policy("serving/vllm-v1"))
    assert one.gpus((3, 1)) == 10
    assert one.price(Search(), (3, 1)) == 10.0
    assert one.price(Search(price={"H100": 2.5}), (3, 1)) == 25.0
    for price, total in ((0.3, 1.8), (3e-9, 1.8e-8), (1.1e8, 6.6e8)):  # not 1.7999999999999998
        assert one.price(Search(price={"H100": price}), (1, 1)) == total
    assert one.told((3, 1)) == (
        "3 replicas of 2 x H100 (TP 2) to prefill and 1 replica of 4 x H100 (PP 4) to decode with "
        "serving/vllm-v1"
    )


def test_budgets_reach_the_batching_policy() -> None:
    system = policy("serving/system", batching="serving/sarathi")
    assert tokens_of(with_tokens(system, 300)) == 300
    assert tokens_of(with_tokens(policy("serving/vllm-v0"), 300)) == 300
    distserve = policy("serving/distserve")
    assert with_tokens(distserve, 300) is distserve
    assert tokens_of(distserve) is None


def test_commands_are_for_what_vllm_does() -> None:
    world = fleet(
        chats(), Search(), Configuration("H100", (Cut(4, 2),), policy("serving/vllm-v1")), (3,)
    )
    (told,) = commands(world, policy("serving/vllm-v1", tokens=512, seqs=64))
    assert told.startswith("3 x vllm serve meta-llama/Llama-3.1-8B ")
    for flag in (
        "--tensor-parallel-size 4",
        "--pipeline-parallel-size 2",
        "--max-num-batched-tokens 512",
        "--max-num-seqs 64",
    ):
        assert flag in told
    assert commands(world, policy("serving/orca")) == ()


def guessed(world: Cluster) -> tuple[int, ...]:
    return guess(world.pools, world.workload.draw(Streams(0), "us"), "us")


def test_work_is_a_fair_first_guess() -> None:
    assert guessed(line(1.0)) == (1,)
    heavy = chats(rate=100.0, count=300)
    assert 4 < guessed(heavy)[0] < 40
    assert guessed(chats(rate=200.0, count=300))[0] > guessed(heavy)[0]
    split = (Pool(name="prefill", role="prefill"), Pool(name="decode", role="decode"))
    assert sum(guessed(replace(heavy, pools=split))) >= guessed(heavy)[0]
    lengths = Separate(prompt=Fixed(tokens=10), output=Fixed(tokens=2))
    loop = replace(heavy, workload=ClosedLoop(count=50, clients=2, lengths=lengths))
    assert guessed(loop) == (1,)  # no rate, no guess


def test_the_busiest_part_of_a_log() -> None:
    arrival = (0, 100, 200, 210, 220, 230, 400, 500)
    trace = Trace(
        arrival=arrival, prompt=(5,) * 8, output=(1, 2, 3, 4, 5, 6, 7, 8), names=tuple("abcdefgh")
    )
    part = busiest(Cluster(workload=trace), 3, 0)
    assert part is not None
    drawn = part.workload.draw(Streams(0), "us")
    assert drawn.names == ("d", "e", "f")
    assert drawn.arrival.tolist() == [0, 10, 20]
    assert drawn.output.tolist() == [4, 5, 6]
    assert busiest(Cluster(workload=trace), 8, 0) is None
    lengths = Separate(prompt=Fixed(tokens=10), output=Fixed(tokens=2))
    loop = ClosedLoop(count=50, clients=2, lengths=lengths)
    assert busiest(Cluster(workload=loop), 3, 0) is None


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ({"gpus": ["A100-80G"]}, r"search.gpus\[0\]: unknown .*did you mean 'A100-80GB'"),
        ({"gpus": ["H100", "H100"]}, "search.gpus: names something twice"),
        ({"tokens": [5, 5]}, "search.tokens: names something twice"),
        ({"price": {"H100": 2.0}}, "search.price: there is none for A100-80GB"),
        ({"price": {"A100-80GB": 0}}, "must be > 0"),
        ({"price": {"A100-80GB": 1, "B999": 1}}, "search.price.B999: unknown"),
        ({"policies": ["serving/vlm-v1"]}, r"search.policies\[0\]: .*serving/vllm-v1"),
        ({"policies": ["shop/spt"]}, "does not serve language models"),
        ({"policies": []}, "at least 1"),
        ({"policies": [{"policy": "serving/vllm-v1", "tokens": 0}]}, "tokens"),
        ({"split": ["apart"]}, "colocated"),
        ({"tp": [0]}, "must be >= 1"),
        ({"costs": [{"gpu": "X", "cost": {"kind": "roofline"}}]}, r"search.costs\[0\].gpu"),
        ({"most": 5000}, "must be <= 1024"),
    ],
)
def test_a_search_that_is_wrong(search: dict[str, Any], told: str) -> None:
    data = {
        "problem": "serving/cluster",
        "workload": {"kind": "trace", "arrival": [0], "prompt": [1], "output": [1]},
        "search": search,
    }
    with pytest.raises(InputError, match=told):
        hocket.load(data)


def test_files_hold_a_search_and_costs_from_files(tmp_path: Path) -> None:
    world = chats(tp=(1, 2), price={"A100-80GB": 2.5}, tokens=(512,), split=TWO)
    save(world, tmp_path / "a.yaml")
    assert hocket.load(tmp_path / "a.yaml") == world
    (tmp_path / "model.yaml").write_text("cost: {kind: constant, seconds: 0.125}\n")
    data = {
        "problem": "serving/cluster",
        "workload": {"kind": "trace", "arrival": [0], "prompt": [1], "output": [1]},
        "search": {
            "gpus": ["H100"],
            "costs": [{"gpu": "H100", "cost": {"kind": "file", "path": "model.yaml"}}],
        },
    }
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(data))
    read: Any = hocket.load(tmp_path / "b.yaml")
    assert read.search.costs == (Calibrated(gpu="H100", cost=Constant(seconds=0.125)),)

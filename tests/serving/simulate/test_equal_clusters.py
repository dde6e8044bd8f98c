"""Whole clusters on plain replicas give the very timeline that they give on fast ones."""

import pytest

from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.load import load_policy
from hocket.core.streams import Streams
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.workload import Conversations, LogNormal, Random, Rate, Separate, Tenant

LENGTHS = Separate(
    prompt=LogNormal(median=200, p90=900, cap=1500),
    output=LogNormal(median=60, p90=200, cap=400),
)
URGENT = Tenant(name="urgent", weight=0.3, priority=-1)
DRAWN = Random(
    count=100, lengths=LENGTHS, arrivals=Rate(rate=20), tenants=(Tenant(name="normal"), URGENT)
)
TALKS = Conversations(
    count=25,
    arrivals=Rate(rate=5),
    prompt=LogNormal(median=60, p90=200, cap=500),
    output=LogNormal(median=60, p90=200, cap=400),
    system=100,
    longest=2000,
)
FAILING = Breakdowns(mean_up=3e6, mean_down=1e6)

CLUSTERS = {
    "colocated": Cluster(workload=DRAWN, pools=(Pool(count=3, kv_blocks=150),)),
    "failing": Cluster(
        workload=DRAWN,
        pools=(Pool(count=3, kv_blocks=150, host_blocks=500, breakdowns=FAILING),),
    ),
    "apart": Cluster(
        workload=DRAWN,
        pools=(
            Pool(name="p", count=2, role="prefill", breakdowns=FAILING),
            Pool(name="d", count=2, role="decode", kv_blocks=150, breakdowns=FAILING, pp=2),
        ),
    ),
    "talking": Cluster(
        workload=TALKS, pools=(Pool(count=2, kv_blocks=400, prefix_cache=True, pp=2),)
    ),
}
ENGINES = ("serving/vllm-v1", "serving/vllm-v0", "serving/sarathi", "serving/past-future")
CASES = [
    *(("colocated", policy) for policy in (*ENGINES, "serving/sjf", "serving/orca")),
    ("colocated", {"policy": "serving/priority", "urgent": True}),
    ("colocated", {"policy": "serving/sarathi", "mixed": False}),
    ("colocated", "serving/fastertransformer"),
    ("colocated", "serving/llumnix"),
    ("colocated", {"policy": "serving/llumnix", "mode": "artifact"}),
    *(("failing", policy) for policy in (*ENGINES, "serving/llumnix")),
    ("failing", {"policy": "serving/priority", "preemption": "swap"}),
    *(("apart", policy) for policy in (*ENGINES, "serving/distserve")),
    *(("talking", policy) for policy in (*ENGINES, "serving/cache-aware")),
]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("cluster", "policy"), CASES, ids=str)
def test_plain_replicas_change_nothing(cluster, policy, seed):
    scenario, decides = CLUSTERS[cluster], load_policy(policy)
    fast = simulate(scenario, decides, seed=seed)
    plain = simulate(scenario, decides, seed=seed, replica=PlainReplica)
    assert fast.columns() == plain.columns()
    assert fast.to_json() == plain.to_json()


def test_the_clusters_do_what_they_are_there_for():
    def played(cluster, policy):
        return simulate(CLUSTERS[cluster], load_policy(policy), seed=0)

    assert list(played("colocated", "serving/vllm-v1").points("preempt"))
    assert list(played("colocated", "serving/llumnix").spans("migrate"))
    assert list(played("failing", "serving/llumnix").points("lost"))
    swapping = {"policy": "serving/priority", "preemption": "swap"}
    assert list(played("failing", swapping).points("swap-in"))
    assert list(played("apart", "serving/distserve").spans("transfer"))
    spans = list(played("talking", "serving/vllm-v1").spans("run"))
    computed = sum(int(s.name.split()[1]) for s in spans if s.name.startswith("prefill"))
    drawn = TALKS.draw(Streams(0), "us")
    assert computed < int(drawn.prompt.sum()) / 2  # the rest was shared

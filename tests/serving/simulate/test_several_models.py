"""Clusters of several models: each pool serves its own tenants."""

import pytest

from hocket.core.load import load_policy
from hocket.core.timeline import Timeline
from hocket.serving.check import check
from hocket.serving.metrics import metrics
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.simulate.cluster import simulate
from hocket.serving.simulate.plain import PlainReplica
from hocket.serving.workload import Random, Rate, Separate, Tenant, Uniform

SMALL, LARGE = "llama-3.2-1b", "llama-3.1-8b"


def cluster(**larger: object) -> Cluster:
    lengths = Separate(prompt=Uniform(low=1, high=300), output=Uniform(low=1, high=60))
    tenants = (Tenant(name="small", weight=2.0), Tenant(name="large"), Tenant(name="nobody's"))
    return Cluster(
        workload=Random(count=60, lengths=lengths, arrivals=Rate(rate=20.0), tenants=tenants),
        pools=(
            Pool(name="one", model=SMALL, serves=("small",), count=2),
            Pool(name="eight", model=LARGE, serves=("large",), **larger),  # type: ignore[arg-type]
        ),
    )


def lanes(timeline: Timeline, tenant: str) -> set[str]:
    own = {p.group for p in timeline.points("arrive") if p.name.endswith(f" {tenant}")}
    return {span.lane for span in timeline.spans("run") if span.group in own}


@pytest.mark.parametrize(
    "policy", ["serving/round-robin", "serving/llumnix", "serving/cache-aware"]
)
def test_every_request_runs_where_its_tenant_is_served(policy: str) -> None:
    world = cluster()
    timeline = simulate(world, load_policy(policy))
    assert lanes(timeline, "small") == {"one-0", "one-1"}
    assert lanes(timeline, "large") == {"eight-0"}
    assert check(world, timeline) == []
    plain = simulate(world, load_policy(policy), replica=PlainReplica)
    assert sorted(plain.spans()) == sorted(timeline.spans())


def test_who_is_served_nowhere_is_rejected_and_counted() -> None:
    timeline = simulate(cluster(), load_policy("serving/vllm-v1"))
    refused = list(timeline.points("reject"))
    assert refused and {point.reason for point in refused} == {'no pool serves "nobody\'s"'}
    assert metrics(cluster(), timeline)["rejected"] == len(refused)


def test_the_checker_sees_a_request_on_a_replica_that_does_not_serve_it() -> None:
    world = cluster()
    timeline = simulate(world, load_policy("serving/vllm-v1"))
    other = Cluster(
        workload=world.workload,
        pools=(world.pools[0], Pool(name="eight", model=LARGE, serves=("small",))),
    )
    assert "tenant" in {violation.rule for violation in check(other, timeline)}

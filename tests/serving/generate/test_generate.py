"""Generated clusters: published where they claim to be, sound, and under pressure."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hocket.core.convert import convert
from hocket.core.domain import resolve
from hocket.core.errors import InputError, UnknownName
from hocket.core.save import plain
from hocket.core.streams import Streams
from hocket.serving import DOMAIN
from hocket.serving.generate import (
    GENERATORS,
    NAMED,
    BurstyChat,
    Chat,
    Llumnix,
    PastFuture,
    Pressure,
    Talks,
    named,
    names,
)
from hocket.serving.model.cluster import Cluster

SWITCHES = ("swap", "prefixes", "split", "failures", "stages", "closed", "idle")


@pytest.mark.parametrize("kind", GENERATORS)
def test_generators_heed_their_seed_and_are_read_back(kind):
    found = kind().make(3)
    assert isinstance(found, Cluster)
    assert found == kind().make(3)
    assert found.workload != kind().make(4).workload
    assert not list(found.problems())
    assert convert(plain(found), Cluster, source="x") == found
    assert kind.name
    assert kind.source


@pytest.mark.parametrize("kind", GENERATORS)
def test_every_wrong_field_is_told(kind):
    wrong = {
        field.name: -1
        for field in msgspec.structs.fields(kind)
        if type(getattr(kind(), field.name)) in (int, float)
    }
    with pytest.raises(InputError) as caught:
        kind(**wrong)
    assert {problem.path for problem in caught.value.problems} == set(wrong)


def test_seed_zero_is_the_published_llumnix_trace():
    workload = Llumnix(prompt=128, output=512, high=0.1).make(0).workload
    assert [int(x) for x in np.percentile(workload.prompt, [50, 80, 95, 99])] == [
        38,
        113,
        413,
        1464,
    ]
    assert len(workload.prompt) == 10_000
    assert np.mean(np.array(workload.priority) == -1) == pytest.approx(0.1, abs=0.015)


def test_past_future_clients_and_lengths():
    for distribution, prompt, output in (
        (1, (32, 4096), (2048, 4096)),
        (2, (3000, 5000), (3000, 5000)),
        (3, (2048, 4096), (32, 4096)),
    ):
        workload = PastFuture(distribution=distribution, clients=30).make().workload
        assert workload.clients == 30
        assert prompt[0] <= min(workload.prompt) <= max(workload.prompt) <= prompt[1]
        assert output[0] <= min(workload.output) <= max(workload.output) <= output[1]
        requests = workload.draw(Streams(0), "us")
        assert np.flatnonzero(requests.arrival >= 0).tolist() == list(range(30))


def test_chats_have_the_percentiles_that_they_are_fitted_to():
    workload = Chat(requests=20_000).make().workload
    assert np.median(workload.prompt) == pytest.approx(1730, rel=0.05)
    assert np.median(workload.output) == pytest.approx(415, rel=0.05)
    assert np.percentile(workload.prompt, 90) == pytest.approx(5696, rel=0.05)
    assert np.percentile(workload.output, 90) == pytest.approx(834, rel=0.05)
    assert max(workload.prompt) + max(workload.output) <= 8192
    assert len(workload.prompt) / (workload.arrival[-1] / 1e6) == pytest.approx(2.0, rel=0.05)


def test_bursts_are_burstier_than_chats():
    def dispersion(cluster: Cluster) -> float:
        counts = np.bincount(np.array(cluster.workload.arrival) // 10_000_000)
        return counts.var() / counts.mean()

    assert dispersion(BurstyChat(requests=5000).make()) > 5 * dispersion(Chat(requests=5000).make())


def test_conversations_share_what_they_begin_with():
    workload = Talks(conversations=20, system=64).make().workload
    begins = {ids[:4] for ids in workload.prefix}
    assert begins == {(0, 1, 2, 3)}
    for row, before in enumerate(workload.follows):
        if before >= 0:
            shared = workload.prefix[before]
            assert workload.prefix[row][: len(shared)] == shared


@pytest.mark.parametrize("switch", ["", *SWITCHES])
def test_pressure_is_sound_and_needs_more_memory_than_there_is(switch):
    scenario = Pressure(**({switch: True} if switch else {})).make(1)
    assert not list(scenario.problems())
    workload = scenario.workload
    tokens = np.array(workload.prompt) + np.array(workload.output)
    room = min(pool.kv_blocks * pool.block_size for pool in scenario.pools)
    assert tokens.max() <= room
    if switch != "idle":
        assert tokens.sum() > 2 * room * sum(pool.count for pool in scenario.pools)


def test_each_switch_of_pressure_changes_what_it_says():
    plain_one = Pressure().make().pools[0]
    assert Pressure(swap=True).make().pools[0].host_blocks > plain_one.host_blocks
    assert Pressure(prefixes=True).make().workload.prefix
    assert Pressure(prefixes=True).make().pools[0].prefix_cache
    assert {pool.role for pool in Pressure(split=True).make().pools} == {"prefill", "decode"}
    assert Pressure(failures=True).make().pools[0].breakdowns
    assert Pressure(stages=True).make().pools[0].pp == 2
    assert Pressure(closed=True).make().workload.clients == 4
    gaps = np.diff(Pressure(idle=True).make().workload.arrival)
    assert np.median(gaps) > 1e6


def test_named_clusters():
    assert names() == list(NAMED)
    for name in ("llumnix-mm", "past-future-2", "chat"):
        assert named(name) == named(name)
        assert not list(named(name).problems())
    with pytest.raises(UnknownName, match="llumnix-mm"):
        named("llumnix-nn")


def test_the_domain_names_what_is_there():
    assert resolve(DOMAIN.formats)
    assert resolve(DOMAIN.generators) is GENERATORS
    assert resolve(DOMAIN.names)() == names()
    assert resolve(DOMAIN.named) is named
    (problem,) = DOMAIN.problems
    assert problem.get("scenario") is Cluster
    assert Cluster.__struct_config__.tag == f"{DOMAIN.name}/{problem.name}"

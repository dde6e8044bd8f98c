"""The simulator's front end and the gateway decide alike: the same questions, the same answers.

A cluster is simulated, and what happened at its front end (requests sent, finished, lost) is told
to a gateway's fleet. Policies that go by what the front end itself counts then have to send every
request where the simulator's did, for the same reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from hocket.core.disturb.breakdowns import Breakdowns
from hocket.core.load import load_policy
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline
from hocket.serving.live.gateway.decisions import Decider
from hocket.serving.live.gateway.fleet import Fleet
from hocket.serving.live.gateway.parse import Ask
from hocket.serving.live.gateway.prefix import IDS, Memory, digests
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.roles import facts
from hocket.serving.roles.batching import Request
from hocket.serving.roles.cluster import ClusterView, Load, Send
from hocket.serving.roles.policy import ServingPolicy
from hocket.serving.simulate.cluster import simulate
from hocket.serving.workload import Conversations, LogNormal, Rate
from tests.serving.live.gateway.gate.asks import ask

TALKS = Conversations(
    count=60,
    arrivals=Rate(rate=8),
    prompt=LogNormal(median=60, p90=200, cap=500),
    output=LogNormal(median=60, p90=200, cap=400),
    system=200,
    longest=2000,
    prefix_block=IDS,
)
SOUND = Cluster(workload=TALKS, pools=(Pool(count=4, kv_blocks=400, prefix_cache=True),))
FAILING = Cluster(
    workload=TALKS,
    pools=(Pool(count=4, kv_blocks=400, breakdowns=Breakdowns(mean_up=4e6, mean_down=1e6)),),
)
POLICIES = [
    "serving/round-robin",
    "serving/random",
    "serving/least-outstanding",
    {"policy": "serving/least-outstanding", "unit": "tokens"},
    "serving/power-of-two",
    {"policy": "serving/power-of-two", "choices": 3},
    "serving/cache-aware",
    {"policy": "serving/cache-aware", "most_apart": 2, "least_match": 0.2},
]


class Asked(NamedTuple):
    """A question that the simulator's dispatcher was asked, and its answer."""

    now: int
    names: tuple[str, ...]
    request: Request
    send: Send


class Own:
    """A view as the simulator gives it, except that prefixes are what the front end remembers."""

    def __init__(self, view: ClusterView, front: Front, request: Request) -> None:
        self.now, self.names = view.now, view.names
        self._view, self._front, self._request = view, front, request

    @property
    def loads(self) -> Sequence[Load]:
        return self._view.loads

    def outstanding(self, replica: str) -> int:
        return self._view.outstanding(replica)

    def outstanding_tokens(self, replica: str) -> int:
        return self._view.outstanding_tokens(replica)

    def cached(self, replica: str, request: Request) -> int:
        memory = self._front.memory(replica)
        return min(request.prompt, IDS * memory.match(self._front.prefixes[request.id]))


class Front:
    """The dispatcher of a policy, with a note of all that it was asked."""

    def __init__(self, inner: Any, prefixes: dict[str, tuple[int, ...]]) -> None:
        self.inner, self.prefixes = inner, prefixes
        self.memories: dict[str, Memory] = {}
        self.asked: list[Asked] = []

    def memory(self, replica: str) -> Memory:
        return self.memories.setdefault(replica, Memory(400 * 16 // IDS))

    def dispatch(self, view: ClusterView, request: Request) -> Send:
        send = self.inner.dispatch(Own(view, self, request), request)
        self.memory(send.replica).add(self.prefixes[request.id])
        self.asked.append(Asked(view.now, tuple(view.names), request, send))
        return send


class Noting(ServingPolicy, frozen=True):
    """A policy whose dispatcher can be asked afterwards what it was asked."""

    inner: Any = None
    front: Any = None

    def dispatcher(self, fleet: facts.Fleet, streams: Streams) -> Any:
        self.front.inner = self.inner.dispatcher(fleet, streams)
        return self.front


def prefixes(seed: int) -> dict[str, tuple[int, ...]]:
    """Chained digests of every prompt of the workload, from the ids of its blocks."""
    drawn = TALKS.draw(Streams(seed), "us")
    assert drawn.prefix is not None
    return {
        drawn.name(place): digests([one for block in ids for one in [block] * IDS])
        for place, ids in enumerate(drawn.prefix)
    }


def simulated(scenario: Cluster, policy: Any, seed: int) -> tuple[list[Asked], Timeline, Front]:
    front = Front(None, prefixes(seed))
    watched = Noting(inner=load_policy(policy), front=front)
    return front.asked, simulate(scenario, watched, seed=seed), front


def asks(asked: Asked, front: Front) -> Ask:
    one = asked.request
    return ask(
        one.id,
        tenant=one.tenant,
        prompt=one.prompt,
        limit=one.limit,
        priority=one.priority,
        arrival=one.arrival,
        prefix=front.prefixes[one.id],
    )


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("scenario", [SOUND, FAILING], ids=["sound", "failing"])
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_the_gateway_decides_as_the_simulator_does(
    policy: Any, scenario: Cluster, seed: int
) -> None:
    asked, timeline, front = simulated(scenario, policy, seed)
    assert len(asked) >= 60 and max(len(one.names) for one in asked) == 4
    fleet = Fleet()
    for name in sorted({name for one in asked for name in one.names}):
        fleet.add(name, blocks=400, block_size=16)
    decider = Decider(load_policy(policy), fleet, seed=seed)
    # At one instant iterations end and replicas fail before requests are placed.
    over = sorted(
        (point.time, point.group) for kind in ("finish", "lost") for point in timeline.points(kind)
    )
    place = 0
    for one in asked:
        while place < len(over) and over[place][0] <= one.now:
            fleet.done(over[place][1], over[place][0])
            place += 1
        request = asks(one, front)
        assert decider.choose(request, one.names, one.now, one.request.generated) == one.send
        fleet.sent(request, one.send.replica, one.now, one.request.generated)


def test_the_clusters_do_what_they_are_there_for() -> None:
    asked, timeline, _ = simulated(FAILING, "serving/cache-aware", 0)
    assert list(timeline.points("lost"))
    assert any(len(one.names) < 4 for one in asked)
    assert any(one.send.reason.startswith("holds") for one in asked)
    busy = simulated(SOUND, "serving/least-outstanding", 0)[0]
    assert any(not one.send.reason.startswith("outstanding requests 0") for one in busy)

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import UnknownName, UserError
from hocket.core.load import load_policy
from hocket.core.policy import spec
from hocket.core.streams import Streams
from hocket.serving.facts import fleet_of
from hocket.serving.freeness import freeness
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.policies.llumnix import Llumnix, LlumnixMigration, choose, pair
from hocket.serving.workload import Llumnix as Lengths
from tests.serving.policies.loads import View, load, replicas, request

CLUSTER = Cluster(
    workload=Lengths(rate=1.0),
    pools=(
        Pool(name="pool", model="llama-2-7b", gpu="A10"),
        Pool(name="other", model="qwen2.5-7b", gpu="A10"),
    ),
)


def mover(**fields):
    return LlumnixMigration(**fields).rescheduler(fleet_of(CLUSTER), Streams(0))


def ends(moves):
    return [(move.source, move.destination) for move in moves]


def crowd(name, used, n=4, **others):
    """A replica of 100 blocks with n requests and `used` blocks in use."""
    running = [request(f"{name}{i}", prompt=15, generated=1) for i in range(n)]
    return load(name, running=running, free=100 - used, **others)


def test_the_worst_sends_to_the_best_and_the_second_worst_to_the_second_best():
    view = View([crowd("a", 99), crowd("b", 95), crowd("c", 60), crowd("d", 20), crowd("e", 86)])
    assert ends(mover().plan(view)) == [("a", "d"), ("b", "c")]
    assert "0.25 to 20" in mover().plan(view)[0].reason


def test_a_queue_makes_a_source_of_a_replica_with_room():
    # 60 blocks are free, but the head of the queue needs 63 of them: the point of the queue demand.
    waits = crowd("a", 40, waiting=[request("big", prompt=1000)])
    view = View([waits, load("b")])
    assert ends(mover().plan(view)) == [("a", "b")]
    assert ends(mover(mode="artifact").plan(view)) == [("a", "b")]
    assert not mover(mode="artifact", defrag=False).plan(view)


def test_a_replica_in_a_migration_is_left_alone():
    view = View([crowd("a", 99, migrating=True), crowd("b", 98), load("c"), load("d")])
    assert ends(mover().plan(view)) == [("b", "d")]


def test_between_two_thresholds_a_replica_is_neither():
    view = View([crowd("a", 99), crowd("b", 76)])  # freeness 0.25 and 6
    assert ends(mover().plan(view)) == [("a", "b")]
    assert not mover(into=6.0).plan(view)


def test_draining_empties_a_replica_and_nothing_moves_there():
    view = View([crowd("a", 10, draining=True), crowd("b", 98), load("c"), load("d")])
    for mode in ("paper", "artifact"):
        assert ends(mover(mode=mode).plan(view)) == [("a", "c"), ("b", "d")]
    empty = View([load("a", draining=True), load("b")])
    assert not mover().plan(empty)


def test_only_the_artifact_looks_at_who_was_preempted():
    view = View([crowd("a", 20, preempted=1), load("b")])
    assert not mover().plan(view)
    assert ends(mover(mode="artifact").plan(view)) == [("a", "b")]
    both = View([crowd("a", 99), load("b", preempted=1)])
    assert not mover(mode="artifact").plan(both)


def test_prefill_replicas_take_no_part():
    view = View([crowd("a", 99), load("b", role="prefill")])
    assert not mover().plan(view)


def test_the_urgent_are_not_moved_for_the_head_room_that_is_theirs():
    urgent = [request(f"u{i}", prompt=15, generated=1, priority=-1) for i in range(3)]
    own = load("a", running=urgent, blocks=200, free=90)  # above the target of 100 blocks
    assert freeness(own) < 3 < freeness(own, None)
    assert not mover().plan(View([own, load("b", blocks=200)]))
    mixed = load("a", running=[*urgent, request(prompt=15, generated=1)], blocks=200, free=90)
    assert ends(mover().plan(View([mixed, load("b", blocks=200)]))) == [("a", "b")]
    short = own._replace(free=5)
    assert ends(mover().plan(View([short, load("b", blocks=200)]))) == [("a", "b")]
    leaving = own._replace(draining=True)
    assert ends(mover().plan(View([leaving, load("b", blocks=200)]))) == [("a", "b")]


def test_requests_move_only_between_replicas_of_one_model():
    view = View([crowd("a", 99), load("b", pool="other"), crowd("c", 40)])
    assert ends(mover().plan(view)) == [("a", "c")]


def test_without_defragmentation_a_move_must_even_the_pair_out():
    large = request("large", prompt=511, generated=1)  # 32 blocks
    full = load("a", running=[request("s", prompt=15, generated=1), large], free=0)
    balanced = mover(mode="artifact", defrag=False)
    # Afterwards: (32 - 1) / 1 at the source, (100 - 32 - 1) / 2 at the destination.
    roomy = crowd("b", 0, n=1)
    assert ends(balanced.plan(View([full, roomy]))) == [("a", "b")]
    # (100 - 50 - 32 - 1) / 2 there is less than at the source: the pair would have changed sides.
    assert not balanced.plan(View([full, crowd("b", 50, n=1)]))
    # (100 - 55 - 32 - 1) / 5 is below the threshold: the destination would become a source.
    assert not balanced.plan(View([full, crowd("b", 55)]))
    assert ends(mover(mode="artifact").plan(View([full, crowd("b", 55)]))) == [("a", "b")]
    assert ends(balanced.plan(View([full, load("b")]))) == [("a", "b")]  # empty: always


loads_strategy = st.lists(
    st.tuples(
        st.integers(0, 100), st.integers(0, 5), st.booleans(), st.booleans(), st.integers(0, 2)
    ),
    max_size=9,
)


@given(loads_strategy, st.floats(-5, 30), st.floats(-5, 30), st.booleans())
def test_pairs_are_disjoint_and_on_their_sides_of_the_thresholds(drawn, out, into, crowded):
    loads = [
        crowd(f"r{i}", used, n=n, draining=draining, preempted=preempted * stuck)
        for i, (used, n, draining, stuck, preempted) in enumerate(drawn)
    ]
    free = {each.replica: freeness(each) for each in loads}
    givers = {each.replica for each in loads if each.running}
    pairs = pair(loads, free, givers, out, into, crowded=crowded)
    members = [end.replica for both in pairs for end in both]
    assert len(members) == len(set(members))
    for source, destination in pairs:
        assert source.running
        assert free[source.replica] < out or (crowded and source.preempted)
        assert free[destination.replica] > into
        assert not destination.draining
        assert not (crowded and destination.preempted)
    worst = [free[source.replica] for source, _ in pairs]
    best = [free[destination.replica] for _, destination in pairs]
    assert worst == sorted(worst) and best == sorted(best, reverse=True)
    sources = [x for x in loads if x.running and free[x.replica] < out]
    if pairs and not crowded:
        assert len(pairs) == len(sources) or len(pairs) < len(sources)
        assert worst[0] == min(free[x.replica] for x in sources)


A = request("a", prompt=100, generated=5)
B = request("b", prompt=10, generated=5)
C = request("c", prompt=50, generated=5, priority=-1)
D = request("d", prompt=5, generated=3, computed=4)  # preempted: computed again, not yet complete


@pytest.mark.parametrize(
    ("pick", "running", "expected"),
    [
        ("lenient", [A, B, C], "b"),
        ("lenient", [C, D], "c"),  # better an urgent one than none
        ("lenient", [A, request("late", prompt=1, generated=1, priority=2), B], "late"),
        ("shortest", [A, B, C], "b"),
        ("longest", [B, A, C], "a"),
        ("last", [A, B, C], "b"),
        ("last-any", [A, B, C], "c"),  # finds b, takes the last
        ("last-any", [A, B, D], ""),  # the last cannot move
        ("last", [A, D], "a"),
        ("last", [C, D], ""),
        ("lenient", [D], ""),
        ("shortest", [], ""),
    ],
)
def test_which_request_leaves(pick, running, expected):
    found = choose(running, pick)
    assert (found.id if found else "") == expected


def test_llumnix_base_treats_all_alike():
    assert choose([A, C], "shortest", priorities=False) is C
    assert choose([A, C, B], "lenient", priorities=False) is B
    busy = load("a", running=[C], blocks=200)
    assert mover(target=None).freeness(busy) == 200 - 4
    assert mover(target=1600).freeness(busy) == 200 - 4 - 100


def test_when_each_mode_plans_and_how_it_copies():
    paper, artifact = mover(), mover(mode="artifact")
    assert (paper.period, artifact.period, artifact.reports) == (50_000, 0, 4)
    assert (paper.copying.two_stage, artifact.copying.two_stage) == (False, True)
    assert paper.copying.watchdog == 10_000_000


def test_parts_are_checked_when_the_policy_is_made():
    with pytest.raises(UnknownName):
        Llumnix(batching="serving/vllm-9")
    with pytest.raises(UserError, match="no dispatch policy"):
        Llumnix(dispatch="serving/vllm-v1")
    with pytest.raises(UserError, match="no rescheduling policy"):
        Llumnix(migration="serving/random")
    with pytest.raises(UserError, match="no scaling policy"):
        Llumnix(scaling="serving/random")


def test_the_whole_system_is_its_own_configuration():
    policy = Llumnix(mode="artifact", scaling={"policy": "serving/llumnix-scaling", "low": 5})
    again = load_policy(spec(policy))
    assert again == policy
    deciders = again.begin(CLUSTER, Streams(0))
    assert deciders.rescheduler.period == 0
    assert deciders.scaler.rule.low == 5
    assert deciders.batcher("r", CLUSTER.pools[0]).limits.tokens == 12_000
    assert Llumnix().begin(CLUSTER, Streams(0)).scaler is None


def test_priorities_reorder_queues_unless_switched_off():
    ranked = Llumnix().begin(CLUSTER, Streams(0)).batcher("r", CLUSTER.pools[0])
    plain = Llumnix(priorities=False).begin(CLUSTER, Streams(0)).batcher("r", CLUSTER.pools[0])
    normal, urgent = request(), request(priority=-1)
    assert ranked.rank(urgent) < ranked.rank(normal)
    assert plain.rank(urgent) == plain.rank(normal)


def test_an_infinitely_free_replica_is_a_destination_like_any_other():
    view = View([crowd("a", 99), *replicas(3)[1:]])
    assert freeness(view.loads[1]) == inf
    assert ends(mover().plan(view)) == [("a", "b")]

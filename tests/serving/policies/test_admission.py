import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import UserError
from hocket.core.streams import Streams
from hocket.serving.facts import engine_of
from hocket.serving.model.cluster import Cluster, Pool
from hocket.serving.policies.admission import (
    Aggressive,
    Clairvoyant,
    Conservative,
    ShortestFirst,
    true_lengths,
)
from hocket.serving.roles.facts import Engine
from hocket.serving.workload import Trace
from tests.serving.policies.views import View, decoding, queued


def batcher(policy, outputs=(), seed=0):
    engine = Engine(lengths=lambda: {f"r{i}": int(n) for i, n in enumerate(outputs)})
    return policy.batcher(engine, Streams(seed).child("policy.replica-0"))


def stepped_peak(batch):
    """Most blocks in use if every request of ``(held, left)`` decodes until it is done."""
    highest, alive = 0, list(batch)
    while alive:
        highest = max(highest, sum(held for held, _ in alive))
        alive = [(held + 1, left - 1) for held, left in alive if left > 0]
    return highest


# Conservative


def test_conservative_promises_every_prompt_and_limit():
    gate = batcher(Conservative())
    view = View([decoding("a", 30, 5, limit=20)], blocks=100)
    assert gate.admits(view, queued("b", 25, limit=25)) == ""
    assert "101 blocks" in gate.admits(view, queued("b", 26, limit=25))


def test_conservative_rounds_up_to_blocks():
    gate = batcher(Conservative())
    view = View([decoding("a", 9, 1, limit=8)], blocks=6, block_size=8)
    assert gate.admits(view, queued("b", 16, limit=8)) == ""
    assert "7 blocks" in gate.admits(view, queued("b", 17, limit=8))


def test_conservative_assumes_an_answer_where_there_is_no_limit():
    view = View([decoding("a", 10, 1)], blocks=100)
    assert batcher(Conservative(max_output=40)).admits(view, queued("b", 10)) == ""
    assert batcher(Conservative(max_output=41)).admits(view, queued("b", 10)) != ""


def test_aggressive_looks_at_what_is_used_now():
    gate = batcher(Aggressive())
    view = View([decoding("a", 50, 10, limit=90)], blocks=100)
    assert view.free == 41
    assert gate.admits(view, queued("b", 40, limit=90)) == ""
    assert gate.admits(view, queued("b", 41, limit=90)) != ""
    assert gate.admits(view, queued("b", 30, generated=11)) != ""


@pytest.mark.parametrize("kind", [Conservative, Aggressive, Clairvoyant, ShortestFirst])
def test_whatever_comes_to_an_idle_replica_goes_in(kind):
    gate = batcher(kind(), outputs=[500])
    assert gate.admits(View([], blocks=100), queued("r0", 99, limit=500)) == ""


@pytest.mark.parametrize("kind", [Conservative, Aggressive, Clairvoyant, ShortestFirst])
def test_all_compose_as_lightllm_does(kind):
    limits = batcher(kind(tokens=77, seqs=5, every=3, batch=1)).limits
    assert (limits.tokens, limits.seqs, limits.every, limits.batch) == (77, 5, 3, 1)
    assert (limits.style, limits.chunked, limits.allocate) == ("prefill-first", False, "prompt")


# Clairvoyant


requests_ = st.lists(
    st.tuples(st.integers(1, 20), st.integers(1, 8), st.integers(0, 12)), min_size=1, max_size=6
)


@given(requests_, st.integers(1, 20), st.integers(0, 5), st.integers(1, 15), st.integers(20, 120))
def test_clairvoyant_admits_exactly_what_never_exceeds_memory(
    running, prompt, generated, more, blocks
):
    # Now everyone holds its prompt and its tokens but the latest; a newcomer, once its prompt is
    # computed, has its next token, and is as far as one that decodes.
    outputs = [done + left for _, done, left in running] + [generated + more]
    view = View([decoding(f"r{i}", p, g) for i, (p, g, _) in enumerate(running)], blocks=blocks)
    batch = [(p + g - 1, left) for p, g, left in running] + [(prompt + generated, more - 1)]
    gate = batcher(Clairvoyant(), outputs)
    admitted = gate.admits(view, queued(f"r{len(running)}", prompt, generated)) == ""
    assert admitted == (stepped_peak(batch) < blocks)


@given(requests_, st.integers(20, 120))
def test_those_admitted_earlier_in_a_round_count(newcomers, blocks):
    gate = batcher(Clairvoyant(), [9, *(1 + left for _, _, left in newcomers)])
    batch = [(10, 8)]
    view = View([decoding("r0", 10, 1)], blocks=blocks, iteration=4)
    for i, (prompt, _, left) in enumerate(newcomers, 1):
        admitted = gate.admits(view, queued(f"r{i}", prompt)) == ""
        assert admitted == (stepped_peak([*batch, (prompt, left)]) < blocks)
        if not admitted:
            return
        batch.append((prompt, left))
        view.running.append(queued(f"r{i}", prompt))


def test_a_new_round_begins_with_what_runs_then():
    gate = batcher(Clairvoyant(), [3, 40, 40])
    view = View([decoding("r0", 10, 1)], blocks=100)
    assert gate.admits(view, queued("r1", 30)) == ""
    view.iteration, view.running = 5, [decoding("r1", 30, 1)]
    assert gate.admits(view, queued("r2", 10)) != ""
    view.iteration, view.running = 30, [decoding("r1", 30, 26)]
    assert gate.admits(view, queued("r2", 10)) == ""


def test_the_reserve_is_kept_and_memory_held_by_others_is_not_counted_on():
    view = View([decoding("r0", 40, 1)], blocks=100)
    # Peak 40 + 20 + 9 of the second, when the first has left: both grow to 49 and 29.
    assert batcher(Clairvoyant(), [10, 10]).admits(view, queued("r1", 20)) == ""
    assert batcher(Clairvoyant(reserve=0.25), [10, 10]).admits(view, queued("r1", 20)) != ""
    view.taken = 40 + 25
    assert batcher(Clairvoyant(), [10, 10]).admits(view, queued("r1", 20)) != ""


def test_last_blocks_are_counted_whole():
    # Two requests end with 49 and 29 tokens, in blocks of 8 that are 7 and 4 blocks.
    view = View([decoding("r0", 40, 1)], blocks=11, block_size=8)
    assert batcher(Clairvoyant(), [10, 10]).admits(view, queued("r1", 20)) != ""
    view.blocks = 13
    assert batcher(Clairvoyant(), [10, 10]).admits(view, queued("r1", 20)) == ""


def test_mc_sf_ranks_by_what_is_still_to_come():
    gate = batcher(ShortestFirst(), [30, 20, 25])
    ranks = {name: gate.rank(queued(name, 5)) for name in ("r0", "r1", "r2")}
    assert sorted(ranks, key=ranks.get) == ["r1", "r2", "r0"]
    assert gate.rank(queued("r0", 5, generated=15)) < ranks["r1"]


def test_the_oracles_are_told_what_the_run_draws_cut_at_limits():
    workload = Trace(arrival=(0, 0), prompt=(1, 1), output=(5, 9), limit=(7, 7))
    engine = engine_of(Cluster(workload=workload), Pool())
    assert true_lengths("oracle", engine) == {"r0": 5, "r1": 7}


@pytest.mark.parametrize("policy", [Clairvoyant(), ShortestFirst()], ids=lambda p: p.name)
def test_an_oracle_is_refused_where_nobody_knows(policy):
    with pytest.raises(UserError, match=r"serving/past-future guesses"):
        policy.batcher(Engine(), Streams(0))

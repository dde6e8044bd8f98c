import numpy as np
import pytest

from hocket.core.streams import Streams
from hocket.serving.gate import PeakGate, allowed, batch_of, prefill_first
from hocket.serving.policies.past_future import PastFuture
from hocket.serving.roles.facts import Engine
from tests.serving.policies.views import View, decoding, queued


def batcher(seed=0, **fields):
    return PastFuture(**fields).batcher(Engine(), Streams(seed).child("policy.replica-0"))


def learnt(gate, length, times=200):
    for _ in range(times):
        gate.finished(decoding("old", 5, length))


class Given(PeakGate):
    """Futures by hand: rows of lengths of the running requests, and lengths of newcomers."""

    def __init__(self, rows, new):
        super().__init__(prefill_first(1000, 100, 1, None, False), 0.0)
        self.rows, self.new = np.array(rows), np.array(new)

    def futures(self, batch, room):
        return self.rows

    def newcomer(self, request, count, room):
        return self.new


@pytest.mark.parametrize(
    ("running", "lists"),
    [(1, 5), (49, 5), (51, 4), (67, 3), (100, 3), (101, 2), (200, 2), (201, 1)],
)
def test_the_fewer_run_the_more_futures_are_drawn(running, lists):
    view = View([decoding(f"r{i}", 5, 1) for i in range(running)], blocks=10_000)
    assert batcher().futures(batch_of(view), 10_000).shape == (lists, running)
    assert min(5, int(200 / running) + 1) == lists


def test_the_worst_future_decides():
    # Alone the lists peak at 10 + 10 + 2 * 9 = 38 and at 10 + 29 = 39.
    view = View([decoding("r0", 10, 1)], blocks=40)
    assert Given([[10], [30]], [10, 1]).admits(view, queued("r1", 10)) == ""
    assert "39" in Given([[10], [30]], [10, 1]).admits(
        View(view.running, blocks=39), queued("r1", 10)
    )
    assert "38" in Given([[10], [20]], [10, 1]).admits(
        View(view.running, blocks=38), queued("r1", 10)
    )


def test_a_cold_scheduler_is_careful_until_answers_have_come():
    view = View([decoding("r0", 10, 1, limit=10)], blocks=200)
    gate = batcher(first=300, window=20)
    assert gate.admits(view, queued("r1", 10)) != ""
    learnt(gate, 10, times=20)
    view.iteration += 1
    assert gate.admits(view, queued("r1", 10)) == ""


def test_an_idle_replica_takes_what_comes_and_then_looks_ahead():
    gate = batcher(first=300, window=20)
    view = View([], blocks=200)
    assert gate.admits(view, queued("r0", 10)) == ""
    view.running = [queued("r0", 10)]
    assert gate.admits(view, queued("r1", 10)) != ""


def test_lengths_known_to_be_exact_make_the_peak_exact():
    # One that is at its limit of 20 ends now; all answers so far had 20 tokens.
    gate = batcher(reserve=0.0)
    learnt(gate, 20)
    running = [decoding("r0", 30, 20, limit=20)]
    # It holds 49 and leaves; the newcomer holds 10 and grows by 19.
    assert gate.admits(View(running, blocks=60), queued("r1", 10)) == ""
    assert "59" in gate.admits(View(running, blocks=59, iteration=1), queued("r1", 10))


def test_an_evicted_request_is_drawn_a_whole_length_as_if_it_were_new():
    gate = batcher(reserve=0.0)
    learnt(gate, 20)
    running = [decoding("r0", 1, 20, limit=20)]
    for generated in (15, 35):  # 20 are less than it already has: then it counts as done
        now = 20 + 10 + generated
        again = queued("r1", 10, generated)
        assert gate.admits(View(running, blocks=now + 1), again) == ""
        assert gate.admits(View(running, blocks=now, iteration=generated), again) != ""


def test_requests_without_a_limit_are_assumed_one():
    assert allowed(50, 4096, 1000) == 50
    assert allowed(2**40, 800, 1000) == 800
    assert allowed(2**40, 4096, 1000) == 1000
    gate = batcher(max_output=64)
    learnt(gate, 8)
    view = View([decoding(f"r{i}", 5, 40) for i in range(30)], blocks=10**6)
    drawn = gate.futures(batch_of(view), 10**6)
    assert drawn.min() >= 40 and 60 <= drawn.max() <= 64
    limited = View([decoding(f"r{i}", 5, 40, limit=100) for i in range(30)], blocks=10**6)
    assert 64 < gate.futures(batch_of(limited), 10**6).max() <= 100


def test_running_requests_count_with_what_they_hold_once_prompts_are_computed():
    chunked = queued("r2", 40)._replace(computed=20)
    again = queued("r3", 40, generated=6)._replace(computed=12)
    view = View([decoding("r0", 10, 3), queued("r1", 7), chunked, again])
    batch = batch_of(view)
    assert batch.held.tolist() == [12, 7, 40, 46]
    assert batch.spent.tolist() == [3, 1, 1, 7]
    assert batch.generated.tolist() == [3, 0, 0, 6]
    assert batch.ids == ("r0", "r1", "r2", "r3")


def test_equal_seeds_decide_alike_and_other_replicas_draw_otherwise():
    def futures(seed, replica):
        gate = PastFuture().batcher(Engine(), Streams(seed).child(f"policy.{replica}"))
        view = View([decoding(f"r{i}", 5, 1, limit=500) for i in range(10)], blocks=10_000)
        for length in range(100, 300):
            gate.finished(decoding("old", 5, length))
        return gate.futures(batch_of(view), 10_000).tolist()

    assert futures(1, "a") == futures(1, "a")
    assert futures(1, "a") != futures(1, "b") != futures(2, "b")


def test_it_composes_as_lightllm_does():
    limits = batcher(batch=1, every=2).limits
    assert (limits.style, limits.chunked, limits.allocate) == ("prefill-first", False, "prompt")
    assert (limits.batch, limits.every, limits.stubborn) == (1, 2, False)

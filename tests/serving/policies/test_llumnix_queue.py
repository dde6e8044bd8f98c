import pytest

from hocket.core.errors import UserError
from hocket.core.streams import Streams
from hocket.serving.policies.llumnix_queue import UrgentFirst
from hocket.serving.roles.facts import Engine
from tests.serving.policies.loads import request


def queue_of(mode):
    return UrgentFirst(mode=mode).batcher(Engine(), Streams(0))


def order(batcher, entering):
    ranked = [(batcher.rank(each), place, each.id) for place, each in enumerate(entering)]
    return [name for _, _, name in sorted(ranked)]


def test_the_paper_puts_urgent_requests_first_and_keeps_the_order_within():
    entering = [
        request("n1"),
        request("u1", priority=-1),
        request("n2", preemptions=1),
        request("u2", priority=-1),
        request("u3", priority=-2),
    ]
    assert order(queue_of("paper"), entering) == ["u3", "u1", "u2", "n2", "n1"]


def test_the_artifact_puts_urgent_requests_just_before_the_last():
    batcher = queue_of("artifact")
    entering = [request("n1"), request("n2"), request("n3")]
    entering += [request(f"u{i}", priority=-1) for i in range(60)]
    expected = ["n1", "n2", *(f"u{i}" for i in range(60)), "n3"]
    assert order(batcher, entering) == expected


def test_the_artifacts_queue_forgets_who_was_admitted():
    batcher = queue_of("artifact")
    first, second = request("n1"), request("n2")
    ranks = [batcher.rank(first), batcher.rank(second)]
    assert batcher.admits(None, first) == ""
    urgent = batcher.rank(request("u", priority=-1))
    assert urgent < ranks[1]
    back = batcher.rank(request("n1", preemptions=1))
    assert back < urgent


def test_everything_else_is_the_inner_policys():
    wrapped = UrgentFirst(batching={"policy": "serving/vllm-v0", "tokens": 99})
    limits = wrapped.batcher(Engine(), Streams(0)).limits
    assert (limits.tokens, limits.style) == (99, "prefill-first")
    with pytest.raises(UserError, match="no batching policy"):
        UrgentFirst(batching="serving/random")

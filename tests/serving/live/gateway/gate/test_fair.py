"""The virtual token counter: its rules, and the bounds that its paper proves."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.serving.live.gateway import fair
from hocket.serving.live.gateway.fair import ANSWER, PROMPT, Entry, FairQueue

Job = tuple[str, int, int]  # tenant, tokens of the prompt, tokens of the answer


def entry(name: str, tenant: str = "t", prompt: int = 10, **more: object) -> Entry[str]:
    return Entry(name, tenant, prompt, **more)  # type: ignore[arg-type]


def popped(queue: FairQueue[str]) -> list[str]:
    found = []
    while (one := queue.pop()) is not None:
        found.append(one.item)
    return found


def test_the_tenant_that_has_had_least_goes_next() -> None:
    queue: FairQueue[str] = FairQueue()
    for place in range(3):
        queue.add(entry(f"a{place}", "a", 100))
    for place in range(6):
        queue.add(entry(f"b{place}", "b", 40))
    assert len(queue) == 9
    assert popped(queue) == ["a0", "b0", "b1", "b2", "a1", "b3", "b4", "a2", "b5"]
    assert len(queue) == 0
    assert (queue.counter("a"), queue.counter("b")) == (300, 240)
    assert queue.counter("nobody") == queue.counter("a", priority=3) == 0


def test_answers_are_charged_as_they_come() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.add(entry("a0", "a"))
    first = queue.pop()
    assert first is not None
    for place in range(1, 3):
        queue.add(entry(f"a{place}", "a"))
        queue.add(entry(f"b{place}", "b"))
    queue.answered(first, 4)
    assert queue.counter("a") == 10 * PROMPT + 4 * ANSWER
    assert popped(queue)[0] == "b1"


def test_a_tenant_that_comes_back_has_saved_nothing_up() -> None:
    queue: FairQueue[str] = FairQueue()
    for place in range(10):
        queue.add(entry(f"a{place}", "a"))
    for _ in range(5):
        queue.pop()
    queue.add(entry("b", "b"))
    assert queue.counter("b") == queue.counter("a") == 50
    assert len(popped(queue)) == 6
    queue.add(entry("c", "c"))  # nobody waits: the last that left counts
    assert queue.counter("c") == queue.counter("a") == 100


def test_who_has_had_more_keeps_it() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.add(entry("a", "a", 1000))
    queue.pop()
    queue.add(entry("b0", "b"))
    queue.add(entry("b1", "b"))
    queue.add(entry("a1", "a", 1000))
    assert queue.counter("a") == 1000
    # b was lifted to what a had had, since a was the last to leave; from there they are even.
    assert queue.counter("b") == 1000
    assert popped(queue) == ["b0", "a1", "b1"]


def test_priority_is_strict_and_classes_do_not_mix() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.add(entry("normal", "a", priority=0))
    queue.add(entry("low", "b", priority=5))
    queue.add(entry("urgent", "a", 10_000, priority=-1))
    assert [queue.ahead(level) for level in (-2, -1, 0, 5)] == [0, 1, 2, 3]
    assert queue.last().item == "low"
    assert popped(queue) == ["urgent", "normal", "low"]
    assert (queue.counter("a", -1), queue.counter("a", 0)) == (10_000, 10)


def test_the_last_of_the_least_urgent() -> None:
    queue: FairQueue[str] = FairQueue()
    with pytest.raises(ValueError):
        queue.last()
    for place, tenant in enumerate("abab"):
        queue.add(entry(f"{tenant}{place}", tenant, priority=1))
    queue.add(entry("c", "c", priority=0))
    assert queue.last().item == "b3"
    queue.remove(queue.last())
    assert queue.last().item == "a2"


def test_closed_lanes_let_others_pass() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.add(entry("x0", "a", lane="x"))
    queue.add(entry("y0", "a", lane="y"))
    queue.add(entry("x1", "b", lane="x"))
    queue.add(entry("y1", "b", lane="y"))
    asked: list[str] = []

    def fits(item: str) -> bool:
        asked.append(item)
        return item.startswith("y")

    closed: set[str] = set()
    assert [queue.pop(fits, closed).item for _ in range(2)] == ["y0", "y1"]  # type: ignore[union-attr]
    assert queue.pop(fits, closed) is None
    assert asked == ["x0", "y0", "y1"]  # a lane once closed is not asked again
    assert popped(queue) == ["x0", "x1"]


def test_what_is_taken_out_is_not_charged() -> None:
    queue: FairQueue[str] = FairQueue()
    gone = entry("gone")
    for one in (entry("first"), gone, entry("last")):
        queue.add(one)
    queue.remove(gone)
    assert popped(queue) == ["first", "last"]
    assert queue.counter("t") == 20


def test_within_a_tenant_order_of_coming_holds_across_lanes() -> None:
    queue: FairQueue[str] = FairQueue()
    names = ["x0", "y1", "x2", "y3", "x4"]
    for name in names:
        queue.add(entry(name, lane=name[0]))
    assert popped(queue) == names


class Batch:
    """An engine that decodes a token of everything under way per step, for tenants that queue."""

    def __init__(self, queue: FairQueue[int], slots: int, weights: dict[str, float]) -> None:
        self.queue, self.slots = queue, slots
        self.weights = weights
        self.under_way: list[tuple[Entry[int], int]] = []
        self.service: defaultdict[str, float] = defaultdict(float)
        self.most = 0

    def step(self) -> None:
        while len(self.under_way) < self.slots and (one := self.queue.pop()) is not None:
            self.under_way.append((one, one.item))
            self.service[one.tenant] += PROMPT * one.prompt / self.weights.get(one.tenant, 1)
        self.most = max(self.most, sum(one.prompt + one.item for one, _ in self.under_way))
        going = []
        for one, left in self.under_way:
            self.queue.answered(one, 1)
            self.service[one.tenant] += ANSWER / self.weights.get(one.tenant, 1)
            if left > 1:
                going.append((one, left - 1))
        self.under_way = going


jobs = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 50), st.integers(1, 12)),
    min_size=10,
    max_size=80,
)


@given(jobs, st.integers(1, 5), st.sampled_from([1.0, 0.5, 3.0]))
def test_the_service_of_backlogged_tenants_differs_by_no_more_than_proved(
    jobs: list[Job], slots: int, weight: float
) -> None:
    """Theorem 4.4, over every interval in which two tenants wait all the time.

    With weights the bound is that of the tenant with the least.
    """
    queue: FairQueue[int] = FairQueue()
    weights = {"a": weight}
    engine = Batch(queue, slots, weights)
    for tenant, prompt, answer in jobs:
        queue.add(Entry(answer, tenant, prompt, weight=weights.get(tenant, 1.0)))
    seen: list[tuple[dict[str, float], set[str]]] = []
    while len(queue):
        waiting = {tenant for found in queue._classes.values() for tenant in found.waiting}
        seen.append((dict(engine.service), waiting))
        engine.step()
    longest = max(prompt for _, prompt, _ in jobs)
    bound = 2 * max(PROMPT * longest, ANSWER * engine.most) / min(1.0, weight)
    for start, (before, waiting) in enumerate(seen):
        for after, still in seen[start + 1 :]:
            waiting = waiting & still
            if len(waiting) < 2:
                break
            had = [after.get(t, 0) - before.get(t, 0) for t in sorted(waiting)]
            assert max(had) - min(had) <= bound + 1e-6


@given(jobs, st.integers(1, 5))
def test_nobody_starves(jobs: list[Job], slots: int) -> None:
    """However much the others ask for, a tenant that waits is served within their share."""
    queue: FairQueue[int] = FairQueue()
    engine = Batch(queue, slots, {})
    for _ in range(200):
        queue.add(Entry(12, "flood", 50))
    for tenant, prompt, answer in jobs:
        queue.add(Entry(answer, tenant, prompt))
    mine = sum(prompt * PROMPT + answer * ANSWER for _, prompt, answer in jobs)
    while any(t != "flood" for found in queue._classes.values() for t in found.waiting):
        engine.step()
    bound = 2 * max(PROMPT * 50, ANSWER * engine.most)
    assert engine.service["flood"] <= mine + bound


def test_weights_divide_the_service() -> None:
    queue: FairQueue[int] = FairQueue()
    engine = Batch(queue, 4, {"a": 3.0, "b": 1.0})
    for _ in range(400):
        queue.add(Entry(10, "a", 20, weight=3.0))
        queue.add(Entry(10, "b", 20))
    for _ in range(400):
        engine.step()
    had = {tenant: engine.service[tenant] * engine.weights[tenant] for tenant in "ab"}
    assert had["a"] / had["b"] == pytest.approx(3, rel=0.02)


steps = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 30), st.sampled_from(["add", "pop"])),
    max_size=80,
)


def algorithm(steps: list[tuple[str, int, str]]) -> list[str]:
    """Algorithm 2 of the paper, line by line, for prompts alone; ties go to who waits longest."""
    counters: dict[str, float] = {}
    waiting: list[tuple[str, str, int]] = []
    since: list[str] = []  # the tenants that wait, in the order in which they began to
    last, found = "", []
    for place, (tenant, prompt, what) in enumerate(steps):
        if what == "add":
            if tenant not in since:
                least = min((counters[other] for other in since), default=counters.get(last, 0.0))
                counters[tenant] = max(counters.get(tenant, 0.0), least)
                since.append(tenant)
            waiting.append((f"{place}", tenant, prompt))
        elif waiting:
            best = min(since, key=counters.__getitem__)
            one = next(one for one in waiting if one[1] == best)
            waiting.remove(one)
            counters[best] += one[2]
            if all(other != best for _, other, _ in waiting):
                since.remove(best)
                last = best
            found.append(one[0])
    return found


@given(steps)
def test_it_is_the_algorithm_of_the_paper(steps: list[tuple[str, int, str]]) -> None:
    assert played(steps) == algorithm(steps)


def played(steps: list[tuple[str, int, str]]) -> list[str]:
    queue: FairQueue[str] = FairQueue()
    found = []
    for place, (tenant, prompt, what) in enumerate(steps):
        if what == "add":
            queue.add(Entry(f"{place}", tenant, prompt))
        elif (one := queue.pop()) is not None:
            found.append(one.item)
    return found


@given(steps)
def test_forgetting_idle_tenants_changes_nothing(steps: list[tuple[str, int, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fair, "_MANY", 1)
        forgetful = played(steps)
    assert forgetful == played(steps)

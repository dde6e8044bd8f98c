import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import UserError
from hocket.serving.behaviour import (
    DISTRIBUTIONS,
    Behaviour,
    Job,
    Luck,
    jobs,
    simulate,
)
from hocket.serving.behaviour.admission import Aggressive, Conservative, Optimum
from hocket.serving.peak import peak


class Eager:
    """Lets everyone in whose prompt fits."""

    def begin(self, batch, clock, memory):
        pass

    def admits(self, job, memory, capacity):
        return memory + job.prompt <= capacity

    def finished(self, length):
        pass


def stepped(work, rule, capacity, steps, prefill):
    """The same loop with nothing but lists of [prompt, output, done], walked at every step."""
    batch, waiting, queue = [], [], iter(work)
    used, peaks = [], []
    finished = evicted = clock = 0

    def memory():
        return sum(prompt + done for prompt, _, done in batch)

    while True:
        for _ in range(steps):
            clock += 1
            for job in batch:
                job[2] += 1
            for job in [job for job in batch if job[2] >= job[1]]:
                batch.remove(job)
                rule.finished(job[2])
                finished += 1
            used.append(memory())
            while memory() > capacity:
                waiting.insert(0, batch.pop())
                evicted += 1
        rule.begin([Job(p, o, d, clock - d) for p, o, d in batch], clock, memory())
        tokens = 0
        while tokens < prefill:
            if not waiting:
                job = next(queue, None)
                if job is None:
                    return clock, used, peaks, evicted, finished
                waiting.append(list(job))
            prompt, output, done = waiting[0]
            if not rule.admits(Job(prompt, output, done), memory(), capacity):
                break
            batch.append(waiting.pop(0))
            tokens += prompt
        used.append(memory())
        held, left = [p + d for p, _, d in batch], [o - d for _, o, d in batch]
        peaks.append(int(peak(held, left)))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(1, 30)), min_size=12, max_size=40),
    st.sampled_from([Eager, lambda: Optimum(Luck(0)), lambda: Aggressive(Luck(0))]),
    st.integers(55, 120),
    st.integers(1, 7),
    st.integers(1, 60),
)
def test_leaping_over_steps_changes_nothing(lengths, rule, capacity, steps, prefill):
    queue = (Job(prompt, output) for prompt, output in lengths)
    found = simulate(queue, rule(), capacity=capacity, steps=steps, prefill=prefill)
    work = [[prompt, output, 0] for prompt, output in lengths]
    clock, used, peaks, evicted, finished = stepped(work, rule(), capacity, steps, prefill)
    assert found.steps == clock
    assert found.utilisation == pytest.approx(100 * sum(used) / len(used) / capacity)
    assert found.peak == pytest.approx(100 * sum(peaks) / len(peaks) / capacity)
    assert found.evictions == pytest.approx(100 * evicted / finished)


def test_conservative_never_evicts_and_never_promises_more_than_there_is():
    luck = Luck(3)
    found = simulate(jobs("Dist-3", 200, luck), Conservative(luck))
    assert found.evictions == 0 and found.peak < 100


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_true_lengths_never_evict(distribution):
    luck = Luck(5)
    found = simulate(jobs(distribution, 200, luck), Optimum(luck))
    assert found.evictions == 0 and found.peak < 100


def test_requests_are_drawn_when_they_are_asked_for():
    luck, other = Luck(0), random.Random(0)
    queue = jobs("Dist-1", 2, luck)
    assert luck.python.getstate() == other.getstate()
    first = next(queue)
    assert (first.prompt, first.output) == (other.randint(32, 4096), other.randint(2048, 4096))
    assert luck.python.getstate() == other.getstate()
    assert len(list(queue)) == 1


def test_a_request_larger_than_memory_is_refused_by_name():
    with pytest.raises(UserError, match="50 tokens"):
        simulate(iter([Job(20, 30)]), Eager(), capacity=49)
    with pytest.raises(UserError, match="4096"):
        simulate(iter([Job(20, 30)]), Conservative(Luck(0)), capacity=4000)


def test_an_empty_queue_takes_no_rounds():
    assert simulate(iter([]), Eager()) == Behaviour(10, 0.0, 0.0, 0.0)

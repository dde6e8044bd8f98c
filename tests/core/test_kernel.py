"""The kernel: a total order, cancellation, hostile use, and a model-based comparison."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.errors import RunError
from hocket.core.kernel import Event, Kernel, Phase


def recorder() -> tuple[list[Any], Callable[[Any], None]]:
    seen: list[Any] = []
    return seen, seen.append


# Order


def test_phases_are_in_the_documented_order() -> None:
    assert [phase.name for phase in sorted(Phase)] == [
        *("FINISH", "FAIL", "REPAIR", "ARRIVE", "WAKE", "DECIDE", "OBSERVE")
    ]


def test_time_comes_before_phase_and_phase_before_sequence() -> None:
    kernel = Kernel()
    seen, see = recorder()
    for time in (5, 3, 4):
        for phase in reversed(Phase):
            for copy in range(3):
                kernel.at(time, see, (time, phase, copy), phase=phase)
    assert len(kernel) == 3 * 7 * 3
    assert kernel.run() == 5
    assert seen == sorted(seen)
    assert len(seen) == 63


def test_default_phase_is_finish_and_equal_keys_are_first_in_first_out() -> None:
    kernel = Kernel()
    seen, see = recorder()
    for i in range(100):
        kernel.after(1, see, i)
    assert kernel.at(1, see, 100).phase is Phase.FINISH
    kernel.run()
    assert seen == list(range(101))


def test_events_and_actions_are_never_compared() -> None:
    class Incomparable:
        def __call__(self, *args: object) -> None: ...

        def __lt__(self, other: object) -> bool:
            raise AssertionError("compared")

        __gt__ = __le__ = __ge__ = __lt__

    kernel = Kernel()
    for time in (2, 1, 1, 2, 3):
        kernel.at(time, Incomparable(), Incomparable())
    assert kernel.run() == 3


def test_earlier_phase_at_the_same_tick_interrupts_the_phase_in_progress() -> None:
    kernel = Kernel()
    seen, see = recorder()

    def decide(name: str) -> None:
        see(name)
        if name == "first":
            kernel.after(0, see, "work of length zero")
            kernel.after(0, see, "decided last", phase=Phase.DECIDE)
            kernel.after(0, see, "observed", phase=Phase.OBSERVE)

    kernel.at(4, decide, "first", phase=Phase.DECIDE)
    kernel.at(4, decide, "second", phase=Phase.DECIDE)
    kernel.run()
    assert seen == ["first", "work of length zero", "second", "decided last", "observed"]


def test_phases_interrupt_each_other_to_any_depth() -> None:
    """Each event starts two of the phase before; the kernel counts them all the while."""
    kernel = Kernel()
    seen, see = recorder()

    def act(phase: Phase, name: str) -> None:
        see((phase, name))
        if phase > Phase.FINISH:
            before = len(kernel)
            for suffix in "ab":
                kernel.after(0, act, Phase(phase - 1), name + suffix, phase=Phase(phase - 1))
            assert (len(kernel), kernel.peek()) == (before + 2, 5)

    for name in "xy":
        kernel.at(5, act, Phase.WAKE, name, phase=Phase.WAKE)
    kernel.at(5, kernel.stop, phase=Phase.DECIDE)
    kernel.at(5, see, "last", phase=Phase.DECIDE)
    kernel.run()
    assert len(kernel) == 1
    kernel.run()

    def expected(phase: int, name: str) -> list[Any]:
        below = [e for s in "ab" for e in expected(phase - 1, name + s)] if phase else []
        return [(phase, name), *below]

    assert seen == [*expected(Phase.WAKE, "x"), *expected(Phase.WAKE, "y"), "last"]


# Cancellation


def test_cancelled_event_never_runs_and_cancel_is_idempotent() -> None:
    kernel = Kernel()
    seen, see = recorder()
    event = kernel.at(3, see, "cancelled")
    kernel.at(3, see, "kept")
    event.cancel()
    event.cancel()
    assert event.cancelled
    assert (len(kernel), kernel.peek()) == (1, 3)
    kernel.run()
    assert seen == ["kept"]


def test_cancelling_what_has_run_or_is_running_is_harmless() -> None:
    kernel = Kernel()
    events: list[Event] = []
    events.append(kernel.at(1, lambda: events[0].cancel()))
    kernel.at(2, int)
    kernel.run()
    events[0].cancel()
    assert not events[0].cancelled
    assert len(kernel) == 0


def test_an_event_cancels_others_of_its_own_batch_and_slot() -> None:
    kernel = Kernel()
    seen, see = recorder()
    later: list[Event] = []

    def first() -> None:
        see("first")
        later[0].cancel()
        kernel.after(0, see, "new").cancel()
        assert len(kernel) == 2

    kernel.at(1, first)
    later.append(kernel.at(1, see, "cancelled"))
    kernel.at(1, see, "kept")
    kernel.at(2, see, "next")
    kernel.run()
    assert seen == ["first", "kept", "next"]


def test_peek_and_len_pass_over_cancelled_events() -> None:
    kernel = Kernel()
    events = [kernel.at(time, int) for time in (1, 1, 2, 2, 3)]
    for event in (events[0], events[1], events[2]):
        event.cancel()
    assert (kernel.peek(), len(kernel)) == (2, 2)
    for event in events:
        event.cancel()
    assert (kernel.peek(), len(kernel), kernel.step()) == (None, 0, False)
    assert kernel.run() == 0


def test_memory_stays_bounded_when_timers_are_always_renewed() -> None:
    """The time-out pattern: each arrival cancels a distant timer and sets a new one."""
    kernel = Kernel()
    timer = kernel.at(10**9, int)
    held = 0

    def arrive(left: int) -> None:
        nonlocal timer, held
        timer.cancel()
        timer = kernel.after(10**9 + left % 7, int)
        held = max(held, len(kernel._keys), sum(len(s) for s in lists(kernel)))
        if left:
            kernel.after(1 if left % 3 else 0, arrive, left - 1)

    kernel.at(0, arrive, 20_000)
    kernel.run(20_000)
    assert held < 200
    assert len(kernel) == 1


def lists(kernel: Kernel) -> list[list[Event]]:
    return [slot for slot in kernel._slots.values() if isinstance(slot, list)]


def test_cancelled_events_let_go_of_their_arguments() -> None:
    class Big:
        pass

    kernel = Kernel()
    big = Big()
    gone = weakref.ref(big)
    event = kernel.at(1, print, big)
    event.cancel()
    del big
    gc.collect()
    assert gone() is None


# Hostile use


@pytest.mark.parametrize(
    "time", [1.0, float("nan"), float("inf"), True, "3", None, np.float64(2), 3 + 0j, [1]]
)
def test_time_that_is_not_an_integer_is_refused(time: Any) -> None:
    kernel = Kernel("second")
    for call in (lambda: kernel.at(time, int), lambda: kernel.after(time, int)):
        with pytest.raises(RunError, match="must be an integer number of seconds"):
            call()
    if time is not None:
        with pytest.raises(RunError, match="until must be an integer number of seconds"):
            kernel.run(time)
    assert len(kernel) == 0


def test_the_past_is_refused() -> None:
    kernel = Kernel("second")
    kernel.run(10)
    with pytest.raises(RunError, match="cannot schedule at 9: the clock is at 10"):
        kernel.at(9, int)
    with pytest.raises(RunError, match="cannot schedule 1 seconds ago"):
        kernel.after(-1, int)
    with pytest.raises(RunError, match="cannot run until 9"):
        kernel.run(9)
    assert (kernel.now, len(kernel)) == (10, 0)


@pytest.mark.parametrize("phase", [3, -1, 8, 100, "DECIDE", None])
def test_phase_that_is_none_is_refused(phase: Any) -> None:
    kernel = Kernel()
    with pytest.raises(RunError, match="phase must be"):
        kernel.at(1, int, phase=phase)
    assert len(kernel) == 0


def test_numpy_integers_become_plain_ones() -> None:
    kernel = Kernel()
    event = kernel.at(np.int64(3), int)  # type: ignore[arg-type]
    assert type(event.time) is int
    assert type(kernel.run(np.int32(7))) is int  # type: ignore[arg-type]
    assert kernel.now == 7


def test_times_beyond_64_bits_work() -> None:
    kernel = Kernel()
    seen, see = recorder()
    for exponent in (200, 64, 63, 100):
        kernel.at(2**exponent, see, exponent)
    assert kernel.run() == 2**200
    assert seen == [63, 64, 100, 200]


def test_exception_passes_through_and_leaves_a_usable_kernel() -> None:
    kernel = Kernel()
    seen, see = recorder()

    def fail() -> None:
        raise ZeroDivisionError

    kernel.at(1, see, "before")
    kernel.at(2, fail)
    kernel.at(2, see, "same tick")
    kernel.at(3, see, "after")
    with pytest.raises(ZeroDivisionError):
        kernel.run()
    assert (kernel.now, len(kernel), kernel.peek()) == (2, 2, 2)
    kernel.at(2, see, "added", phase=Phase.DECIDE)
    assert kernel.run() == 3
    assert seen == ["before", "same tick", "added", "after"]


@pytest.mark.parametrize("call", [Kernel.run, Kernel.step])
def test_running_from_an_action_is_refused(call: Callable[[Kernel], object]) -> None:
    kernel = Kernel()
    kernel.at(1, call, kernel)
    with pytest.raises(RunError, match="cannot be called from an action"):
        kernel.run()
    assert kernel.run(5) == 5


def test_loop_in_which_time_stands_still_is_an_error_that_names_the_time() -> None:
    kernel = Kernel("minute", limit=50)

    def spin() -> None:
        kernel.after(0, spin, phase=Phase.DECIDE)

    kernel.at(7, spin)
    with pytest.raises(RunError, match=r"more than 50 events at time 7 \(minutes\).*spin"):
        kernel.run()
    assert len(kernel) == 1


def test_limit_counts_one_tick_and_can_be_raised_or_turned_off() -> None:
    kernel = Kernel(limit=10)
    seen, see = recorder()
    for i in range(25):
        kernel.at(1 + i // 10, see, i)
    kernel.run()
    assert len(seen) == 25
    for i in range(11):
        kernel.at(9, see, i)
    with pytest.raises(RunError, match="more than 10 events at time 9"):
        kernel.run()
    kernel.limit = None
    kernel.run()
    assert seen[25:] == list(range(11))
    with pytest.raises(RunError, match="more than 2 events at time 0"):
        fill(Kernel(limit=2), 3).run()
    stepped = fill(Kernel(limit=2), 3)
    assert stepped.step() and stepped.step()
    with pytest.raises(RunError, match="more than 2 events at time 0"):
        stepped.step()


def fill(kernel: Kernel, events: int) -> Kernel:
    for _ in range(events):
        kernel.at(0, int)
    return kernel


# Running


def test_until_includes_its_tick_and_moves_the_clock() -> None:
    kernel = Kernel()
    seen, see = recorder()
    for time in (3, 5, 8):
        kernel.at(time, see, time, phase=Phase.OBSERVE)
    kernel.at(5, lambda: kernel.after(0, see, "added at the horizon", phase=Phase.DECIDE))
    assert kernel.run(4) == 4
    assert seen == [3]
    assert kernel.run(5) == 5
    assert seen == [3, "added at the horizon", 5]
    assert kernel.run(5) == 5
    assert kernel.run() == 8
    assert kernel.run(20) == 20
    assert kernel.run() == 20


def test_stop_leaves_the_clock_and_the_rest_of_the_tick() -> None:
    kernel = Kernel()
    seen, see = recorder()
    kernel.stop()
    kernel.at(2, see, "a")
    kernel.at(2, kernel.stop)
    kernel.at(2, see, "b")
    assert kernel.run(10) == 2
    assert (seen, len(kernel)) == (["a"], 1)
    assert kernel.run(10) == 10
    assert seen == ["a", "b"]


def test_step_runs_one_event() -> None:
    kernel = Kernel()
    seen, see = recorder()
    for time in (1, 1, 2):
        kernel.at(time, see, time)
    kernel.at(1, see, "cancelled").cancel()
    nows = []
    while kernel.step():
        nows.append((kernel.now, len(seen)))
    assert nows == [(1, 1), (1, 2), (2, 3)]


def test_an_empty_kernel_is_true_and_says_what_it_is() -> None:
    kernel = Kernel("second")
    assert kernel
    assert repr(kernel) == "Kernel(now=0, unit='second', pending=0)"
    event = kernel.at(4, int, phase=Phase.WAKE)
    event.cancel()
    assert repr(event) == "Event(time=4, phase=WAKE, cancelled)"


# A model: the same program on the kernel and on a list searched for its smallest key


class ListKernel:
    """The specification: a list, searched from end to end for the smallest (time, phase, seq)."""

    def __init__(self) -> None:
        self.now = 0
        self.stopped = False
        self.scheduled = 0
        self.pending: list[tuple[int, Phase, int, Callable[[int], None]]] = []

    def after(self, delay: int, action: Callable[[int], None], name: int, phase: Phase) -> int:
        self.scheduled += 1
        self.pending.append((self.now + delay, phase, name, action))
        return name

    def cancel(self, name: int) -> None:
        self.pending = [entry for entry in self.pending if entry[2] != name]

    def __len__(self) -> int:
        return len(self.pending)

    def peek(self) -> int | None:
        return min((entry[0] for entry in self.pending), default=None)

    def stop(self) -> None:
        self.stopped = True

    def step(self) -> bool:
        if not self.pending:
            return False
        entry = min(self.pending, key=lambda entry: entry[:3])
        self.pending.remove(entry)
        self.now = entry[0]
        entry[3](entry[2])
        return True

    def run(self, until: int) -> int:
        self.stopped = False
        while not self.stopped and self.pending and (self.peek() or 0) <= until:
            self.step()
        self.now = self.now if self.stopped else until
        return self.now


class NamedKernel(Kernel):
    """The kernel with events named by the order in which they were scheduled."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[int, Event] = {}

    def named(self, delay: int, action: Callable[[int], None], name: int, phase: Phase) -> int:
        self.events[name] = self.after(delay, action, name, phase=phase)
        return name

    def cancel(self, name: int) -> None:
        self.events[name].cancel()


class BoomError(Exception):
    pass


Add = st.tuples(st.just("add"), st.integers(0, 3), st.sampled_from(Phase))
Cancel = st.tuples(st.just("cancel"), st.integers(0, 40), st.none())
Odd = st.tuples(st.sampled_from(["stop", "raise", "nothing"]), st.none(), st.none())
Step = st.lists(st.one_of(Add, Add, Add, Cancel, Cancel, Odd), max_size=4)


def execute(
    kernel: Any, add: Callable[..., int], program: list[Any], drive: list[int]
) -> list[Any]:
    """Run a program: event number n, when it fires, does what ``program[n % len]`` says."""
    trace: list[Any] = []
    names = 0

    def perform(what: str, number: int | None, phase: Phase | None) -> None:
        nonlocal names
        if what == "add" and names < 120:
            add(number, fire, names, phase)
            names += 1
        elif what == "cancel" and number is not None and number < names:
            kernel.cancel(number)
        elif what == "stop":
            kernel.stop()
        elif what == "raise":
            raise BoomError

    def fire(name: int) -> None:
        trace.append((kernel.now, name, len(kernel), kernel.peek()))
        for action in program[name % len(program)]:
            perform(*action)

    for action in program[0]:
        if action[0] in ("add", "cancel"):
            perform(*action)
    for delay in drive:
        try:
            result = kernel.step() if delay == 0 else kernel.run(kernel.now + delay)
            trace.append(("drive", result, kernel.now, len(kernel), kernel.peek()))
        except BoomError:
            trace.append(("boom", kernel.now, len(kernel), kernel.peek()))
    return trace


@settings(max_examples=300, deadline=None)
@given(st.lists(Step, min_size=1, max_size=12), st.lists(st.integers(0, 5), max_size=30))
def test_kernel_agrees_with_a_searched_list(program: list[Any], drive: list[int]) -> None:
    kernel, model = NamedKernel(), ListKernel()
    assert execute(kernel, kernel.named, program, drive) == execute(
        model, model.after, program, drive
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(Phase)), min_size=200, max_size=500),
    st.randoms(use_true_random=False),
)
def test_order_survives_compaction(keys: list[tuple[int, Phase]], random: Any) -> None:
    kernel = Kernel()
    seen, see = recorder()
    events = [
        kernel.at(time, see, (time, phase, i), phase=phase) for i, (time, phase) in enumerate(keys)
    ]
    gone = set(random.sample(range(len(keys)), k=len(keys) * 4 // 5))
    for i in gone:
        events[i].cancel()
    assert len(kernel) == len(keys) - len(gone)
    kernel.run()
    assert seen == sorted((t, p, i) for i, (t, p) in enumerate(keys) if i not in gone)

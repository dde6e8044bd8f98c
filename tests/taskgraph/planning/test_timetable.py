"""Insertion finds the earliest gap there is, and slots are opened only when they help."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hocket.taskgraph.planning.timetable import Slot, Spot, Timetable


@st.composite
def slots(draw: st.DrawFn) -> Slot:
    """A slot with a few tasks, some of no duration, and gaps, some of no length."""
    slot = Slot(draw(st.integers(0, 5)))
    time = slot.base
    for number in range(draw(st.integers(0, 6))):
        time += draw(st.integers(0, 4))
        slot.tasks.append(number)
        slot.starts.append(time)
        time += draw(st.integers(0, 4))
        slot.ends.append(time)
    return slot


@given(slots(), st.integers(0, 30), st.integers(0, 6))
def test_first_gap_is_the_earliest(slot: Slot, there: int, duration: int) -> None:
    start, place = slot.first_gap(there, duration)

    def free(begin: int) -> bool:
        return all(
            begin + duration <= s or e <= begin for s, e in zip(slot.starts, slot.ends, strict=True)
        )

    earliest = next(t for t in range(max(there, slot.base), 100) if free(t))
    assert start == earliest
    assert all(end <= start for end in slot.ends[:place])
    assert all(start + duration <= begin for begin in slot.starts[place:])
    # What takes no time at that instant stays in front: it may be what the task depends on.
    assert all(end > start for end in slot.ends[place:])


@given(slots(), st.integers(0, 30), st.integers(0, 6))
def test_insertion_is_never_later_than_appending(slot: Slot, there: int, duration: int) -> None:
    start, place = slot.behind(there)
    assert place == len(slot.tasks)
    assert start == max([there, slot.base, *slot.ends])
    assert slot.first_gap(there, duration)[0] <= start


def test_slots_open_up_to_the_capacity() -> None:
    table = Timetable([2], now=10)
    for task in range(4):
        table.put(task, table.spot(0, 0, 5))
    assert [slot.tasks for slot in table.slots[0]] == [[0, 2], [1, 3]]
    assert [slot.starts for slot in table.slots[0]] == [[10, 15], [10, 15]]


def test_a_free_slot_is_used_before_another_is_opened() -> None:
    table = Timetable([3])
    table.put(0, table.spot(0, 0, 5))
    table.put(1, table.spot(0, 7, 5))
    assert [slot.tasks for slot in table.slots[0]] == [[0, 1]]


def test_taking_back_undoes_putting() -> None:
    table = Timetable([2])
    first = table.spot(0, 0, 5)
    table.put(0, first)
    second = table.spot(0, 0, 5)
    assert second == Spot(5, 0, 0, 1, 0)
    table.put(1, second)
    table.take_back(second, opened=True)
    assert len(table.slots[0]) == 1
    table.take_back(first, opened=False)
    assert table.slots[0][0].tasks == []
    assert table.spot(0, 0, 5) == first

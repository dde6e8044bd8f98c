"""Where a task finishes first, in the gaps of what the processors are expected to do."""

from __future__ import annotations

from operator import attrgetter

from hocket.taskgraph.planning.timetable import Slot, Spot, Timetable
from hocket.taskgraph.roles import Task, View


def expected(view: View) -> Timetable:
    """What each processor is expected to do from now on, by mean durations.

    What runs ends when its mean duration is over, but not before now; what is queued follows in
    order, when its inputs are there.
    """
    table = Timetable(view.platform.capacity, view.now)
    for p, core in enumerate(view.cores):
        slots = [Slot(max(task.start + task.durations[p], view.now)) for task in core.running]
        room = min(core.capacity - len(slots), max(len(core.queue), 1))
        slots += [Slot(view.now) for _ in range(room)]
        for task in core.queue:
            slot = min(slots, key=_free)
            begin = max(_free(slot), task.inputs_at)
            slot.tasks.append(task.id)
            slot.starts.append(begin)
            slot.ends.append(begin + task.durations[p])
        table.slots[p] = slots
    return table


def place(table: Timetable, view: View, task: Task) -> Spot:
    """Put a ready task where it finishes first: insertion, as in HEFT (Topcuoglu et al. 2002)."""
    spots = (table.spot(p, view.inputs_at(task, p), task.durations[p]) for p in task.able)
    spot = min(spots, key=attrgetter("finish"))
    table.put(task.id, spot)
    return spot


def _free(slot: Slot) -> int:
    return slot.ends[-1] if slot.ends else slot.base

"""A plan while it is followed: jobs are added to it, and it is moved when reality differs."""

from __future__ import annotations

from bisect import bisect_left

from hocket.taskgraph.model.graph import Platform
from hocket.taskgraph.planning.listing import Method
from hocket.taskgraph.planning.timetable import Draft, Planned, Slot, Timetable
from hocket.taskgraph.roles import Job, Task


class Plan:
    """The planned tasks that are not done, on the slots of all processors.

    A task that has been given to its processor waits there for the one before it, so that nothing
    can be put before it any more: the base of its slot is where it ends.
    """

    def __init__(self, platform: Platform) -> None:
        """An idle platform."""
        self.platform = platform
        self.table = Timetable(platform.capacity)
        self.tasks: dict[int, Task] = {}
        self.slots: dict[int, tuple[int, Slot]] = {}
        """Processor and slot of each task, by its id."""
        self.starts: dict[int, int] = {}

    def add(self, job: Job, method: Method) -> list[Planned]:
        """Plan a job in the gaps of what is there, and behind it."""
        first = job.tasks[0].id
        draft = Draft(job.graph, self.platform, self.table, first)
        method(draft)
        self.tasks.update((task.id, task) for task in job.tasks)
        self.starts.update(enumerate(draft.start, first))
        self.slots.update(
            (first + t, (p, self.table.slots[p][number]))
            for t, (p, number) in enumerate(zip(draft.where, draft.slot, strict=True))
        )
        return draft.result()

    def give(self, task: Task) -> tuple[int, Task | None]:
        """The processor of a task that is given to it now, and the task before it, if not done."""
        p, slot = self.slots[task.id]
        place = slot.tasks.index(task.id, bisect_left(slot.starts, self.starts[task.id]))
        slot.base = max(slot.base, slot.ends[place])
        before = self.tasks[slot.tasks[place - 1]] if place else None
        return p, (None if before is None or before.finish >= 0 else before)

    def catch_up(self, now: int) -> None:
        """Forget what is done; if anything was early or is late, move all the rest.

        What runs is then expected to end by its mean duration, and what has not started as soon as
        its inputs and the task before it on its slot allow. Orders stay.
        """
        self.table.now = now
        # Looks at every slot: each has done tasks to forget.
        moved = [self._forget(slot) for slots in self.table.slots for slot in slots]
        if any(moved):
            self._move()

    def _forget(self, slot: Slot) -> bool:
        """Take the done tasks out of a slot; whether it differs from its plan."""
        moved, done = False, 0
        for number, end in zip(slot.tasks, slot.ends, strict=True):
            task = self.tasks[number]
            if task.finish < 0:
                break
            moved |= task.finish != end
            done += 1
            del self.tasks[number], self.slots[number], self.starts[number]
        del slot.tasks[:done], slot.starts[:done], slot.ends[:done]
        if slot.tasks:
            task, now = self.tasks[slot.tasks[0]], self.table.now
            moved |= now > slot.ends[0] if task.start == slot.starts[0] else now > slot.starts[0]
        return moved

    def _move(self) -> None:
        """Set all times anew, in an order that both the slots and the graphs allow."""
        blockers: dict[int, int] = {}
        behind: dict[int, int] = {}
        before: dict[int, int] = {}
        for slots in self.table.slots:
            for slot in slots:
                for i, number in enumerate(slot.tasks):
                    if i:
                        behind[slot.tasks[i - 1]], before[number] = number, slot.tasks[i - 1]
                    sources = _sources(self.tasks[number])
                    blockers[number] = (i > 0) + sum(source.finish < 0 for source in sources)
        free = [number for number, count in blockers.items() if not count]
        ends: dict[int, int] = {}
        while free:
            number = free.pop()
            task = self.tasks[number]
            self.starts[number], ends[number] = self._times(task, ends, before.get(number))
            followers = [task.job.tasks[t].id for t, _ in task.job.graph.outputs[task.index]]
            if number in behind:
                followers.append(behind[number])
            for follower in followers:
                blockers[follower] -= 1
                if not blockers[follower]:
                    free.append(follower)
        for slots in self.table.slots:
            for slot in slots:
                slot.starts = [self.starts[number] for number in slot.tasks]
                slot.ends = [ends[number] for number in slot.tasks]
                given = [ends[n] for n in slot.tasks if self.tasks[n].processor >= 0]
                slot.base = given[-1] if given else self.table.now

    def _times(self, task: Task, ends: dict[int, int], before: int | None) -> tuple[int, int]:
        """When a task is expected to start and to end, given when those before it end."""
        duration = task.durations[self.slots[task.id][0]]
        if task.start >= 0:
            return task.start, max(task.start + duration, self.table.now)
        start = max(self.table.now, self._inputs_at(task, ends))
        if before is not None:
            start = max(start, ends[before])
        return start, start + duration

    def _inputs_at(self, task: Task, ends: dict[int, int]) -> int:
        if task.inputs_at >= 0:
            return task.inputs_at
        platform, target = self.platform, self.slots[task.id][0]
        latest, stored, load = 0, self.table.now, 0
        volumes = task.job.graph.inputs[task.index]
        for source, (_, volume) in zip(_sources(task), volumes, strict=True):
            if source.finish >= 0:
                done, at = source.finish, source.processor
            else:
                done, at = ends[source.id], self.slots[source.id][0]
            if platform.to_memory is None:
                latest = max(latest, done + platform.transfer(volume, at, target))
            else:
                stored = max(stored, done + platform.through_memory(volume, at))
                load = max(load, platform.through_memory(volume, target))
        return latest if platform.to_memory is None else stored + load


def _sources(task: Task) -> list[Task]:
    return [task.job.tasks[before] for before, _ in task.job.graph.inputs[task.index]]

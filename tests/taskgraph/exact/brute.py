"""The least makespan of tiny scenarios by trying everything; shares no code with the solver."""

from __future__ import annotations

from itertools import permutations, product

from hocket.taskgraph.model.scenario import TaskGraphs


def least_makespan(scenario: TaskGraphs) -> int:
    """Every order of all tasks, on every choice of processors, each task as early as it can."""
    jobs = [(kind, 0) for kind in scenario.types]
    if scenario.arrivals.jobs:
        by_name = {kind.name: kind for kind in scenario.types}
        jobs = [(by_name[r.type], r.time) for r in scenario.arrivals.jobs]
    tasks, before, release = [], {}, {}
    for j, (kind, time) in enumerate(jobs):
        for task in kind.tasks:
            key = (j, task.name)
            tasks.append((key, task.runs))
            release[key] = time
            before[key] = [((j, e.source), e.volume) for e in kind.edges if e.target == task.name]
    able = [[p for p in scenario.processors if runs in p.functions] for _, runs in tasks]
    best = None
    for order in permutations(range(len(tasks))):
        place = {tasks[i][0]: n for n, i in enumerate(order)}
        if any(place[a] > place[key] for key, _ in tasks for a, _ in before[key]):
            continue
        for chosen in product(*able):
            end = _play(scenario, [(tasks[i], chosen[i]) for i in order], before, release)
            best = end if best is None else min(best, end)
    assert best is not None
    return best


def _play(scenario, sequence, before, release):
    talk = scenario.communication
    bands = {frozenset(link.between): link.bandwidth for link in talk.links}

    def direct(volume, a, b):
        band = bands.get(frozenset((a, b)), None if a == b else talk.default)
        return 0 if band is None else int(volume / band)

    def memory(volume, a):
        return int(volume / talk.memory.get(a, talk.default))

    free = {p.name: [0] * p.capacity for p in scenario.processors}
    done = {}
    for (key, runs), processor in sequence:
        begin = release[key]
        if talk.mode == "direct":
            for a, volume in before[key]:
                finish, where = done[a]
                begin = max(begin, finish + direct(volume, where, processor.name))
        elif before[key]:
            ready = max(done[a][0] + memory(volume, done[a][1]) for a, volume in before[key])
            begin = ready + max(memory(volume, processor.name) for _, volume in before[key])
        slot = free[processor.name].index(min(free[processor.name]))
        begin = max(begin, free[processor.name][slot])
        done[key] = (begin + processor.functions[runs].duration, processor.name)
        free[processor.name][slot] = done[key][0]
    return max(finish for finish, _ in done.values())

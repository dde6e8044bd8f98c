"""Whether the requests that arrive are those of the workload, each once."""

from __future__ import annotations

from collections.abc import Iterator

from hocket.core.scenario import LONGEST
from hocket.core.solution import Violation
from hocket.serving.check.story import Story
from hocket.serving.model.cluster import Cluster
from hocket.serving.workload import Trace


def arrivals(scenario: Cluster, told: list[Story]) -> Iterator[Violation]:
    """Each request arrives once, and those of a recorded workload as it says.

    What a random workload draws depends on the seed, which no timeline holds: there the timeline is
    believed.
    """
    for story in told:
        if len(story.arrivals) > 1:
            yield Violation("arrival", f"{story.name} arrives {len(story.arrivals)} times")
        try:
            asked(story)
        except ValueError:
            name = story.arrivals[0].name
            yield Violation("arrival", f"{story.name} says {name!r}, not its prompt and output")
    if isinstance(scenario.workload, Trace):
        yield from _as_recorded(scenario.workload, {story.name: story for story in told})


def asked(story: Story) -> tuple[int, int, int]:
    """Prompt, output and limit of a request. Raises ValueError where its arrival does not say."""
    prompt, output, limit = map(int, story.arrivals[0].name.split()[:3])
    return prompt, output, limit


def tenant(name: str) -> str:
    """Whose request it is, by the name of its point ``arrive``."""
    words = name.split(" ", 4)
    return words[4] if len(words) > 4 else ""


def _as_recorded(workload: Trace, told: dict[str, Story]) -> Iterator[Violation]:
    names = workload.names or tuple(f"r{i}" for i in range(len(workload.prompt)))
    due = _due(workload, names, told)
    for i, name in enumerate(names):
        limit = workload.limit[i] if workload.limit else LONGEST
        asks = [str(n) for n in (workload.prompt[i], workload.output[i], limit)]
        story = told.get(name)
        if story is None:
            yield Violation("missing", f"{name} never arrives")
        elif due[i] is None:
            yield Violation("arrival", f"{name} arrives before the request that releases it ends")
        elif story.arrivals[0].time != due[i]:
            yield Violation(
                "arrival", f"{name} arrives at {story.arrivals[0].time}, not at {due[i]}"
            )
        elif story.arrivals[0].name.split()[:3] != asks:
            yield Violation("arrival", f"{name} does not ask what the workload says")
        else:
            patience = workload.cancel[i] if workload.cancel else -1
            yield from _patience(story, patience)
    for name in sorted(told.keys() - set(names)):
        yield Violation("unknown", f"the workload has no request {name}")


def _patience(story: Story, patience: int) -> Iterator[Violation]:
    """Clients go away when the workload says so, or at the end of the iteration then under way."""
    for point in story.ends:
        if point.kind != "cancel":
            continue
        due = story.arrivals[0].time + patience
        if patience < 0:
            yield Violation("cancel", f"{story.name} is cancelled, but its client stays")
        elif point.time < due:
            yield Violation("cancel", f"{story.name} is cancelled at {point.time}, before {due}")


def _due(workload: Trace, names: tuple[str, ...], told: dict[str, Story]) -> list[int | None]:
    """When each request must arrive: as recorded, or when another one's end releases it.

    None where the one that it waits for never ends.
    """
    due: list[int | None] = [*workload.arrival]
    delay = workload.delay or (0,) * len(names)
    for i, before in enumerate(workload.follows):
        if before >= 0:
            ended = told[names[before]].ends if names[before] in told else []
            due[i] = ended[0].time + delay[i] if ended else None
    if workload.clients:
        ends = sorted(point.time for story in told.values() for point in story.ends)
        for turn, i in enumerate(range(workload.clients, len(names))):
            due[i] = ends[turn] + delay[i] if turn < len(ends) else None
    return due

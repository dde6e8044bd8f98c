"""Scenario, simulator, checker, metrics, generator, format and names of the toy domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from hocket.core.domain import Format, Generator
from hocket.core.errors import IllegalDecision, NotApplicable
from hocket.core.kernel import Kernel, Phase
from hocket.core.scenario import Scenario
from hocket.core.solution import Violation
from hocket.core.streams import Streams
from hocket.core.timeline import Timeline


class Boxes(Scenario, frozen=True, kw_only=True, tag_field="problem", tag="toy/boxes"):
    """Boxes of given sizes; a size is the ticks that unpacking takes."""

    sizes: tuple[int, ...]
    objective: str = "makespan"


class View:
    """The boxes that are left, and all sizes."""

    def __init__(self, sizes: np.ndarray) -> None:
        self.sizes = sizes
        self.left: tuple[int, ...] = ()
        self.now = 0


def simulate(
    scenario: Boxes, policy: Any, *, seed: int = 0, kernel: Kernel | None = None
) -> Timeline:
    return play(scenario, policy, seed, kernel)


def play(
    scenario: Boxes,
    policy: Any,
    seed: int,
    kernel: Kernel | None,
    *,
    writeable: bool = False,
    clock: Callable[[int], int] = lambda now: now,
    lose: int | None = None,
) -> Timeline:
    """The simulator, which can be told to do this or that wrong."""
    kernel = kernel or Kernel()
    decider = policy.begin(scenario, Streams(seed))
    sizes = np.array(scenario.sizes)
    sizes.flags.writeable = writeable
    view, timeline = View(sizes), Timeline()
    view.left = tuple(range(len(sizes)))

    def unpack() -> None:
        view.now = clock(kernel.now)
        box = decider.pick(view)
        if box not in view.left:
            raise IllegalDecision(policy.name, kernel.now, repr(box), "this box is not here")
        view.left = tuple(b for b in view.left if b != box)
        end = kernel.now + scenario.sizes[box]
        if box != lose:
            timeline.span("run", "belt", f"box {box}", "unpack", kernel.now, end)
        if view.left:
            kernel.at(end, unpack, phase=Phase.DECIDE)

    kernel.at(kernel.now, unpack, phase=Phase.DECIDE)
    kernel.run()
    return timeline


def check(scenario: Boxes, timeline: Timeline) -> list[Violation]:
    spans = sorted(timeline.spans("run"), key=lambda s: s.start)
    if sorted(s.group for s in spans) != sorted(f"box {b}" for b in range(len(scenario.sizes))):
        return [Violation("boxes", "not each box once")]
    if [s.start for s in spans] != [0, *(s.end for s in spans[:-1])]:
        return [Violation("belt", "not one after the other")]
    if any(s.end - s.start != scenario.sizes[int(s.group[4:])] for s in spans):
        return [Violation("size", "not as long as the box is large")]
    return []


def metrics(scenario: Boxes, timeline: Timeline) -> dict[str, float]:
    spans = list(timeline.spans("run"))
    return {"makespan": timeline.end, "total_wait": sum(s.start for s in spans)}


def due(scenario: Boxes) -> dict[str, int]:
    return {}


class Pile(Generator, frozen=True):
    """A pile of boxes of random size."""

    name: ClassVar[str] = "pile"
    boxes: int = 40

    def make(self, seed: int = 0) -> Boxes:
        sizes = Streams(seed)["boxes"].integers(1, 100, self.boxes)
        return Boxes(name=f"pile-{self.boxes}-{seed}", sizes=tuple(sizes.tolist()))


GENERATORS: tuple[type[Generator], ...] = (Pile,)


def write(scenario: Any) -> str:
    if not isinstance(scenario, Boxes):
        raise NotApplicable("only boxes")
    return "boxes " + " ".join(map(str, scenario.sizes))


def read(text: str, name: str) -> Boxes:
    return Boxes(name=name, sizes=tuple(int(word) for word in text.split()[1:]))


FORMAT = Format(
    name="boxes",
    summary="sizes on one line",
    suffixes=(".box",),
    sniff=lambda name, head: head.startswith("boxes "),
    read=read,
    write=write,
)
FORMATS = (FORMAT,)


def names() -> list[str]:
    return ["three"]


def named(name: str) -> Boxes:
    return Boxes(name=name, sizes=(1, 2, 3))

"""The box that came first, or the smallest one."""

from __future__ import annotations

from typing import Any, ClassVar

from hocket.core.policy import Policy


class First(Policy, frozen=True):
    """The first box that is still there."""

    name: ClassVar[str] = "toy/first"
    problems: ClassVar[tuple[str, ...]] = ("toy/boxes",)

    def begin(self, scenario: Any, streams: Any) -> Any:
        return self

    def pick(self, view: Any) -> int:
        return int(view.left[0])


class Smallest(First, frozen=True):
    """The smallest box."""

    name: ClassVar[str] = "toy/smallest"

    def pick(self, view: Any) -> int:
        return int(min(view.left, key=lambda box: (view.sizes[box], box)))


POLICIES = (First, Smallest)

"""A plan for a cluster: steps in the order in which they can be taken, and how good the end is."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["better and optimal", "better", "already optimal", "no better plan in time"]
"""What a search for a better packing ended with.

- ``better and optimal``: the plan is better than the present state, and none is better than it
- ``better``: the plan is better than the present state; whether it is the best is not known
- ``already optimal``: proved: no plan is better than the present state
- ``no better plan in time``: neither a better plan nor a proof that there is none
"""


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One action. ``evict`` takes a pod from `node`; ``bind`` puts a waiting one on `node`.

    A move is an eviction and, later, a bind of the same pod: what its controller makes anew.
    Steps of one `wave` may be taken at the same time: all its evictions, and when those pods are
    gone, all its binds. A wave begins when the one before is done.
    """

    act: Literal["evict", "bind"]
    pod: str
    node: str
    wave: int = 0
    reason: str = ""


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pods of one priority and above: what is reached for them, and what is proved.

    - `before`, `placed`: how many of them run now, and after the plan, where they may stay;
      `placed_bound`: none runs more of them (given what the tiers above reach)
    - `disruption`: 1 for each of them evicted and 2 for each moved (Christensen, Mauro and
      Giallorenzo, arXiv 2511.08373), or the other way round as the policy says, and nothing for
      those that have to leave their node; `disruption_bound`: no plan that places as many disturbs
      less
    """

    priority: int
    pods: int
    before: int
    placed: int
    placed_bound: int
    disruption: int
    disruption_bound: int

    @property
    def proved(self) -> bool:
        """Whether this tier is proved to be the best, given those above."""
        return self.placed >= self.placed_bound and self.disruption <= self.disruption_bound


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do to a cluster; `steps` are empty unless the verdict is better.

    `seconds` is how long the search took, by the clock that limited it.
    """

    verdict: Verdict
    steps: tuple[Step, ...] = ()
    tiers: tuple[Tier, ...] = ()
    seconds: float = 0.0
    reason: str = ""

    @property
    def moved(self) -> dict[str, str]:
        """Pods that run elsewhere afterwards, with their new node."""
        gone = {step.pod for step in self.steps if step.act == "evict"}
        return {s.pod: s.node for s in self.steps if s.act == "bind" and s.pod in gone}

    @property
    def evicted(self) -> tuple[str, ...]:
        """Pods that run now and no more afterwards."""
        back = {step.pod for step in self.steps if step.act == "bind"}
        return tuple(s.pod for s in self.steps if s.act == "evict" and s.pod not in back)

    @property
    def placed(self) -> dict[str, str]:
        """Pods that wait now and run afterwards, with their node."""
        gone = {step.pod for step in self.steps if step.act == "evict"}
        return {s.pod: s.node for s in self.steps if s.act == "bind" and s.pod not in gone}

"""When a promise cannot be kept: the time to the first token that a request would see, predicted.

A server's speed cannot be read off what it finishes per second, which at low load is what it is
asked for. It can while it has work: `Meter` divides the time in which there was some by the work
done in it. Of a server that takes one request after another this is its speed exactly; of an engine
that batches, what it comes to at the present load.

A request waits for those ahead of it in the gateway's queue and for the prompts that its engine has
yet to compute. Under overload every request that comes in is near the limit, so that a mean would
be exceeded by half of them: what is predicted is a time that `SURE` of them keep, by how much the
speed has varied. If that is longer than was promised, the request is refused while its client can
still do something else, and told when it would fit. So a gateway that is asked for twice of what
its engines can do serves half of the requests well instead of all of them late. Where nothing has
been measured nothing is refused.

For every more urgent class of priority that is under way, `KEPT` of the target is kept free, so
that the less urgent are refused first.
"""

from __future__ import annotations

from collections import deque
from math import sqrt
from statistics import NormalDist

SURE = 0.95
"""Share of requests that come in for which the prediction should hold."""
KEPT = 0.1
"""Share of the target that a request leaves free for each more urgent class."""
GROUP, GROUPS = 8, 12
"""Measurements that are taken together, and the latest groups of these that count.

What engines finish together, and what follows it more slowly, is no variation of their speed, but
evens out within a group: the method of batch means (Law, Simulation Modeling and Analysis, 9.5.3).
"""
_Z = NormalDist().inv_cdf(SURE)
_MOST_CLASSES = 5


class Meter:
    """The speed of a server while it has work. Times are ticks, and work is in any unit."""

    __slots__ = ("_busy", "_count", "_groups", "_since", "_work", "left")

    def __init__(self) -> None:
        self.left = 0  # work that has come and is neither done nor gone
        self._groups: deque[tuple[int, int]] = deque(maxlen=GROUPS)  # work, and busy time
        self._work = self._busy = self._count = 0  # of the group that is being filled
        self._since = 0

    def come(self, work: int, now: int) -> None:
        """Work has come; more than nothing."""
        self._pass(now)
        self.left += work

    def gone(self, work: int, now: int) -> None:
        """Work that had come will not be done."""
        self._pass(now)
        self.left -= work

    def done(self, work: int, now: int) -> None:
        """Work that had come is done."""
        self._pass(now)
        self.left -= work
        self._work += work
        self._count += 1
        if self._count == GROUP:
            self._groups.append((self._work, self._busy))
            self._work = self._busy = self._count = 0

    def _pass(self, now: int) -> None:
        if self.left:
            self._busy += max(0, now - self._since)
        self._since = max(self._since, now)

    def mean(self, now: int) -> float | None:
        """Ticks per unit of work; None before a group has been measured.

        A group that takes longer than others counts before it is full: who hangs becomes slow.
        """
        if not self._groups:
            return None
        work = sum(one for one, _ in self._groups)
        span = sum(span for _, span in self._groups)
        busy = self._busy + (max(0, now - self._since) if self.left else 0)
        if busy * len(self._groups) > span:  # longer than a group takes: it counts as it stands
            return (span + busy) / (work + self._work)
        return span / work

    def ticks(self, work: int, now: int) -> float | None:
        """How long so much work will take at most, in `SURE` of cases; None as for `mean`."""
        mean = self.mean(now)
        if mean is None:
            return None
        count = len(self._groups)
        if count < 2:
            return work * mean
        known = sum(one for one, _ in self._groups)
        apart = sum((span - one * mean) ** 2 for one, span in self._groups)
        unit = apart / known * count / (count - 1)  # the variance of one unit of work
        # Work to come varies, and so does the mean, which so much work has told.
        return work * mean + _Z * sqrt(work * unit * (1 + work / known))

    def reset(self) -> None:
        """Forget what was measured: the server has been started anew."""
        self._groups.clear()
        self._work = self._busy = self._count = 0


def bound(target: int, more_urgent: int) -> float:
    """Ticks that a request's first token may be predicted to take.

    `target` is what was promised, `more_urgent` how many classes of priority above the request's
    are under way.
    """
    return target * (1 - KEPT * min(more_urgent, _MOST_CLASSES))

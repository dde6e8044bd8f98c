"""What time lags allow while activities start one after the other and nothing is taken back."""

from __future__ import annotations

from hocket.solvers.critical_path import predecessors, successors
from hocket.solvers.network import End, Network, TaskMode, distances


class Lags:
    """The windows of the activities that have not started, as far as lags and releases tell.

    Plain precedences make an activity wait. Maximum lags, and minimum lags between finishes, also
    work backwards and along chains: an activity may have to wait because another that must follow
    it soon cannot start yet, and gets a last start when one that it is tied to has started. With
    all chains taken into account (Dechter, Meiri & Pearl, Artificial Intelligence 49, 1991: a
    simple temporal network), a start within the window leaves windows to all others; only the
    resources can then make an activity late.
    """

    def __init__(self, network: Network) -> None:
        """The links of `network` hold no contradiction."""
        self.network = network
        count = len(network.tasks)
        self.start: list[int | None] = [None] * count
        self.end: list[int | None] = [None] * count
        self.latest: list[int | None] = [None] * count
        self.because: list[int] = [-1] * count  # the activity whose start set `latest`
        self.below = successors(network)
        self.awaited = predecessors(self.below)  # less those that have started
        self._into: list[list[int]] = [[] for _ in range(count)]
        self._out: list[list[int]] = [[] for _ in range(count)]
        for n, link in enumerate(network.links):
            self._into[link.after].append(n)
            self._out[link.before].append(n)
        # Where every link makes its second activity wait, chains tell nothing new.
        plain = all(link.after in self.below[link.before] for link in network.links)
        self._far = [[] for _ in range(count)] if plain else distances(network)

    def begin(self, i: int, now: int, end: int) -> None:
        """Activity i starts now and will end at `end`: give last starts to what is tied to it."""
        self.start[i], self.end[i] = now, end
        for child in self.below[i]:
            self.awaited[child] -= 1
        for n in self._into[i]:
            link = self.network.links[n]
            before = link.before
            if self.start[before] is None:
                point = now if link.of == "start" else end
                shortest = self.network.tasks[before].shortest if link.since == "finish" else 0
                last = point - link.gap - shortest
                self._bound(before, last, i)
                for other, gap in self._far[before]:
                    self._bound(other, last - gap, i)

    def _bound(self, i: int, last: int, because: int) -> None:
        known = self.latest[i]
        if self.start[i] is None and (known is None or last < known):
            self.latest[i], self.because[i] = last, because

    def point(self, i: int, which: End) -> int | None:
        """When the activity starts or finishes; None if it has not started."""
        return self.start[i] if which == "start" else self.end[i]

    def ready(self, i: int, mode: TaskMode) -> int:
        """From when on its release and the direct links from what has started allow a start."""
        earliest = self.network.tasks[i].release
        for n in self._into[i]:
            link = self.network.links[n]
            point = self.point(link.before, link.since)
            if point is not None:
                of = mode.duration if link.of == "finish" else 0
                earliest = max(earliest, point + link.gap - of)
        return earliest

    def earliest(self, i: int, mode: TaskMode) -> int:
        """The same, also for what others that have not started allow along chains of links."""
        return max([self.ready(i, mode), *(self._first(m) + gap for m, gap in self._waiting(i))])

    def _first(self, i: int) -> int:
        return min(self.ready(i, mode) for mode in self.network.tasks[i].modes)

    def _waiting(self, i: int) -> list[tuple[int, int]]:
        return [(m, gap) for m, gap in self._far[i] if self.start[m] is None]

    def blocker(self, i: int) -> int | None:
        """An activity that has to start before i does and has not; None if there is none."""
        if self.awaited[i]:
            for before, children in enumerate(self.below):
                if i in children and self.start[before] is None:
                    return before
        return next((m for m, gap in self._waiting(i) if gap > 0), None)

    def waits(self, i: int) -> bool:
        """Whether i has to wait for the start of another activity."""
        return self.awaited[i] > 0 or any(gap > 0 for _, gap in self._waiting(i))

    def allows(self, i: int, mode: TaskMode, now: int) -> bool:
        """Whether an activity that waits for no other may start now in this mode."""
        latest = self.latest[i]
        if self.earliest(i, mode) > now or (latest is not None and latest < now):
            return False
        # The windows hold for the shortest modes; this one has to keep its own links.
        tasks = self.network.tasks
        for link in (self.network.links[n] for n in self._into[i]):
            shortest = tasks[link.before].shortest
            if self.start[link.before] is None and link.between_starts(shortest, mode.duration) > 0:
                return False
        for n in self._out[i]:
            link = self.network.links[n]
            point = self.point(link.after, link.of)
            since = now if link.since == "start" else now + mode.duration
            if point is not None and since + link.gap > point:
                return False
        return True

"""Minimise the makespan of a job shop, anytime: rules, then path relinking beside CP-SAT."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hocket.core.errors import InputError
from hocket.core.extras import need
from hocket.shop.search.bounds import lower_bound
from hocket.shop.search.dispatch import best_rule
from hocket.shop.search.incumbent import Entry, Incumbent, Progress
from hocket.shop.search.instance import Ints, Shop, makespan, order_of, semi_active, violations

if TYPE_CHECKING:
    from hocket.shop.search.relink import PathRelinking

# Up to this many operations (15 x 15, 25 x 20) CP-SAT has a fair chance, or some, of a proof within
# minutes. Beyond, another population gains more.
PROVABLE, PERHAPS_PROVABLE = 250, 500

# Tabu iterations without success after which a walk ends. Which is better changes from instance to
# instance (12,500 as in TS/PR), so populations take turns.
PATIENCE = (12_500, 30_000)


@dataclass(frozen=True, eq=False)
class Result:
    """The answer of `solve_makespan`.

    `start` holds the start times ``int64[N]`` in ticks, `bound` a proven lower bound on the best
    makespan, `status` is "optimal" or "feasible", `log` every improvement in order; `interrupted`
    tells whether Ctrl-C or `stop` ended the search.
    """

    start: Ints
    makespan: int
    bound: int
    status: str
    seconds: float
    log: tuple[Entry, ...]
    interrupted: bool = False

    @property
    def gap(self) -> float:
        """How far the makespan can be above the optimum, relative to the bound."""
        return (self.makespan - self.bound) / max(self.bound, 1)

    def __str__(self) -> str:
        found = self.log[-1].source if self.log else "nothing to do"
        return (
            f"makespan {self.makespan}, bound {self.bound} (gap {self.gap:.2%}), {self.status} "
            f"after {self.seconds:.1f} s; last improvement by {found}"
        )


def solve_makespan(
    shop: Shop,
    *,
    time_limit: float = 60.0,
    workers: int = 2,
    seed: int = 0,
    iterations: int | None = None,
    warm_start: Ints | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Result:
    """The best schedule found within `time_limit` seconds on `workers` cores.

    Every core runs tabu search with path relinking on its own population, except that the last one
    runs CP-SAT on the question "is anything shorter?": always for shops small enough to hope for a
    proof, in turns with the search for middling ones. Ends early at a proof of optimality, when
    `stop()` returns true, or on Ctrl-C; in each case the best schedule so far is returned.

    - `time_limit` 0 returns the best of three dispatching rules and a bound at once. Compiling
      the inner loops, once per installation, is not counted.
    - `iterations` runs a single population for so many tabu iterations, and no CP-SAT: the same
      seed then gives the same result at any speed of the machine, if `time_limit` is not reached.
    - `warm_start` is a feasible schedule, ``int64[N]`` start times, to begin from.
    - `progress(seconds, makespan, bound)` is called in the caller's thread on every improvement.

    Raises InputError for an infeasible `warm_start`, MissingExtra without numba or ortools.
    """
    incumbent = _first(shop, warm_start)
    incumbent.publish(progress)
    interrupted = False
    if time_limit > 0 and not incumbent.proven:
        crew = _Crew(shop, incumbent, np.random.SeedSequence(seed))
        try:
            crew.compile()
            incumbent.restart_clock()
            if iterations is None:
                crew.staff(max(workers, 1))
            else:
                crew.alone(iterations)
            interrupted = crew.attend(time_limit, progress, stop)
        except KeyboardInterrupt:
            interrupted = True  # asked to stop: the incumbent is the answer
        finally:
            crew.dismiss()
        incumbent.publish(progress)
    return _result(shop, incumbent, interrupted)


def _first(shop: Shop, warm_start: Ints | None) -> Incumbent:
    """The best of the rules and the warm start, and the simple bounds."""
    start, value, rule = best_rule(shop)
    source = f"rule {rule}"
    if warm_start is not None:
        given = np.array(warm_start, np.int64)
        wrong = violations(shop, given)
        if wrong:
            raise InputError("warm_start", wrong)
        given = semi_active(shop, order_of(shop, given))
        if makespan(shop, given) <= value:
            start, value, source = given, makespan(shop, given), "warm start"
    return Incumbent(order_of(shop, start), value, lower_bound(shop), source)


def _result(shop: Shop, incumbent: Incumbent, interrupted: bool) -> Result:
    value, order = incumbent.snapshot()
    return Result(
        start=semi_active(shop, order),
        makespan=value,
        bound=incumbent.bound,
        status="optimal" if incumbent.proven else "feasible",
        seconds=incumbent.seconds,
        log=tuple(incumbent.log),
        interrupted=interrupted,
    )


class _Crew:
    """The threads of one solve. Compiled loops and CP-SAT release the interpreter lock."""

    def __init__(self, shop: Shop, incumbent: Incumbent, seeds: np.random.SeedSequence) -> None:
        self.shop, self.incumbent, self.seeds = shop, incumbent, seeds
        self.threads: list[threading.Thread] = []
        self.failure: BaseException | None = None

    def compile(self) -> None:
        """Load or compile the inner loops, so that this does not count as search."""
        need("numba", "solve")
        need("ortools", "solve")
        from hocket.shop.search.relink import PathRelinking

        PathRelinking(self.shop, 0, patience=1).run(lambda value, line: None, iterations=1)

    def alone(self, iterations: int) -> None:
        """One population with an iteration limit: deterministic."""
        self._start(self._relink, self.seeds.spawn(1)[0], PATIENCE[0], iterations)

    def staff(self, workers: int) -> None:
        """Decide who does what, and start."""
        *others, last = [
            (seed, PATIENCE[k % len(PATIENCE)]) for k, seed in enumerate(self.seeds.spawn(workers))
        ]
        for seed, patience in others:
            self._start(self._relink, seed, patience, None)
        if self.shop.operations <= PROVABLE and others:
            self._start(self._prove)
        elif self.shop.operations <= PERHAPS_PROVABLE:
            self._start(self._take_turns, *last)
        else:
            self._start(self._relink, *last, None)

    def attend(
        self, seconds: float, progress: Progress | None, stop: Callable[[], bool] | None
    ) -> bool:
        """Pass on progress until the work is done, the time is over, or `stop` says so: True."""
        while working := [thread for thread in self.threads if thread.is_alive()]:
            working[0].join(0.02)
            self.incumbent.publish(progress)
            if stop is not None and stop():
                return True
            if self.incumbent.seconds >= seconds:
                break
        return False

    def dismiss(self) -> None:
        """End all threads; raises what made one of them fail."""
        self.incumbent.halt()
        for thread in self.threads:
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        def guarded() -> None:
            try:
                work(*arguments)
            except BaseException as error:  # handed to the caller's thread by dismiss
                self.failure = error
                self.incumbent.halt()

        thread = threading.Thread(target=guarded, daemon=True, name=work.__name__)
        self.threads.append(thread)
        thread.start()

    def _relink(self, seed: np.random.SeedSequence, patience: int, iterations: int | None) -> None:
        self._run(self._population(seed, patience), iterations)

    def _prove(self) -> None:
        for seconds in _growing():
            if self.incumbent.stopped:
                return
            self._prove_for(seconds)

    def _take_turns(self, seed: np.random.SeedSequence, patience: int) -> None:
        """One core for both: search and proof in turns, each turn longer than the last."""
        population = self._population(seed, patience)
        for seconds in _growing():
            self._run(population, int(500_000 * seconds))
            if self.incumbent.stopped:
                return
            self._prove_for(seconds)

    def _population(self, seed: np.random.SeedSequence, patience: int) -> PathRelinking:
        from hocket.shop.search.relink import PathRelinking

        return PathRelinking(self.shop, seed, patience=patience, stop=self.incumbent.stop)

    def _run(self, population: PathRelinking, iterations: int | None) -> None:
        _, order = self.incumbent.snapshot()
        population.run(
            lambda value, line: self.incumbent.offer(value, line, "tabu"),
            iterations=iterations,
            target=self.incumbent.bound,
            first=order,
        )

    def _prove_for(self, seconds: float) -> None:
        from hocket.shop.search.cpsat import prove

        prove(self.shop, self.incumbent, workers=1, seed=0, seconds=seconds)


def _growing() -> Iterator[float]:
    """1, 4, 16 ... seconds: CP-SAT starts over with the makespan that others found meanwhile.

    A tighter makespan prunes more than what is forgotten, and the last turn is the longest.
    """
    seconds = 1.0
    while True:
        yield seconds
        seconds *= 4.0

"""Makespan search on Taillard's instances, beside plain CP-SAT and PyJobShop.

    python -m benchmarks.bench_search --classes 15x15,20x15 --per-class 2 --seconds 60
    python -m benchmarks.bench_search --classes all --cpu --peers none
    pytest benchmarks/bench_search.py -s            (tabu iterations per second only)

A gap is 100 (makespan / best known upper bound - 1). Everyone gets the same workers and the same
seconds: of wall clock, or with ``--cpu`` of CPU time per worker, which is the fair measure on a
machine that is shared (PyJobShop cannot be stopped that way and keeps to wall clock). Samples are
spread evenly over each class of ten.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable

import numpy as np

from hocket.shop.generate.best_known import bounds
from hocket.shop.generate.taillard import published
from hocket.shop.search import Shop, solve_makespan
from hocket.shop.search.cpsat import Model
from hocket.shop.search.dispatch import best_rule
from hocket.shop.search.instance import order_of
from hocket.shop.search.tabu import Tabu

CLASSES = ("15x15", "20x15", "20x20", "30x15", "30x20", "50x15", "50x20", "100x20")
TARGETS = dict(zip(CLASSES, (0.5, 1.5, 1.5, 2.5, 5.0, 0.5, 2.0, 0.5), strict=True))


def shop_of(name: str) -> Shop:
    """A published instance as arrays."""
    scenario = published(name)
    number = {machine.name: k for k, machine in enumerate(scenario.machines)}
    return Shop.of(
        [[(number[op.machine], op.duration) for op in job.operations] for job in scenario.jobs]
    )


def sample(label: str, count: int) -> list[str]:
    """`count` instances of a class, spread evenly over its ten."""
    first = 10 * CLASSES.index(label) + 1
    return [f"ta{first + int(k):02d}" for k in np.linspace(0, 9, count + 2)[1:-1].round()]


class Clock:
    """Whether the time is over: wall clock, or CPU seconds per worker."""

    def __init__(self, seconds: float, workers: int, cpu: bool) -> None:
        self.now: Callable[[], float] = time.process_time if cpu else time.perf_counter
        self.end = self.now() + seconds * (workers if cpu else 1)

    def over(self) -> bool:
        return self.now() >= self.end


def ours(shop: Shop, clock: Clock, workers: int, seed: int) -> int:
    result = solve_makespan(shop, time_limit=1e9, workers=workers, seed=seed, stop=clock.over)
    return result.makespan


def plain_cpsat(shop: Shop, clock: Clock, workers: int, seed: int) -> int | None:
    """OR-Tools with its default parameters, a trivial horizon and no hint."""
    model = Model(shop, 0, int(shop.duration.sum()))
    solver = model.cp.CpSolver()
    solver.parameters.num_workers, solver.parameters.random_seed = workers, seed
    solver.parameters.catch_sigint_signal = False  # Python keeps its own handler
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            if clock.over():
                solver.stop_search()

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = solver.solve(model.model)
    done.set()
    watcher.join()
    found = status in (model.cp.OPTIMAL, model.cp.FEASIBLE)
    return round(solver.objective_value) if found else None


def pyjobshop(shop: Shop, seconds: float, workers: int) -> int | None:
    from pyjobshop import Model as Peer

    peer = Peer()
    machines = [peer.add_machine() for _ in range(shop.machines)]
    for j in range(shop.jobs):
        job, before = peer.add_job(), None
        for x in range(shop.job_start[j], shop.job_start[j + 1]):
            task = peer.add_task(job=job)
            peer.add_mode(task, machines[shop.machine[x]], int(shop.duration[x]))
            if before is not None:
                peer.add_end_before_start(before, task)
            before = task
    result = peer.solve(time_limit=seconds, num_workers=workers, display=False)
    return None if result.best is None else int(result.objective)


def compare(names: list[str], arguments: argparse.Namespace) -> np.ndarray:
    """Print one line per instance; gaps ``[len(names), 1 + peers]``, nan for no solution."""
    gaps = np.full((len(names), 1 + len(arguments.peers)), np.nan)
    for i, name in enumerate(names):
        shop, known = shop_of(name), bounds(name)
        assert known is not None
        solve_makespan(shop, time_limit=10, iterations=1)  # compiles
        values = [ours(shop, clock(arguments), arguments.workers, arguments.seed)]
        for peer in arguments.peers:
            if peer == "cpsat":
                time_left = clock(arguments)
                values.append(plain_cpsat(shop, time_left, arguments.workers, arguments.seed))
            else:
                values.append(pyjobshop(shop, arguments.seconds, arguments.workers))
        for k, value in enumerate(values):
            if value is not None:
                gaps[i, k] = 100 * (value / known.upper - 1)
        cells = " ".join(f"{gap:10.2f}" for gap in gaps[i])
        print(f"{name:10s} {values[0]:6d} {known.upper:6d} {cells}", flush=True)
    return gaps


def clock(arguments: argparse.Namespace) -> Clock:
    """A clock that starts now."""
    return Clock(arguments.seconds, arguments.workers, arguments.cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--classes", default="15x15,20x20,50x20", help="comma-separated, or all")
    parser.add_argument("--per-class", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", default="cpsat", help="cpsat, pyjobshop, both, or none")
    parser.add_argument("--cpu", action="store_true", help="count CPU seconds per worker")
    arguments = parser.parse_args()
    named = {"none": [], "both": ["cpsat", "pyjobshop"]}
    arguments.peers = named.get(arguments.peers, [arguments.peers])
    labels = CLASSES if arguments.classes == "all" else arguments.classes.split(",")
    headings = " ".join(f"{word:>10s}" for word in ("hocket", *arguments.peers))
    print(f"{'instance':10s} {'found':>6s} {'known':>6s} {headings}   (gap %)")
    for label in labels:
        gaps = compare(sample(label, arguments.per_class), arguments)
        means = " ".join(f"{gap:10.2f}" for gap in gaps.mean(axis=0))
        verdict = "met" if gaps[:, 0].mean() <= TARGETS[label] else "MISSED"
        print(f"{label:24s} {means}   target {TARGETS[label]:.1f}: {verdict}", flush=True)


def test_tabu_iterations_per_second() -> None:
    print()
    for name, least in (("ta01", 50_000), ("ta21", 50_000), ("ta41", 30_000), ("ta71", 5_000)):
        shop = shop_of(name)
        line = order_of(shop, best_rule(shop)[0])
        search = Tabu(shop, 0)
        search.run(line, patience=1, limit=1)  # compiles
        begin, before = time.process_time(), search.iterations
        search.run(line, patience=100_000, limit=100_000)
        rate = (search.iterations - before) / (time.process_time() - begin)
        size = f"{shop.jobs}x{shop.machines}"
        print(f"{name} {size:7s} {rate:10,.0f} iterations per CPU second (budget {least:,})")
        assert rate >= least


if __name__ == "__main__":
    main()

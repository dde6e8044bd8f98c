"""Independent tasks on several processes of this machine, or on a Ray cluster.

`spread(task, shared, items, ...)` yields ``(index, result)`` as results come in. `task` is a
module-level function of ``(shared, item)``; `shared` is sent once to each worker. Which worker does
what never changes a result, only the order of arrival.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from hocket.core.errors import UserError
from hocket.core.extras import need

Item = TypeVar("Item")
Result = TypeVar("Result")
Task = Callable[[Any, Item], Result]

DIED = "its worker process died (killed, or out of memory)"
UNGUARDED = 78  # how a worker ends that would start workers while it imports the main script
UNGUARDED_ADVICE = (
    "worker processes import the script that starts them, and this one would begin its work again: "
    'put it below  if __name__ == "__main__":  or pass workers=1'
)
AHEAD = 4  # tasks queued per worker, so that none waits for the parent


def spread(
    task: Task[Item, Result],
    shared: Any,
    items: Sequence[Item],
    *,
    workers: int | None = None,
    on: str = "local",
    lost: Callable[[str], Result],
) -> Iterator[tuple[int, Result]]:
    """Run ``task(shared, item)`` for all items; yields ``(index, result)`` in order of completion.

    `workers` is the number of processes (default: one per core, at most one per item); 1 runs in
    this process. `on` is ``"local"`` or ``"ray"``. A worker process that dies costs only the item
    it was on, whose result is then ``lost(why)``. Raises UserError in a script that calls this
    when it is merely imported, as every worker does.
    """
    if workers is not None and workers < 1:
        raise UserError(f"workers must be at least 1, got {workers}")
    if on not in ("local", "ray"):
        raise UserError(f"unknown place to run {on!r}: use 'local' or 'ray'")
    if on == "ray" and items:
        return _on_ray(task, shared, items, workers, lost)
    count = min(workers or os.cpu_count() or 1, len(items))
    if count <= 1:
        return ((i, task(shared, item)) for i, item in enumerate(items))
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(UNGUARDED)  # the parent explains
    return _in_processes(task, shared, items, count, lost)


_worker: tuple[Any, Any] = (None, None)


def _begin(task: Any, shared: Any) -> None:
    global _worker
    _worker = (task, shared)


def _work(item: Any) -> Any:
    task, shared = _worker
    return task(shared, item)


def _in_processes(
    task: Task[Item, Result],
    shared: Any,
    items: Sequence[Item],
    workers: int,
    lost: Callable[[str], Result],
) -> Iterator[tuple[int, Result]]:
    waiting = list(range(len(items)))[::-1]
    while waiting:
        in_flight: list[int] = []
        try:
            yield from _until_broken(task, shared, items, waiting, in_flight, workers)
        except BrokenProcessPool:
            # One of these killed its worker. Each gets a process to itself to find out which.
            for index in sorted(in_flight):
                try:
                    yield from _until_broken(task, shared, items, [index], [], 1)
                except BrokenProcessPool:
                    yield index, lost(DIED)


def _until_broken(
    task: Task[Item, Result],
    shared: Any,
    items: Sequence[Item],
    waiting: list[int],
    in_flight: list[int],
    workers: int,
) -> Iterator[tuple[int, Result]]:
    context = multiprocessing.get_context("spawn")
    others, own = set(multiprocessing.active_children()), set()
    pool = ProcessPoolExecutor(workers, context, _begin, (task, shared))
    futures: dict[Future[Result], int] = {}
    try:
        while waiting or futures:
            while waiting and len(futures) < workers * AHEAD:
                index = waiting.pop()
                in_flight.append(index)
                futures[pool.submit(_work, items[index])] = index
                # At once: a worker that is over before it is looked for is never seen.
                own |= set(multiprocessing.active_children()) - others
            done, _ = wait(futures, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                index = futures.pop(future)
                in_flight.remove(index)
                yield index, result
    except BrokenProcessPool:
        # Only once the pool's thread is done: while it waits for workers too, codes may be missed.
        pool.shutdown(wait=True, cancel_futures=True)
        if any(worker.exitcode == UNGUARDED for worker in own):
            raise UserError(UNGUARDED_ADVICE) from None
        raise
    finally:
        if futures:  # nobody waits for what they compute, as after Ctrl-C: do not keep the user
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
        # The pool's thread must end before the interpreter, or its pipe is closed under it.
        pool.shutdown(wait=True, cancel_futures=True)


def _on_ray(
    task: Task[Item, Result],
    shared: Any,
    items: Sequence[Item],
    workers: int | None,
    lost: Callable[[str], Result],
) -> Iterator[tuple[int, Result]]:
    ray = need("ray", "ray")
    died = (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError)
    mine = not ray.is_initialized()
    if mine:
        ray.init(num_cpus=workers, log_to_driver=False, include_dashboard=False)
    try:
        stored = ray.put(shared)
        remote = ray.remote(max_retries=2)(task)
        pending = {remote.remote(stored, item): i for i, item in enumerate(items)}
        while pending:
            done, _ = ray.wait(list(pending))
            for reference in done:
                index = pending.pop(reference)
                try:
                    result = ray.get(reference)
                except died:
                    result = lost(DIED)
                yield index, result
    finally:
        if mine:
            ray.shutdown()

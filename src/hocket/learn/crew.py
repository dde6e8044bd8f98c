"""Worker processes on this machine that stay between calls."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from hocket.core.errors import RunError, UserError
from hocket.core.interrupt import check
from hocket.core.pool import DIED, UNGUARDED, UNGUARDED_ADVICE

PULSE = 0.2  # seconds between looks at whether Ctrl-C has been pressed
PATIENCE = 5.0  # seconds that a worker has to end by itself


class LocalCrew:
    """`count` processes; each gets tasks through its own pipe."""

    def __init__(self, count: int) -> None:
        """Starts them."""
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()  # so that the end of the process is the end of the pipe
            self._pipes.append(ours)
            self._processes.append(process)

    def ask(self, tasks: Sequence[Any]) -> list[Any]:
        """What comes of one task per worker: a result or an error. Raises RunError if one died."""
        found: list[Any] = [None] * len(tasks)
        for i, task in enumerate(tasks):
            try:
                self._pipes[i].send_bytes(pickle.dumps(task, pickle.HIGHEST_PROTOCOL))
            except OSError:
                self._died(i, task)
        open_ones = {pipe: i for i, pipe in enumerate(self._pipes)}
        while open_ones:
            check()
            for pipe in wait(list(open_ones), PULSE):
                i = open_ones.pop(pipe)  # type: ignore[call-overload]  # we wait for pipes only
                try:
                    found[i] = pickle.loads(self._pipes[i].recv_bytes())
                except (EOFError, OSError):
                    self._died(i, tasks[i])
        return found

    def close(self) -> None:
        """End the processes, by force if they are at work."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()

    def _died(self, i: int, task: Any) -> None:
        self._processes[i].join(PATIENCE)
        check()  # a SIGTERM to all processes of the training ends the workers too
        if self._processes[i].exitcode == UNGUARDED:
            raise UserError(UNGUARDED_ADVICE) from None
        raise RunError(lost(task, DIED)) from None


def lost(task: Any, why: str) -> str:
    """What to tell of a worker that is gone: what it was at, and why it went."""
    episodes = task.episodes
    names = [f"{e.scenario.name or 'a scenario'!r}, seed {e.seed}" for e in episodes[:3]]
    more = f" and {len(episodes) - 3} more" if len(episodes) > 3 else ""
    return f"a worker is lost, {why}; it played the episodes {'; '.join(names)}{more}"


def serve(pipe: Connection) -> None:
    """The life of a worker: play what comes through the pipe until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent ends its workers
    from hocket.learn.workers import Player

    player = Player()
    while True:
        try:
            task = pickle.loads(pipe.recv_bytes())
            pipe.send_bytes(pickle.dumps(player.play(task), pickle.HIGHEST_PROTOCOL))
        except (EOFError, OSError):  # the parent is gone
            return

"""The same run again: here, in worker processes, and in a fresh one with other hashes."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import msgspec

from hocket.core.domain import resolve
from hocket.core.errors import HocketError
from hocket.core.pool import spread
from hocket.core.scenario import Scenario
from hocket.testing.errors import ReplayError

HASH_SEEDS = ("1", "2")
"""Values of PYTHONHASHSEED, which decides the order in which sets of texts are iterated."""


class Case(msgspec.Struct, frozen=True):
    """A run, and the digest of the timeline that it gave.

    `simulate` is the import path of the simulator.
    """

    scenario: Scenario
    policy: Any
    seed: int
    simulate: str
    digest: str

    def __str__(self) -> str:
        where = self.scenario.name or "the scenario"
        return f"{self.policy} on {where} with seed {self.seed}"


def again(case: Case) -> str:
    """The digest that the run gives now."""
    simulate = resolve(case.simulate)
    return str(simulate(case.scenario, case.policy, seed=case.seed).digest())


def check_again(cases: Sequence[Case]) -> None:
    """Repeat runs in this process, as a pool with one worker does. Raises ReplayError."""
    for case, digest in zip(cases, _in_workers(cases, 1), strict=True):
        _compare(case, digest, "when repeated in the same process")


def check_elsewhere(cases: Sequence[Case]) -> list[str]:
    """Repeat all runs in other processes; returns what was done.

    Raises ReplayError that names the run and the way in which it came out differently.
    """
    for case, digest in zip(cases, _in_workers(cases, 2), strict=True):
        _compare(case, digest, "with 2 workers")
    started = [(seed, _start(cases, seed)) for seed in HASH_SEEDS]
    for seed, process in started:
        for case, digest in zip(cases, _finish(cases, process), strict=True):
            _compare(case, digest, f"in a fresh process with PYTHONHASHSEED={seed}")
    seeds = " and ".join(HASH_SEEDS)
    return [
        f"replay: {len(cases)} runs with 2 workers",
        f"replay: {len(cases)} runs in fresh processes, PYTHONHASHSEED {seeds}",
    ]


def _compare(case: Case, digest: str, how: str) -> None:
    if digest == case.digest:
        return
    if digest.startswith("failed: "):
        raise ReplayError(f"{case} {digest} {how}")
    raise ReplayError(
        f"{case} gives another timeline {how}. Look for the order of a set, for state kept outside "
        f"of the decider, and for random numbers that are not from the streams"
    )


def _in_workers(cases: Sequence[Case], workers: int) -> list[str]:
    found = [""] * len(cases)
    results = spread(_in_worker, None, cases, workers=workers, lost=lambda why: f"failed: {why}")
    for at, digest in results:
        found[at] = digest
    return found


def _in_worker(_: None, case: Case) -> str:
    return again(case)


def _start(cases: Sequence[Case], hash_seed: str) -> subprocess.Popen[bytes]:
    """A new Python process at work on the cases."""
    with tempfile.TemporaryFile() as told:
        pickle.dump((sys.path, pickle.dumps(list(cases))), told)
        told.seek(0)
        return subprocess.Popen(
            [sys.executable, "-c", "from hocket.testing.replay import serve; serve()"],
            stdin=told,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )


def _finish(cases: Sequence[Case], process: subprocess.Popen[bytes]) -> list[str]:
    """The digests that it found."""
    found, trouble = process.communicate()
    if process.returncode:
        raise ReplayError(
            f"{cases[0].policy} cannot be carried to another process; define it in a module that "
            f"can be imported. What went wrong there:\n{trouble.decode()[-1000:]}"
        )
    return list(json.loads(found))


def serve() -> None:
    """What the new process does: read runs from standard input, write their digests."""
    path, packed = pickle.load(sys.stdin.buffer)
    sys.path[:] = path
    found = []
    for case in pickle.loads(packed):
        try:
            found.append(again(case))
        except HocketError as error:
            found.append(f"failed: {type(error).__name__}: {error}")
    json.dump(found, sys.stdout)

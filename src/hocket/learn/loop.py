"""Training a policy: update, validate, keep the best, and be ready to be stopped at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from hocket.core.errors import UnknownName, UserError
from hocket.core.interrupt import Interrupt, check
from hocket.core.writing import require_place
from hocket.learn import checkpoint as checkpoints
from hocket.learn import tensorfile
from hocket.learn.asking import Learned
from hocket.learn.claim import claimed
from hocket.learn.curve import Board, Curve, Row
from hocket.learn.pytorch import need_torch
from hocket.learn.supply import Source
from hocket.learn.training import Training

if TYPE_CHECKING:
    from hocket.learn.trainer import Trainer

VALIDATIONS = 40  # so often in a training is the network validated
VALIDATION_SHARE = 0.2  # of the time at most, where time is what limits the training
SAVE_EVERY = 30.0  # seconds between checkpoints, at most


class Status(NamedTuple):
    """How far a training is, for those who watch it.

    `cost` is what the episodes of the last update cost on average, None if it played none;
    `validation` the latest such figure of the validation episodes, and `best` the least so far.
    `left` are the seconds that it will take.
    """

    update: int
    seconds: float
    left: float
    cost: float | None
    validation: float
    best: float


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a training.

    - `policy`: ready to run, with the best weights, which are in the file `weights`
    - `curve`, `checkpoint`: the files beside it
    - `cost`: of the best weights on the validation episodes, found after update `best_update`
    - `updates`, `seconds`, `episodes`: of the whole training, also of what was resumed
    """

    policy: Learned
    weights: str
    curve: str
    checkpoint: str
    cost: float
    best_update: int
    updates: int
    seconds: float
    episodes: int
    interrupted: bool = False


def train(
    policy: Learned,
    scenarios: Sequence[Source],
    *,
    out: str | Path,
    seconds: float | None = None,
    updates: int | None = None,
    trainer: Trainer | str | None = None,
    seed: int = 0,
    workers: int = 1,
    on: str = "local",
    resume: bool = False,
    validate: Sequence[Source] = (),
    validation_episodes: int = 16,
    device: str = "cpu",
    threads: int = 1,
    tensorboard: str | Path | None = None,
    progress: Callable[[Status], None] | None = None,
    log: Callable[[Row], None] | None = None,
    command: str = "",
) -> Trained:
    """Train `policy` on scenarios, and on fresh ones of generators, in turn.

    The training ends after so many `seconds` of wall time or `updates`, whichever is first. Its
    network starts at the policy's own `weights` if it names any. Now and then the network plays the
    validation episodes greedily (drawn from `validate`, or else from `scenarios`), and the weights
    with the least mean cost are written to `out`, a .safetensors file. Beside it lie the curve
    (.csv) and a checkpoint, from which `resume` goes on: on a CPU with a number of updates the
    result is the same in every bit as without the stop. Seeds: see `hocket.learn.supply`.

    `trainer` is a trainer, the name of one, or None for the policy's own. More `workers` play
    episodes in parallel (``on`` "local" or "ray"); for a seed and a number of workers the outcome
    is always the same. PyTorch gets so many `threads`, by default one: with several, sums are
    rounded differently from machine to machine. `log` is called with each row of the curve.

    Ctrl-C ends the training cleanly, with `interrupted` set; SIGTERM too.

    Raises MissingExtra without PyTorch; UserError for no budget, a bad place for `out`, settings
    that are not those of the checkpoint, and files that cannot be written, or that another training
    writes to; RunError if an episode fails, a worker dies, or the loss is not finite. The best
    weights until then stay in `out`.
    """
    need_torch()
    out = Path(out)
    budget = Budget(seconds, updates)
    _require_sane(out, validation_episodes, threads)
    with claimed(out), _pytorch(device, threads):
        training = Training(
            policy,
            trainer_of(policy, trainer),
            list(scenarios),
            validation=list(validate or scenarios),
            validation_episodes=validation_episodes,
            seed=seed,
            workers=workers,
            on=on,
            device=device,
            out=out,
            command=command,
        )
        return _run(training, budget, resume, tensorboard, progress, log)


def _run(
    training: Training,
    budget: Budget,
    resume: bool,
    tensorboard: str | Path | None,
    progress: Callable[[Status], None] | None,
    log: Callable[[Row], None] | None,
) -> Trained:
    """Open what is written to, train, and end well whatever happens."""
    keep = training.told() if resume and training.resume() else None
    curve = Curve(training.out.with_suffix(".csv"), keep=keep)
    with (
        training.crew,
        Interrupt() as interrupt,
        Board(tensorboard, training.counters.updates) as board,
    ):

        def tell(row: Row) -> None:
            curve.add(row)
            board.add(row)
            if log is not None:
                log(row)

        try:
            _go(training, budget, tell, progress)
        except KeyboardInterrupt:
            if training.counters.validated < 0:
                raise  # there is nothing to keep yet
            interrupt.asked = True
            if not interrupt.twice:
                training.save()
        return _trained(training, curve, interrupt.asked)


class Budget:
    """How long a training may be: seconds, updates, or whichever is over first."""

    def __init__(self, seconds: float | None, updates: int | None) -> None:
        """Raises UserError without any, or for what is no length."""
        if seconds is None and updates is None:
            raise UserError("say how long to train: so many seconds, or updates")
        if seconds is not None and not 0 < seconds < float("inf"):
            raise UserError(f"a training of {seconds} seconds is none: give a number above 0")
        if updates is not None and updates < 1:
            raise UserError(f"a training of {updates} updates is none: give at least 1")
        self.seconds, self.updates = seconds, updates

    def progress(self, training: Training) -> float:
        """The share that is over, from 0 to 1."""
        shares = [0.0]
        if self.seconds is not None:
            shares.append(training.elapsed() / self.seconds)
        if self.updates is not None:
            shares.append(training.counters.updates / self.updates)
        return min(max(shares), 1.0)

    def wants_validation(self, training: Training) -> bool:
        """Whether it is time to validate: by the clock if that is what ends the training.

        Else the updates alone decide, so that a resumed training chooses the same weights.
        """
        count = training.counters
        if self.progress(training) == 1:
            return True
        if self.seconds is not None:
            rested = count.seconds - count.validated_at >= self.seconds / VALIDATIONS
            return rested and count.validating <= VALIDATION_SHARE * count.seconds
        done, total = count.updates * VALIDATIONS, self.updates or 1
        return done // total > (done - VALIDATIONS) // total


def _go(
    training: Training,
    budget: Budget,
    tell: Callable[[Row], None],
    progress: Callable[[Status], None] | None,
) -> None:
    """Update until the budget is over; validate and save on the way."""
    training.begin()
    count = training.counters
    if count.validated < 0:
        training.validate()
        tell(training.row())
        training.save()
    begun, first, saved = training.elapsed(), count.updates, time.monotonic()
    while True:
        if count.untold is None:
            check()
            share = budget.progress(training)
            if share == 1:
                break
            training.update(share)
        due = budget.wants_validation(training)
        if due:
            training.validate()
        row = training.row()
        tell(row)
        count.untold = None
        if due or time.monotonic() - saved > SAVE_EVERY:
            training.save()
            saved = time.monotonic()
        if progress is not None:
            rate = (count.seconds - begun) / max(count.updates - first, 1)
            progress(_status(training, budget, row, rate))
    if count.validated < count.updates or not training.out.exists():
        training.validate()
    training.save()  # with the time that has passed, so that a budget in seconds stays used up


def _status(training: Training, budget: Budget, row: Row, rate: float) -> Status:
    count = training.counters
    left = []
    if budget.seconds is not None:
        left.append(max(budget.seconds - count.seconds, 0.0))
    if budget.updates is not None:
        left.append((budget.updates - count.updates) * rate)
    return Status(
        update=count.updates,
        seconds=count.seconds,
        left=min(left),
        cost=row["cost"],
        validation=count.validation,
        best=count.best,
    )


def _trained(training: Training, curve: Curve, interrupted: bool) -> Trained:
    count = training.counters
    return Trained(
        policy=msgspec.structs.replace(training.policy, weights=str(training.out)),
        weights=str(training.out),
        curve=str(curve.path),
        checkpoint=str(checkpoints.place(training.out)),
        cost=count.best,
        best_update=count.best_update,
        updates=count.updates,
        seconds=count.seconds,
        episodes=count.drawn,
        interrupted=interrupted,
    )


def trainer_of(policy: Learned, wanted: Trainer | str | None) -> Trainer:
    """The trainer itself. Raises UnknownName."""
    from hocket.learn.trainers import TRAINERS

    if wanted is None:
        return policy.trainer()
    if not isinstance(wanted, str):
        return wanted
    if wanted not in TRAINERS:
        raise UnknownName("trainer", wanted, TRAINERS)
    return TRAINERS[wanted]()


def _require_sane(out: Path, validation_episodes: int, threads: int) -> None:
    if out.suffix != tensorfile.SUFFIX:
        raise UserError(f"cannot write weights to {out}: let its name end with {tensorfile.SUFFIX}")
    require_place(out)
    for what, number in (("validation episodes", validation_episodes), ("threads", threads)):
        if number < 1:
            raise UserError(f"{what} must be at least 1, got {number}")


@contextmanager
def _pytorch(device: str, threads: int) -> Iterator[None]:
    """PyTorch with so many threads, and with its generators left behind as they were found.

    Raises UserError for a device that is not there.
    """
    import torch

    try:
        place = torch.device(device)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:
        why = str(error).partition("\n")[0]
        raise UserError(f"PyTorch cannot use the device {device!r}: {why}") from None
    before = torch.get_num_threads()
    devices = [place] if place.type == "cuda" else []
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        torch.set_num_threads(before)

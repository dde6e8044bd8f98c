"""``hocket train``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from hocket import api
from hocket.cli.files import Json, Settings
from hocket.cli.output import as_json, command_line, duration, say, say_notes, ticking
from hocket.core.errors import HocketError, RunError, UserError
from hocket.core.fields import with_fields
from hocket.core.plugins import crash
from hocket.core.policy import spec
from hocket.core.writing import require_place
from hocket.learn.checkpoint import place

if TYPE_CHECKING:
    from hocket.core.domain import Generator
    from hocket.core.scenario import Scenario
    from hocket.learn.loop import Status, Trained
    from hocket.learn.trainer import Trainer

_LENGTHS = {"s": 1, "min": 60, "h": 3600}
_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)(?![a-z])")


def _place(_: Any, path: Path) -> None:
    require_place(path)


def train(
    policy: Annotated[
        str, Parameter(name="POLICY", help="One that learns: a name, a policy file or my_rule.py.")
    ],
    /,
    *,
    out: Annotated[
        Path, Parameter(validator=_place, help="Write the best weights here: F.safetensors.")
    ],
    scenario: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="File or name to learn from; may be given again."),
    ] = (),
    generator: Annotated[
        tuple[str, ...],
        Parameter(
            name="--generate",
            negative="",
            help="Learn from fresh ones of a generator: shop/taillard(jobs=6).",
        ),
    ] = (),
    budget: Annotated[str | None, Parameter(help="How long: 90s, 10min, 2h, 1h 30min.")] = None,
    updates: Annotated[
        int | None, Parameter(help="How many updates at most, instead or as well.")
    ] = None,
    trainer: Annotated[
        str | None, Parameter(help="How; default: as the policy was published with.")
    ] = None,
    settings: Settings = (),
    trainer_settings: Annotated[
        tuple[str, ...],
        Parameter(name="--trainer-set", negative="", help="A parameter of the trainer."),
    ] = (),
    validate: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Choose the best weights on these instead."),
    ] = (),
    validation_episodes: Annotated[
        int, Parameter(help="How many episodes the weights are chosen on.")
    ] = 16,
    resume: Annotated[
        bool, Parameter(negative="", help="Go on from the checkpoint beside --out.")
    ] = False,
    seed: Annotated[int, Parameter(help="Seed of all that is random.")] = 0,
    workers: Annotated[int, Parameter(help="Processes that play episodes.")] = 1,
    on: Annotated[Literal["local", "ray"], Parameter(help="Where they run.")] = "local",
    device: Annotated[str, Parameter(help="Where PyTorch computes: cpu or cuda.")] = "cpu",
    threads: Annotated[
        int, Parameter(help="Threads of PyTorch; with 1 results are the same everywhere.")
    ] = 1,
    tensorboard: Annotated[
        Path | None, Parameter(help="Also write the curve for TensorBoard to this folder.")
    ] = None,
    json: Json = False,
) -> int:
    """Train a learned policy on scenarios, and on fresh ones of generators.

    The weights that do best on validation episodes go to --out, the training curve to a .csv beside
    it, and a checkpoint for --resume. Validation and training use seeds from 2^31 on; lower ones
    are never seen. Ctrl-C or SIGTERM ends the training with the best weights so far (exit code
    130).

    Examples:

        hocket train shop/neural --generate shop/taillard --budget 2h --out F.safetensors
        hocket train shop/neural --scenario plant.yaml --updates 90 --out F.safetensors --resume
        hocket train my_policy.py --generate "shop/taillard(jobs=6, machines=6)" --trainer ppo
            --trainer-set episodes=32 --workers 8 --budget 10min --out F.safetensors
        hocket run plant.yaml --policy shop/neural --set weights=F.safetensors
    """
    chosen = with_fields(api.learned(policy), settings)
    worlds: list[Scenario | Generator] = [api.load(name) for name in scenario]
    for world in worlds:
        say_notes(world)  # type: ignore[arg-type]  # none is a generator yet
    worlds += [api.generator(text) for text in generator]
    if not worlds:
        raise UserError("nothing to learn from: give --scenario FILE or --generate GENERATOR")
    if budget is None and updates is None:
        raise UserError("say how long to train: --budget 10min, or --updates 100")
    seconds = None if budget is None else seconds_of(budget)
    if resume and not (kept := place(out)).exists():
        say(f"note: there is no checkpoint {kept} to go on from; a new training begins")
    with ticking(not json) as tick, bugs_told(policy):
        found = api.train(
            chosen,
            worlds,
            out=out,
            seconds=seconds,
            updates=updates,
            trainer=_trainer(chosen, trainer, trainer_settings),
            seed=seed,
            workers=workers,
            on=on,
            resume=resume,
            validate=validate,
            validation_episodes=validation_episodes,
            device=device,
            threads=threads,
            tensorboard=tensorboard,
            progress=lambda status: tick(_line(status)),
            command=command_line(),
        )
    if json:
        as_json(_document(found))
    else:
        _show(found, policy)
    if found.interrupted:
        say(f"interrupted; {found.checkpoint} keeps where it was: go on with --resume")
        return 130
    return 0


@contextmanager
def bugs_told(policy: str) -> Iterator[None]:
    """A bug of the user's own policy or network becomes one sentence: what, and in which line."""
    try:
        yield
    except (HocketError, OSError):
        raise
    except Exception as error:
        raise RunError(f"{policy}: {crash(error)}") from error


def seconds_of(text: str) -> float:
    """``10min``, ``90s``, ``1h 30min`` or ``1.5h`` in seconds. Raises UserError."""
    total, at = 0.0, 0
    while found := _LENGTH.match(text, at):
        total += float(found[1]) * _LENGTHS[found[2]]
        at = found.end()
    if not total or text[at:].strip():
        raise UserError(f"--budget {text!r} is no length of time; write 90s, 10min, 2h or 1h 30min")
    return total


def _trainer(policy: Any, name: str | None, settings: tuple[str, ...]) -> Trainer:
    """The trainer of this name, or the policy's own, with its settings. Raises UserError."""
    from hocket.learn.loop import trainer_of
    from hocket.learn.pytorch import need_torch

    need_torch()

    return with_fields(trainer_of(policy, name), settings)


def _line(status: Status) -> str:
    cost = "-" if status.cost is None else f"{status.cost:.5g}"
    left = duration(status.left)
    return f"update {status.update}  cost {cost}  best {status.best:.5g}  {left} left"


def _show(found: Trained, policy: str) -> None:
    from hocket.report import tables

    figures = {
        "cost": found.cost,
        "best_update": found.best_update,
        "updates": found.updates,
        "episodes": found.episodes,
        "seconds": round(found.seconds, 1),
    }
    tables.show(tables.metrics(figures, title=f"{found.policy.name}, trained"))
    say(f"wrote {found.weights}, {found.curve} and {found.checkpoint}")
    setting = shlex.quote(f"weights={found.weights}")
    say(f"to run it: hocket run SCENARIO --policy {shlex.quote(policy)} --set {setting}")


def _document(found: Trained) -> dict[str, Any]:
    return {
        "policy": spec(found.policy),
        "weights": found.weights,
        "curve": found.curve,
        "checkpoint": found.checkpoint,
        "cost": found.cost,
        "best_update": found.best_update,
        "updates": found.updates,
        "episodes": found.episodes,
        "seconds": found.seconds,
        "interrupted": found.interrupted,
    }

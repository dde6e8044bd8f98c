"""Training from end to end: what it writes, how it ends, and what stays when it goes wrong."""

from __future__ import annotations

import csv
import errno
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from hocket.core.errors import InputError, NotApplicable, RunError, UnknownName, UserError
from hocket.core.run import run
from hocket.learn import tensorfile, weights
from hocket.learn.supply import TRAINING_SEEDS, VALIDATION_SEEDS, Supply, fixed
from hocket.shop.model.single import SingleJob, SingleMachine
from tests.learn.dispatching import Dispatching, Failing, small

torch = pytest.importorskip("torch")

from hocket.learn import loop, workers  # noqa: E402
from hocket.learn.loop import Status, Trained, train  # noqa: E402
from tests.learn.networks import Nudge, Nudging  # noqa: E402

FEW: dict[str, Any] = {"validation_episodes": 2}


def rows(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def weights_in(path: str | Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in tensorfile.read(path)[0].items()}


def trained(folder: Path, updates: int = 3, **options: Any) -> Trained:
    options = {"out": folder / "w.safetensors", **FEW, **options}
    return train(Dispatching(), [small()], updates=updates, **options)


def test_what_a_training_leaves(tmp_path: Path) -> None:
    told: list[Status] = []
    logged: list[Any] = []
    found = trained(tmp_path, 5, progress=told.append, log=logged.append, command="do it")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "w.checkpoint.safetensors",
        "w.csv",
        "w.safetensors",
    ]
    assert (found.updates, found.episodes, found.interrupted) == (5, 20, False)
    curve = rows(found.curve)
    assert [int(row["update"]) for row in curve] == [0, 1, 2, 3, 4, 5]
    assert list(curve[0])[:5] == ["update", "seconds", "episodes", "cost", "validation"]
    assert {"loss", "entropy"} <= set(curve[0])
    assert curve[0]["loss"] == "" and float(curve[5]["loss"]) != 0
    assert [row["update"] for row in logged] == [0, 1, 2, 3, 4, 5]
    costs = [float(row["validation"]) for row in curve]
    assert found.cost == min(costs)
    assert found.best_update == costs.index(min(costs))
    assert [status.update for status in told] == [1, 2, 3, 4, 5]
    assert told[-1].left == 0
    assert told[-1].best == found.cost
    _, header = weights.read(found.weights)
    assert header.training["command"] == "do it"
    assert header.training["updates"] == found.best_update
    assert header.training["trainer"]["trainer"] == "nudge"
    assert header.training["scenarios"][0]["generator"] == "taillard"
    assert header.network == "tests.learn.networks:Scorer"


def test_what_comes_out_is_ready_to_run(tmp_path: Path) -> None:
    found = trained(tmp_path)
    costs = [run(e.scenario, found.policy, e.seed) for e in fixed([small()], 2)]
    assert np.mean([one.metrics["makespan"] for one in costs]) == found.cost


def test_training_is_the_same_for_a_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trained(tmp_path, out=tmp_path / f"{name}.safetensors", seed=seed)
    a, b, c = (weights_in(tmp_path / f"{name}.checkpoint.safetensors") for name in "abc")
    assert a == b
    assert a != c


def test_pytorchs_generator_and_threads_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(7)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    trained(tmp_path, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_a_trained_policy_is_trained_further(tmp_path: Path) -> None:
    first = trained(tmp_path)
    out = tmp_path / "more.safetensors"
    found = train(first.policy, [small()], out=out, updates=1, trainer=Nudge(lr=1e-9), **FEW)
    assert found.cost <= first.cost
    given, taken = weights.read(first.weights)[0], weights.read(out)[0]
    assert all(np.allclose(given[name], taken[name], atol=1e-6) for name in given)


def test_the_budget_in_seconds(tmp_path: Path) -> None:
    begun = time.monotonic()
    found = train(Dispatching(), [small()], out=tmp_path / "w.safetensors", seconds=0.5, **FEW)
    assert found.updates >= 1
    assert 0.5 <= found.seconds <= time.monotonic() - begun + 0.1
    seconds = [float(row["seconds"]) for row in rows(found.curve)]
    assert seconds == sorted(seconds)
    again = train(
        Dispatching(), [small()], out=tmp_path / "w.safetensors", seconds=0.5, resume=True, **FEW
    )
    assert again.updates == found.updates  # its time was over


def test_training_and_validation_draw_seeds_that_nobody_else_does() -> None:
    supply = Supply(Dispatching(), [small(), small(jobs=3).make(7)], seed=2)
    drawn = supply.draw(3) + supply.draw(2)
    assert [e.seed for e in drawn] == [3 * TRAINING_SEEDS + i for i in range(5)]
    assert [e.scenario.name for e in drawn[:2]] == [
        f"taillard-4x3-{3 * TRAINING_SEEDS}",
        "taillard-3x3-7",
    ]
    assert len({e.scenario.name for e in drawn}) == 4
    validation = fixed([small()], 4)
    assert [e.seed for e in validation] == [VALIDATION_SEEDS + i for i in range(4)]


class Growing(Dispatching, frozen=True):
    name: ClassVar[str] = "shop/growing"
    seen: ClassVar[list[float]] = []

    def curriculum(self, scenario: Any, progress: float) -> Any:
        self.seen.append(progress)
        return small(2, 1).make(1) if progress < 0.5 else scenario


def test_the_curriculum_follows_the_progress(tmp_path: Path) -> None:
    Growing.seen.clear()
    train(Growing(), [small()], out=tmp_path / "w.safetensors", updates=4, **FEW)
    assert Growing.seen == [share for share in (0, 0.25, 0.5, 0.75) for _ in range(4)]
    costs = [float(row["cost"]) for row in rows(tmp_path / "w.csv")[1:]]
    assert max(costs[:2]) < min(costs[2:])


def test_other_scenarios_to_validate_on(tmp_path: Path) -> None:
    one = trained(tmp_path, 1, validate=[small(jobs=2, machines=1).make(3)])
    costs = {run(small(jobs=2, machines=1).make(3), one.policy).metrics["makespan"]}
    assert costs == {one.cost}


def test_several_workers(tmp_path: Path) -> None:
    found = trained(tmp_path, 2, workers=2)
    alone = trained(tmp_path, 2, out=tmp_path / "alone.safetensors")
    both = [rows(one.curve) for one in (found, alone)]
    assert both[0][0]["validation"] == both[1][0]["validation"]
    assert [len(one) for one in both] == [3, 3]
    assert both[0][1]["cost"] != both[1][1]["cost"]  # each worker draws numbers of its own
    with pytest.raises(UserError, match="workers: was 2, is 1"):
        trained(tmp_path, 3, resume=True)


def test_the_curve_goes_on_without_a_row_twice(tmp_path: Path) -> None:
    found = trained(tmp_path, 3)
    curve = Path(found.curve)
    before = curve.read_text()
    # A training that was killed has rows of updates after its last checkpoint, maybe half a one.
    curve.write_text(before + before.splitlines()[-1].replace("3,", "4,", 1) + "\n5,1")
    trained(tmp_path, 5, resume=True)
    assert curve.read_text().startswith(before)
    assert [row["update"] for row in rows(curve)] == ["0", "1", "2", "3", "4", "5"]
    trained(tmp_path, 5, resume=True)
    assert [row["update"] for row in rows(curve)] == ["0", "1", "2", "3", "4", "5"]
    trained(tmp_path, 1)
    assert [row["update"] for row in rows(curve)] == ["0", "1"]


def test_resuming_what_never_began_begins(tmp_path: Path) -> None:
    assert trained(tmp_path, 1, resume=True).updates == 1


def test_resuming_with_other_settings(tmp_path: Path) -> None:
    found = trained(tmp_path, 1, trainer=Nudge(lr=0.5))
    kept = Path(found.checkpoint).read_bytes(), Path(found.curve).read_bytes()
    for options, said in (
        ({"seed": 3}, "seed: was 0, is 3"),
        ({"trainer": Nudge(lr=0.1)}, "trainer.lr: was 0.5, is 0.1"),
        ({"validate": [small(jobs=9)]}, "validation: was"),
    ):
        with pytest.raises(UserError, match=said):
            trained(tmp_path, 2, resume=True, **{"trainer": Nudge(lr=0.5), **options})
    with pytest.raises(UserError, match="scenarios: was"):
        train(Dispatching(), [small(jobs=5)], out=found.weights, updates=2, resume=True, **FEW)
    with pytest.raises(UserError, match=r"policy\.width: was 8, is 4"):
        train(Dispatching(width=4), [small()], out=found.weights, updates=2, resume=True, **FEW)
    assert (Path(found.checkpoint).read_bytes(), Path(found.curve).read_bytes()) == kept


def test_resuming_with_the_best_weights_lost_writes_new_ones(tmp_path: Path) -> None:
    found = trained(tmp_path, 2)
    Path(found.weights).unlink()
    assert trained(tmp_path, 2, resume=True).updates == 2
    assert weights.load(found.policy)


def test_a_curve_that_is_none(tmp_path: Path) -> None:
    found = trained(tmp_path, 1)
    Path(found.curve).write_text("name,age\nada,36\n")
    with pytest.raises(InputError, match=r"w\.csv: is no training curve"):
        trained(tmp_path, 2, resume=True)


def test_a_loss_that_is_not_finite_keeps_the_last_good_weights(tmp_path: Path) -> None:
    said = r"update 3 went wrong: loss = nan not finite\. The best weights until then"
    with pytest.raises(RunError, match=said):
        trained(tmp_path, 9, trainer=Nudge(spoilt=3))
    assert weights.load(Dispatching(weights=str(tmp_path / "w.safetensors")))
    assert [row["update"] for row in rows(tmp_path / "w.csv")] == ["0", "1", "2"]


def test_weights_that_are_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: Any, draw: Any, collect: Any, rng: Any) -> dict[str, float]:
        with torch.no_grad():
            self.network.body[0].bias[0] = math.nan
        return {"loss": 0.0}

    monkeypatch.setattr(Nudging, "update", spoil)
    with pytest.raises(RunError, match=r"the weights in body\.0\.bias not finite"):
        trained(tmp_path)
    assert weights.load(Dispatching(weights=str(tmp_path / "w.safetensors")))


def test_an_episode_that_fails_names_itself_and_the_rest_stays(tmp_path: Path) -> None:
    bad = TRAINING_SEEDS + 9
    out = tmp_path / "w.safetensors"
    with pytest.raises(RunError, match=f"seed {bad}: ValueError"):
        train(Failing(seeds=(bad,)), [small()], out=out, updates=9, **FEW)
    assert [row["update"] for row in rows(tmp_path / "w.csv")] == ["0", "1", "2"]
    found = train(Failing(seeds=(bad,)), [small()], out=out, updates=2, resume=True, **FEW)
    assert found.updates == 2


def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path, 2)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.safetensors")}

    def full(part: Path, data: bytes) -> int:
        if part.name.startswith(".w.checkpoint"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(part, data)

    original = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"w\.checkpoint\.safetensors: No space left on device"):
        trained(tmp_path, 4, resume=True)
    monkeypatch.undo()
    assert set(before) == set(tmp_path.glob("*.safetensors"))
    assert (
        before[tmp_path / "w.checkpoint.safetensors"]
        == (tmp_path / "w.checkpoint.safetensors").read_bytes()
    )
    assert trained(tmp_path, 4, resume=True).updates == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="no permission"):
        trained(tmp_path)
    tmp_path.chmod(0o700)


def test_what_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="say how long to train"):
        train(Dispatching(), [small()], out=tmp_path / "w.safetensors")
    for options, said in (
        ({"seconds": 0}, "a training of 0 seconds is none"),
        ({"seconds": math.nan}, "a training of nan seconds"),
        ({"updates": 0}, "a training of 0 updates"),
        ({"out": tmp_path / "w.pt"}, r"let its name end with \.safetensors"),
        ({"out": tmp_path / "no" / "w.safetensors"}, "the folder .* does not exist"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"validation_episodes": 0}, "validation episodes must be at least 1"),
        ({"device": "abacus"}, "PyTorch cannot use the device 'abacus'"),
        ({"seed": -1}, "a seed is an integer"),
        ({"seed": 2**127}, "a seed is an integer"),
    ):
        with pytest.raises(UserError, match=said):
            trained(tmp_path, **{"updates": 1, **options})
    with pytest.raises(UnknownName, match="unknown trainer 'pppo': did you mean 'ppo'"):
        trained(tmp_path, trainer="pppo")
    with pytest.raises(UserError, match="nothing to learn from"):
        train(Dispatching(), [], out=tmp_path / "w.safetensors", updates=1)
    other = SingleMachine(jobs=(SingleJob(name="a", duration=1),))
    with pytest.raises(NotApplicable, match="made for shop/job-shop"):
        train(Dispatching(), [other], out=tmp_path / "w.safetensors", updates=1)
    assert list(tmp_path.iterdir()) == []


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    trained(tmp_path, 2, tensorboard=tmp_path / "board")
    events = list((tmp_path / "board").iterdir())
    assert len(events) == 1
    assert b"validation" in events[0].read_bytes()


def test_the_stored_time_between_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where validation is rare, checkpoints are written all the same."""
    monkeypatch.setattr(loop, "VALIDATIONS", 1)
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    with pytest.raises(RunError):
        trained(tmp_path, 9, trainer=Nudge(spoilt=5))
    assert [row["validation"] != "" for row in rows(tmp_path / "w.csv")] == [True] + [False] * 4
    assert trained(tmp_path, 4, trainer=Nudge(spoilt=5), resume=True).updates == 4


def interrupting(at: int, times: int = 1) -> Any:
    """Presses Ctrl-C after so many updates."""

    def press(status: Status) -> None:
        if status.update == at:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return press


def test_ctrl_c_keeps_everything(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    found = trained(tmp_path, 6, progress=interrupting(2))
    assert found.interrupted
    assert found.updates == 2
    assert signal.getsignal(signal.SIGINT) is before
    both = trained(tmp_path, 6, resume=True)
    assert not both.interrupted
    whole = trained(tmp_path, 6, out=tmp_path / "whole.safetensors")
    assert weights_in(both.checkpoint) == weights_in(whole.checkpoint)
    assert weights_in(both.weights) == weights_in(whole.weights)


def test_ctrl_c_within_an_update_undoes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Nudging.update

    def update(self: Any, draw: Any, collect: Any, rng: Any) -> dict[str, float]:
        if self.done == 3 and not pressed:
            pressed.append(True)
            draw(2), rng.random(5), torch.rand(3)
            signal.raise_signal(signal.SIGINT)
        return original(self, draw, collect, rng)

    pressed: list[bool] = []
    monkeypatch.setattr(Nudging, "update", update)
    found = trained(tmp_path, 6)
    assert (found.interrupted, found.updates, found.episodes) == (True, 3, 12)
    both = trained(tmp_path, 6, resume=True)
    whole = trained(tmp_path, 6, out=tmp_path / "whole.safetensors")
    assert weights_in(both.checkpoint) == weights_in(whole.checkpoint)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_ctrl_c_within_a_validation_does_it_again(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "VALIDATIONS", 2)
    calls: list[Any] = []

    def evaluate(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == at:
            signal.raise_signal(signal.SIGINT)
        return original(*given)

    original = workers.evaluate
    monkeypatch.setattr(workers, "evaluate", evaluate)
    if at == 1:  # there is nothing to keep yet
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path, 6)
        assert not list(tmp_path.glob("*.safetensors"))
    else:
        found = trained(tmp_path, 6)
        assert (found.interrupted, found.updates) == (True, [3, 6][at - 2])
        assert len(rows(found.curve)) == found.updates  # the row of the last update is owed
    both = trained(tmp_path, 6, resume=True)
    whole = trained(tmp_path, 6, out=tmp_path / "whole.safetensors")
    assert weights_in(both.checkpoint) == weights_in(whole.checkpoint)
    assert weights_in(both.weights) == weights_in(whole.weights)
    assert both.best_update == whole.best_update
    for mine, other in zip(rows(both.curve), rows(whole.curve), strict=True):
        assert mine | {"seconds": ""} == other | {"seconds": ""}
    assert [bool(row["validation"]) for row in rows(both.curve)] == [
        update in (0, 3, 6) for update in range(7)
    ]


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    found = trained(tmp_path, 6, progress=interrupting(2, times=2))
    assert found.interrupted
    both = trained(tmp_path, 6, resume=True)
    whole = trained(tmp_path, 6, out=tmp_path / "whole.safetensors")
    assert weights_in(both.checkpoint) == weights_in(whole.checkpoint)


def test_training_in_a_thread(tmp_path: Path) -> None:
    """Where there are no signals to be had."""
    found: list[Trained] = []
    thread = threading.Thread(target=lambda: found.append(trained(tmp_path, 2)))
    thread.start()
    thread.join(60)
    assert found[0].updates == 2


SCRIPT = """\
import sys
from hocket.learn.loop import train
from hocket.shop.model.single import SingleJob, SingleMachine
from tests.learn.dispatching import Dispatching, small

def told(status):
    print(status.update, flush=True)

if __name__ == "__main__":
    found = train(
        Dispatching(), [small(6, 5)], out=sys.argv[1], updates=int(sys.argv[2]), resume=True,
        progress=told,
    )
    print("interrupted" if found.interrupted else "done")
"""


STOPS = {"ctrl-c": signal.SIGINT, "asked to end": signal.SIGTERM, "killed": signal.SIGKILL}


@pytest.mark.parametrize("how", STOPS.values(), ids=STOPS)
def test_a_process_that_was_stopped_anywhere(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(script), str(tmp_path / "w.safetensors")]
    stopped = subprocess.Popen(
        [*command, "100000"], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert stopped.stdout is not None
    for line in stopped.stdout:
        if int(line) >= 4:
            break
    stopped.send_signal(how)
    rest = stopped.communicate(timeout=60)[0].split()
    if how != signal.SIGKILL:
        assert stopped.returncode == 0
        assert rest[-1] == "interrupted"
    arrays, _ = tensorfile.read(tmp_path / "w.checkpoint.safetensors")
    assert arrays
    reached = rows(tmp_path / "w.csv")
    updates = max(int(row["update"]) for row in reached) + 3
    both = train(
        Dispatching(), [small(6, 5)], out=tmp_path / "w.safetensors", updates=updates, resume=True
    )
    whole = train(Dispatching(), [small(6, 5)], out=tmp_path / "v.safetensors", updates=updates)
    assert both.updates == whole.updates == updates
    assert weights_in(both.checkpoint) == weights_in(whole.checkpoint)
    assert [row["update"] for row in rows(both.curve)] == [str(i) for i in range(updates + 1)]

"""What goes wrong in training and with weights: one clear message, no traceback, nothing lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from hocket.cli import main
from hocket.core.errors import RunError, UserError
from hocket.learn import tensorfile
from hocket.learn.batch import join, question
from hocket.learn.claim import claimed
from hocket.learn.curve import Curve
from hocket.learn.loop import train
from tests.learn.dispatching import Dispatching, small

FILE = '''
"""A policy of somebody who is still learning."""
from typing import ClassVar
import numpy as np
from torch import nn
from hocket.learn.asking import Learned, Question
from hocket.learn.batch import question
from hocket.learn.network import Network, Scores
from hocket.learn.trainers.reinforce import Reinforce
from hocket.shop.dispatch import Start

class Net(Network):
    def __init__(self, how):
        super().__init__()
        self.how = how
        self.line = nn.Linear(5 if how == "features" else 3, 1)

    def forward(self, batch):
        scores = self.line(batch.tables["other" if self.how == "table" else "operations"])[:, 0]
        return scores if self.how == "no scores" else Scores(scores)

class Mine(Learned, frozen=True):
    """Fails as it is told to."""
    name: ClassVar[str] = "shop/mine"
    problems: ClassVar[tuple[str, ...]] = ("shop/job-shop",)
    how: str = ""

    def decider(self, scenario, streams, choose):
        return Decider(self.how, choose)

    def network(self):
        if self.how == "no network":
            raise ValueError("no network today")
        return Net(self.how)

    def trainer(self):
        return Reinforce(episodes=4)

class Decider:
    def __init__(self, how, choose):
        self.how, self.choose, self.turn = how, choose, 0

    def dispatch(self, view):
        self.turn += 1
        width = 4 if self.how == "columns" and self.turn == 4 else 3
        rows = np.ones((len(view.candidates), width))
        row = self.choose(Question(question({"operations": rows}, "operations"), view.now))
        return Start(view.candidates[row])
'''

BUGS = {
    "features": "mat1 and mat2 shapes cannot be multiplied",
    "table": "KeyError inside the policy or simulator (mine.py, line 19): 'other'",
    "no scores": "too many values to unpack",
    "no network": "ValueError inside the policy or simulator (mine.py, line 33): no network today",
    "columns": "one has operations of 3, another operations of 4",
}


@pytest.mark.parametrize("how", BUGS)
def test_bugs_of_a_policy_are_one_sentence(
    how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    command = ["train", str(path), "--set", f"how={how}", "--updates", "1"]
    command += ["--generate", "shop/taillard(jobs=4, machines=3)"]
    assert main([*command, "--out", str(tmp_path / "w.safetensors")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("hocket: ")
    assert "Traceback" not in told
    assert BUGS[how] in told


def test_questions_of_different_tables_cannot_be_joined() -> None:
    one = question({"a": [[1.0]], "b": [[2.0]]}, "a")
    with pytest.raises(RunError, match="one has a of 1, another a of 1, b of 1"):
        join([one, question({"a": [[1.0]]}, "a")])


@pytest.mark.parametrize("how", ["missing", "surplus", "shape"])
@pytest.mark.parametrize("policy", ["deepsocs", "neural"])
def test_weights_that_do_not_fit_are_told_in_a_line(
    policy: str, how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import hocket.taskgraph

    folder = Path(hocket.taskgraph.__file__).parent / "weights"
    arrays, header = tensorfile.read(folder / f"{policy}.safetensors")
    name = min(arrays)
    if how == "missing":
        del arrays[name]
    elif how == "surplus":
        arrays["more"] = np.zeros(3, np.float32)
    else:
        arrays[name] = np.zeros((2, 2, 2), np.float32)
    path = tensorfile.write(tmp_path / "w.safetensors", arrays, header)
    command = ["run", "taskgraph/canonical", "--policy", f"taskgraph/{policy}"]
    assert main([*command, "--set", f"weights={path}"]) == 2
    told = capsys.readouterr().err
    assert "these weights do not fit" in told
    assert ("more" if how == "surplus" else name) in told
    assert len(told) < 300


@pytest.mark.parametrize("content", [b"\xb3\x00\xff", b"", b"hello\n"])
def test_a_curve_that_is_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is no training curve; move it away"):
        Curve(path, keep=3)
    assert path.read_bytes() == content


def test_a_curve_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "w.csv").mkdir()
    with pytest.raises(UserError, match="cannot read"):
        Curve(tmp_path / "w.csv", keep=3)


def test_two_trainings_do_not_write_to_one_place(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    out = tmp_path / "w.safetensors"
    with claimed(out):
        with pytest.raises(UserError, match=r"another training writes to .*w\.safetensors now"):
            train(Dispatching(), [small()], out=out, updates=1)
        with claimed(tmp_path / "v.safetensors"):
            pass
    assert list(tmp_path.iterdir()) == []
    train(Dispatching(), [small()], out=out, updates=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "w.checkpoint.safetensors",
        "w.csv",
        "w.safetensors",
    ]


def test_resuming_what_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(FILE)
    command = ["train", str(tmp_path / "mine.py"), "--updates", "1", "--resume"]
    command += ["--generate", "shop/taillard(jobs=3, machines=2)"]
    command += ["--out", str(tmp_path / "w.safetensors")]
    assert main(command) == 0
    assert "there is no checkpoint" in capsys.readouterr().err
    assert main([*command[:3], "2", *command[4:]]) == 0
    assert "there is no checkpoint" not in capsys.readouterr().err

"""``hocket train``: a policy of one's own in one file, trained and run."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import hocket
from hocket.cli import main
from hocket.cli.train import seconds_of
from hocket.core.errors import UserError
from tests.cli.samples import SHOP, write
from tests.cli.test_bad_input import refused

OWN = '''\
"""A dispatching rule that learns."""

from typing import ClassVar

import numpy as np

from hocket.learn.asking import Learned, Question
from hocket.learn.batch import question
from hocket.shop.dispatch import Start


class Own(Learned, frozen=True):
    """Weighs durations against remaining work."""

    name: ClassVar[str] = "shop/own"
    problems: ClassVar[tuple[str, ...]] = ("shop/job-shop",)
    width: int = 4

    def decider(self, scenario, streams, choose):
        return Decider(choose)

    def network(self):
        import torch
        from torch import nn

        from hocket.learn.network import Network, Scores

        class Net(Network):
            def __init__(self, width):
                super().__init__()
                self.body = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 1))

            def forward(self, batch):
                return Scores(self.body(batch.tables["operations"]).squeeze(1))

        return Net(self.width)

    def trainer(self):
        from hocket.learn.trainers import TRAINERS

        return TRAINERS["reinforce"](episodes=4)


class Decider:
    def __init__(self, choose):
        self.choose = choose

    def dispatch(self, view):
        op = np.array(view.candidates)
        table = np.stack([view.duration[op], view.remaining_work[op]], 1) / 100
        asked = Question(question({"operations": table}, "operations"), view.now)
        return Start(view.candidates[self.choose(asked)])
'''
GENERATOR = "shop/taillard(jobs=4, machines=3)"


@pytest.fixture
def own(tmp_path: Path) -> str:
    pytest.importorskip("torch")
    pytest.importorskip("greenlet")
    return write(tmp_path, OWN, "own.py")


def arguments(own: str, *more: str) -> list[str]:
    out = str(Path(own).with_name("F.safetensors"))
    return ["train", own, "--out", out, "--validation-episodes", "2", *more]


def asked(capsys: pytest.CaptureFixture[str], *given: str, code: int = 0) -> Any:
    assert main([*given, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_train_and_run(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, *arguments(own, "--generate", GENERATOR, "--updates", "2"))
    assert (found["updates"], found["episodes"], found["interrupted"]) == (2, 8, False)
    assert found["policy"] == {"policy": "shop/own", "weights": found["weights"], "width": 4}
    for key in ("weights", "curve", "checkpoint"):
        assert Path(found[key]).is_file()
    done = asked(
        capsys, "run", "shop/ta01", "--policy", own, "--set", f"weights={found['weights']}"
    )
    assert done["metrics"]["makespan"] > 1231


def test_what_is_said(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(own, "--scenario", "shop/ta01", "--updates", "1")) == 0
    captured = capsys.readouterr()
    assert "shop/own, trained" in captured.out
    weights = Path(own).with_name("F.safetensors")
    assert f"wrote {weights}" in captured.err
    assert f"to run it: hocket run SCENARIO --policy {own} --set weights={weights}" in captured.err


def test_settings_reach_policy_and_trainer(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--generate", GENERATOR, "--updates", "1", "--set", "width=3"]
    more += ["--trainer", "reinforce", "--trainer-set", "episodes=6"]
    found = asked(capsys, *arguments(own, *more))
    assert found["policy"]["width"] == 3
    assert found["episodes"] == 6
    more[-3:] = ["reinforce", "--trainer-set", "episodes=0"]
    assert "episodes" in refused(capsys, *arguments(own, *more))


def test_resume(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--generate", GENERATOR, "--budget", "5min", "--resume"]
    asked(capsys, *arguments(own, *more, "--updates", "1"))
    assert asked(capsys, *arguments(own, *more, "--updates", "3"))["episodes"] == 12
    message = refused(capsys, *arguments(own, *more, "--updates", "4", "--seed", "9"))
    assert "seed: was 0, is 9" in message


def test_interrupted(
    own: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(status: Any) -> str:
        signal.raise_signal(signal.SIGINT)
        return ""

    monkeypatch.setattr("hocket.cli.train._line", press)
    given = arguments(own, "--generate", GENERATOR, "--updates", "5")
    assert main(given) == 130
    captured = capsys.readouterr()
    assert "go on with --resume" in captured.err
    monkeypatch.undo()
    assert asked(capsys, *given, "--resume")["updates"] == 5


def test_a_policy_in_a_file_reaches_workers(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = arguments(own, "--generate", GENERATOR, "--updates", "1", "--workers", "2")
    text = Path(own).read_text()
    head, _, rest = text.partition("        class Net(Network)")
    body, _, tail = rest.partition("        return Net")
    module = "\n\nfrom torch import nn\nfrom hocket.learn.network import Network, Scores\n\n\n"
    moved = "\n".join(line[8:] for line in f"        class Net(Network){body}".splitlines())
    Path(own).write_text(f"{head}        return Net{tail}{module}{moved}\n")
    assert asked(capsys, *given)["updates"] == 1


def test_what_users_get_wrong(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--generate", GENERATOR, "--updates", "1"]
    folder = Path(own).parent
    for given, said in (
        (["train"], "requires an argument"),
        (["train", own, "--updates", "1", *more[:2]], "--out"),
        (["train", "shop/spt", "--out", "F.safetensors", *more], "shop/spt does not learn"),
        (["train", "shop/sptt", "--out", "F.safetensors", *more], "did you mean 'shop/spt'"),
        (arguments(own, *more[:2]), "--budget 10min, or --updates 100"),
        (arguments(own, "--updates", "1"), "--scenario FILE or --generate GENERATOR"),
        (arguments(own, *more, "--set", "wdth=3"), "did you mean 'width'"),
        (arguments(own, *more, "--trainer", "pop"), "unknown trainer 'pop': did you mean 'ppo'"),
        (arguments(own, *more, "--trainer-set", "lr=x"), "lr"),
        (arguments(own, *more, "--budget", "10"), "--budget '10' is no length of time"),
        (arguments(own, *more[2:], "--generate", "shop/taylor"), "unknown generator"),
        (arguments(own, *more[2:], "--generate", "shop/taillard(jobs=0)"), "jobs"),
        (arguments(own, *more[2:], "--generate", "shop/taillard(jobs=3"), "no closing bracket"),
        (arguments(own, *more[2:], "--scenario", "shop/tb01"), "did you mean 'ta01'"),
        (["train", own, "--out", "no/F.safetensors", *more], "folder no does not exist"),
        (["train", own, "--out", str(folder / "F.pt"), *more], "let its name end with"),
        (arguments(own, *more, "--workers", "0"), "workers must be at least 1"),
    ):
        assert said in refused(capsys, *given), given
    assert [path.name for path in folder.glob("*.safetensors")] == []


def test_without_pytorch_the_message_says_how_to_install_it(
    own: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    given = arguments(own, "--generate", GENERATOR, "--updates", "1")
    assert "pip install 'hocket[learn]'" in refused(capsys, *given)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10min", 600), ("2h", 7200), ("1h 30min", 5400), ("1.5 h", 5400), ("0.5s", 0.5)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "ten minutes", "10m", "0s", "-5min", "5min x", "nan s"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UserError, match="write 90s, 10min, 2h"):
        seconds_of(text)


def test_train_in_python(own: str, tmp_path: Path) -> None:
    scenario = write(tmp_path, SHOP)
    found = hocket.train(
        own,
        [scenario, GENERATOR, hocket.load("shop/ta01")],
        out=tmp_path / "P.safetensors",
        updates=1,
        validation_episodes=2,
        validate=["shop/taillard"],
    )
    assert found.updates == 1
    assert hocket.run(scenario, found.policy).metrics["makespan"] >= 12

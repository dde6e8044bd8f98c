"""A training that was stopped goes on as if it had not been."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hocket.core.errors import InputError, UserError
from hocket.learn import tensorfile
from hocket.learn.asking import Episode
from hocket.learn.batch import Batch
from tests.learn.dispatching import Dispatching, episodes, small

torch = pytest.importorskip("torch")

from hocket.learn import checkpoint  # noqa: E402
from hocket.learn.checkpoint import Checkpoint  # noqa: E402
from hocket.learn.loop import train  # noqa: E402
from hocket.learn.trainers import TRAINERS  # noqa: E402
from tests.learn.networks import Nudge, Scorer  # noqa: E402

STATE = {
    "number": 3,
    "share": 0.1,
    "large": 2**127 + 1,
    "text": "ü",
    "none": None,
    "yes": True,
    "lists": [1, 2.5, [3]],
    "pair": (0.9, 0.999),
    "by number": {0: {"step": torch.tensor(3.0)}, 1: {}},
    "empty": torch.zeros(0, 3),
    "strided": torch.arange(6.0).reshape(2, 3).T,
    "bytes": torch.arange(4, dtype=torch.uint8),
    "array": np.arange(3),
    "flags": np.array([True, False]),
    "single": np.float64(0.1),
    "doubles": np.array([0.1, np.nan, np.inf]),
    "infinite": float("inf"),
}


def of(learner: dict[str, Any], **settings: Any) -> Checkpoint:
    return Checkpoint(
        settings=settings,
        weights=dict(Scorer().state_dict()),
        learner=learner,
        generator=dict(np.random.default_rng(0).bit_generator.state),
        torch={"cpu": torch.get_rng_state()},
        counters={"updates": 3},
    )


def equal(one: Any, two: Any) -> bool:
    """Whether two states are the same, types and all."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return list(one) == list(two) and all(equal(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(equal(a, b) for a, b in zip(one, two, strict=True))
    if isinstance(one, torch.Tensor):
        return one.dtype == two.dtype and torch.equal(one, two)
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype == float)
    return bool(one == two)


def test_everything_comes_back_as_it_was(tmp_path: Path) -> None:
    saved = of(STATE, seed=1, trainer={"lr": 0.1})
    path = checkpoint.save(tmp_path / "c.safetensors", saved)
    found = checkpoint.load(path, {"seed": 1, "trainer": {"lr": 0.1}})
    assert equal(found.learner, STATE | {"single": 0.1})  # NumPy's number is a number
    for name in ("settings", "weights", "generator", "torch", "counters"):
        assert equal(getattr(found, name), getattr(saved, name)), name


def test_what_was_loaded_can_be_written_to(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path / "c.safetensors", of(STATE))
    found = checkpoint.load(path, {})
    found.learner["array"][0] = 7
    found.learner["bytes"] += 1
    assert checkpoint.load(path, {}).learner["array"][0] == 0


@pytest.mark.parametrize("bad", [{1, 2}, object(), np.array(["a"]), {1.5: 2}])
def test_a_state_that_cannot_be_saved(bad: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"learner\.memory\.x cannot be saved"):
        checkpoint.save(tmp_path / "c.safetensors", of({"memory": {"x": bad}}))
    assert list(tmp_path.iterdir()) == []


def test_other_settings_are_told(tmp_path: Path) -> None:
    path = checkpoint.save(
        tmp_path / "c.safetensors",
        of({}, seed=1, trainer={"trainer": "ppo", "lr": 0.1}, scenarios=[{"digest": "a"}]),
    )
    with pytest.raises(UserError) as caught:
        checkpoint.load(
            path,
            {"seed": 2, "trainer": {"trainer": "ppo", "lr": 0.2, "clip": 1}, "scenarios": []},
        )
    said = str(caught.value)
    assert "seed: was 1, is 2" in said
    assert "trainer.lr: was 0.1, is 0.2" in said
    assert "trainer.clip: was absent, is 1" in said
    assert 'scenarios: was [{"digest": "a"}], is []' in said
    assert "ppo" not in said


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({}, "is no checkpoint"),
        ({"hocket": "{}"}, "is no checkpoint"),
        ({"hocket checkpoint": "{"}, "is damaged"),
        ({"hocket checkpoint": "[]"}, "is damaged"),
        ({"hocket checkpoint": '{"format": 99}'}, "of format 99"),
        ({"hocket checkpoint": '{"format": 1, "tree": {}}'}, "is damaged"),
        (
            {
                "hocket checkpoint": json.dumps(
                    {
                        "format": 1,
                        "tree": {name: {"tensor": "x"} for name in Checkpoint.__struct_fields__},
                    }
                )
            },
            "is damaged",
        ),
    ],
)
def test_other_files(header: dict[str, str], said: str, tmp_path: Path) -> None:
    path = tensorfile.write(tmp_path / "c.safetensors", {"a": np.zeros(1)}, header)
    with pytest.raises(InputError, match=said):
        checkpoint.load(path, {})


def test_a_truncated_checkpoint(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path / "c.safetensors", of(STATE))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="damaged"):
        checkpoint.load(path, {})


def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint.save(tmp_path / "c.safetensors", of({"done": 1}))

    def full(part: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space left"):
        checkpoint.save(path, of({"done": 2}))
    monkeypatch.undo()
    assert checkpoint.load(path, {}).learner == {"done": 1}
    assert list(tmp_path.iterdir()) == [path]


class Schooled(Dispatching, frozen=True):
    """Knows the shortest operation."""

    name = "shop/schooled"

    def teacher(self, episode: Episode) -> Callable[..., int]:
        def shortest(asked: Any) -> int:
            batch: Batch = asked.batch
            return int(batch.tables["operations"][:, 0].argmin())

        return shortest


def small_trainer(name: str) -> Any:
    """A trainer with little work in an update."""
    wanted = {"episodes": 2, "samples": 3, "learning_rate": 0.01}
    kind = TRAINERS[name]
    return kind(**{key: value for key, value in wanted.items() if key in kind.__struct_fields__})


def last(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a checkpoint holds, without the clock's readings."""
    arrays, text = tensorfile.read(folder / f"{name}.checkpoint.safetensors")
    tree = json.loads(text["hocket checkpoint"])["tree"]
    counters = dict(tree.pop("counters")["dict"])
    return arrays, tree | {"counters": {k: v for k, v in counters.items() if k not in CLOCK}}


CLOCK = ("seconds", "validating", "validated_at")


@pytest.mark.parametrize("trainer", [Nudge(), *sorted(TRAINERS)], ids=str)
def test_resumed_training_is_the_same_in_every_bit(trainer: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "trainer": trainer if isinstance(trainer, Nudge) else small_trainer(trainer),
        "seed": 5,
        "validation_episodes": 2,
    }
    sources = [small(), small(jobs=3).make(8)]
    whole = train(Schooled(), sources, out=tmp_path / "a.safetensors", updates=6, **settings)
    part = train(Schooled(), sources, out=tmp_path / "b.safetensors", updates=3, **settings)
    torch.rand(7)  # what others draw meanwhile is nothing to it
    both = train(
        Schooled(), sources, out=tmp_path / "b.safetensors", updates=6, resume=True, **settings
    )
    assert (part.updates, both.updates, whole.updates) == (3, 6, 6)
    assert (both.cost, both.best_update) == (whole.cost, whole.best_update)
    assert both.episodes == whole.episodes
    (arrays, tree), (expected, expected_tree) = last(tmp_path, "b"), last(tmp_path, "a")
    assert arrays.keys() == expected.keys()
    assert any(name.startswith("learner.") for name in arrays)
    for name, array in expected.items():
        assert array.tobytes() == arrays[name].tobytes(), name
    assert tree == expected_tree
    best = [tensorfile.read(tmp_path / f"{name}.safetensors")[0] for name in "ab"]
    assert all(best[0][name].tobytes() == best[1][name].tobytes() for name in best[0])


def test_training_changes_the_weights(tmp_path: Path) -> None:
    """Or the comparison above would compare nothing."""
    for updates, name in ((1, "a"), (2, "b")):
        train(Dispatching(), [small()], out=tmp_path / f"{name}.safetensors", updates=updates)
    one, two = last(tmp_path, "a")[0], last(tmp_path, "b")[0]
    assert all((one[f"weights.{n}"] != two[f"weights.{n}"]).any() for n in Scorer().state_dict())
    assert episodes(1)[0].seed == 0

"""Weights as files: the right ones, or a clear error."""

from __future__ import annotations

import errno
import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from hocket.core.errors import InputError, UserError
from hocket.learn import tensorfile, weights
from tests.learn.dispatching import Dispatching

SHAPES = {
    "body.0.weight": (8, 3),
    "body.0.bias": (8,),
    "body.2.weight": (1, 8),
    "body.2.bias": (1,),
}


def some(seed: int = 0) -> weights.Weights:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def saved(folder: Path, policy: Any = None, **options: Any) -> Path:
    policy = policy or Dispatching()
    return weights.save(folder / "w.safetensors", some(), weights.metadata(policy), **options)


def refused(path: Path, policy: Any = None) -> str:
    """What loading this file says; it must be one clear error that names the file."""
    policy = policy or Dispatching(weights=str(path))
    with pytest.raises(InputError) as caught:
        weights.load(policy)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = saved(tmp_path)
    found = weights.load(Dispatching(weights=str(path)))
    assert list(found) == sorted(SHAPES)
    for name, array in some().items():
        assert found[name].dtype == np.float32
        assert np.array_equal(found[name], array)
        with pytest.raises(ValueError, match="read-only"):
            found[name][...] = 0


def test_a_loaded_dict_is_the_callers_own(tmp_path: Path) -> None:
    policy = Dispatching(weights=str(saved(tmp_path)))
    weights.load(policy).clear()
    assert weights.load(policy)


def test_a_file_is_read_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = Dispatching(weights=str(saved(tmp_path)))
    first = weights.load(policy)
    assert weights.load(policy)["body.0.bias"] is first["body.0.bias"]
    weights.save(policy.weights, some(1), weights.metadata(policy))
    assert np.array_equal(weights.load(policy)["body.0.bias"], some(1)["body.0.bias"])


def test_half_precision_is_half_as_large_and_read_as_float32(tmp_path: Path) -> None:
    whole = saved(tmp_path).stat().st_size
    path = saved(tmp_path, half=True)
    assert whole - path.stat().st_size == 2 * sum(int(np.prod(s)) for s in SHAPES.values())
    for name, array in weights.load(Dispatching(weights=str(path))).items():
        assert array.dtype == np.float32
        assert np.array_equal(array, some()[name].astype(np.float16).astype(np.float32))


def test_the_header_says_what_they_are(tmp_path: Path) -> None:
    told = weights.metadata(Dispatching(weights="x", greed=2.0), updates=7, command="hocket train")
    path = weights.save(tmp_path / "w.safetensors", some(), told)
    _, read = weights.read(path)
    assert read == told
    assert read.fields == {"width": 8}
    assert read.training == {"updates": 7, "command": "hocket train"}
    assert read.format == weights.FORMAT


def test_free_fields_do_not_matter_and_others_do(tmp_path: Path) -> None:
    path = str(saved(tmp_path))
    assert weights.load(Dispatching(weights=path, greed=5.0))
    said = refused(Path(path), Dispatching(weights=path, width=16))
    assert "for another shop/dispatching: width is 16 here, and was 8 in training" in said


class Other(Dispatching, frozen=True):
    name: ClassVar[str] = "shop/other"
    depth: int = 1


def test_weights_of_another_policy(tmp_path: Path) -> None:
    path = saved(tmp_path)
    said = refused(path, Other(weights=str(path)))
    assert "these weights are for shop/dispatching, not for shop/other" in said


def test_a_field_that_was_not_there_yet(tmp_path: Path) -> None:
    told = weights.Metadata(policy="shop/other", fields={"width": 8})
    path = weights.save(tmp_path / "w.safetensors", some(), told)
    assert "depth is 1 here, and was unknown in training" in refused(path, Other(weights=str(path)))


def test_another_format(tmp_path: Path) -> None:
    told = weights.Metadata(policy="shop/dispatching", fields={"width": 8}, format=99)
    path = weights.save(tmp_path / "w.safetensors", some(), told)
    assert "of format 99, and this hocket reads format 1" in refused(path)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({}, "does not say which policy"),
        ({"hocket": "{"}, "its header is damaged"),
        ({"hocket": "[]"}, "its header is damaged"),
        ({"hocket": '{"format": 1}'}, "its header is damaged"),
        ({"hocket": '{"format": null}'}, "of format None"),
    ],
)
def test_headers_of_others(header: dict[str, str], said: str, tmp_path: Path) -> None:
    path = tensorfile.write(tmp_path / "w.safetensors", some(), header)
    assert said in refused(path)


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("evil",)


def header_of(length: int, text: bytes) -> bytes:
    return struct.pack("<Q", length) + text


HOSTILE = {
    "empty": b"",
    "three bytes": b"abc",
    "a pickle": pickle.dumps(Evil()),
    "a torch file": b"PK\x03\x04" + bytes(200),
    "a huge header": header_of(2**62, b"{" * 100),
    "a header longer than the file": header_of(500, b"{}" + b" " * 100),
    "no JSON": header_of(8, b"not JSON"),
    "no UTF-8": header_of(4, b"\xff\xfe\xff\xfe"),
    "an array past the end": header_of(
        56, b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'.ljust(56)
    ),
    "numbers of no type": header_of(
        56, b'{"a":{"dtype":"X99","shape":[1],"data_offsets":[0,1]}} '.ljust(56)[:56]
    ) + b"\0",
    "noise": np.random.default_rng(0).bytes(5000),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.safetensors"
    path.write_bytes(HOSTILE[name])
    said = refused(path)
    assert "safetensors" in said
    assert ("pickle" in said) == (name in ("a pickle", "a torch file"))
    assert not Path("evil").exists()


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_a_truncated_file(kept: float, tmp_path: Path) -> None:
    path = saved(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert "damaged" in refused(path)


def test_a_brain_float(tmp_path: Path) -> None:
    head = json.dumps({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"\0\0")
    refused(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert "there is no such file" in refused(tmp_path / "none.safetensors")
    assert "it is a folder" in refused(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(value: float, tmp_path: Path) -> None:
    bad = some() | {"body.2.bias": np.array([value], np.float32)}
    with pytest.raises(UserError, match=r"weights in body\.2\.bias are NaN or infinite"):
        weights.save(tmp_path / "w.safetensors", bad, weights.metadata(Dispatching()))
    header = json.loads(json.dumps({"policy": "shop/dispatching", "fields": {"width": 8}}))
    text = {"hocket": json.dumps(header | {"format": 1})}
    path = tensorfile.write(tmp_path / "w.safetensors", bad, text)
    assert "body.2.bias holds NaN or infinite weights" in refused(path)


def test_weights_too_large_for_half_precision(tmp_path: Path) -> None:
    large = some() | {"body.2.bias": np.array([1e6], np.float32)}
    with pytest.raises(UserError, match="too large for float16"):
        weights.save(tmp_path / "w.safetensors", large, weights.metadata(Dispatching()), half=True)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_whole_numbers(tmp_path: Path) -> None:
    text = {"hocket": '{"policy": "shop/dispatching", "fields": {"width": 8}, "format": 1}'}
    path = tensorfile.write(tmp_path / "w.safetensors", {"a": np.arange(3)}, text)
    assert "a holds int64, no float16 or float32" in refused(path)


def test_a_policy_without_shipped_weights_says_how_to_get_some() -> None:
    with pytest.raises(UserError, match="hocket train shop/dispatching --scenario"):
        weights.load(Dispatching())


def test_shipped_weights_lie_in_the_domain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    source = saved(tmp_path)
    source.rename(tmp_path / "weights" / "dispatching.safetensors")
    asked = []

    def files(package: str) -> Path:
        asked.append(package)
        return tmp_path

    monkeypatch.setattr("importlib.resources.files", files)
    assert set(weights.load(Dispatching())) == set(SHAPES)
    assert asked == ["hocket.shop"]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path)
    before = path.read_bytes()

    def full(part: Path, data: bytes) -> int:
        with part.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"No space left on device; free the space"):
        weights.save(path, some(1), weights.metadata(Dispatching()))
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="no permission"):
        saved(tmp_path)
    tmp_path.chmod(0o700)


def test_another_suffix(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"let its name end with \.safetensors"):
        weights.save(tmp_path / "w.pt", some(), weights.metadata(Dispatching()))


def test_a_study_notices_that_the_weights_are_others(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from hocket.core.study import compare
    from tests.learn.dispatching import small

    policy = Dispatching(weights=str(saved(tmp_path)))
    shops = [small(8, 5).make(seed) for seed in range(6)]
    study: dict[str, Any] = {"study": tmp_path / "s.sqlite", "resume": True}

    def flow_times() -> list[float]:
        return [r.mean for r in compare(shops, [policy], **study).rows if "flow" in r.metric]

    before = flow_times()
    assert flow_times() == before
    weights.save(policy.weights, some(3), weights.metadata(policy))
    after = flow_times()
    assert after != before
    Path(study["study"]).unlink()
    assert flow_times() == after


def test_fit_is_all_or_nothing() -> None:
    torch = pytest.importorskip("torch")
    network = Dispatching().network()
    weights.fit(network, some())
    for name, array in weights.of(network).items():
        assert np.array_equal(array, some()[name])
    wrong = some(1)
    wrong["body.0.weight"] = np.zeros((9, 3), np.float32)
    wrong["extra"] = wrong.pop("body.2.bias")
    with pytest.raises(UserError) as caught:
        weights.fit(network, wrong)
    said = str(caught.value)
    assert "body.2.bias is missing" in said
    assert "extra is unknown to the network" in said
    assert "body.0.weight is 8x3 in the network and 9x3 in the weights" in said
    assert "The network is Scorer, 4 arrays with 41 numbers" in said
    assert "the weights are 4 arrays with 44 numbers" in said
    assert torch.equal(network.body[0].weight, torch.tensor(some()["body.0.weight"]))


def test_a_network_forgets_where_its_weights_came_from() -> None:
    pytest.importorskip("torch")
    network, given = Dispatching().network(), some()
    weights.fit(network, given)
    taken = weights.of(network)
    given["body.2.bias"][0] = 77
    assert float(network.body[2].bias.detach()) != 77
    taken["body.2.bias"][0] = 77
    assert float(network.body[2].bias.detach()) != 77


def test_a_policy_runs_with_weights_and_refuses_those_that_do_not_fit(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from hocket.core.run import run
    from tests.learn.dispatching import small

    path = str(saved(tmp_path))
    first = run(small().make(1), Dispatching(weights=path)).timeline.digest()
    assert run(small().make(1), Dispatching(weights=path)).timeline.digest() == first
    told = weights.Metadata(policy="shop/dispatching", fields={"width": 16})
    weights.save(path, some(), told)
    with pytest.raises(UserError, match="these weights do not fit"):
        run(small().make(1), Dispatching(weights=path, width=16))

"""A training in progress as one file, from which it goes on as if it had never stopped.

Arrays of any depth (weights, the optimiser's moments, the state of PyTorch's generator) are stored
as they are; all the rest is JSON in the header. On a CPU the resumed training is equal to the
uninterrupted one in every bit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from hocket.core.errors import InputError, UserError
from hocket.learn import tensorfile

if TYPE_CHECKING:
    import torch

    from hocket.learn.network import Network
    from hocket.learn.trainer import Learner

FORMAT = 1
_HEADER = "hocket checkpoint"


class Checkpoint(msgspec.Struct, kw_only=True):
    """What a training goes on from.

    - `settings`: what must be the same to go on: policy, trainer, seed, scenarios ...
    - `weights`: the network's ``state_dict``; `learner`: what `Learner.state` gave
    - `generator`: the state of the training's NumPy generator; `torch`: PyTorch's, by device
    - `counters`: updates, seconds and what else the loop counts
    """

    settings: dict[str, Any]
    weights: dict[str, Any]
    learner: dict[str, Any]
    generator: dict[str, Any]
    torch: dict[str, Any]
    counters: dict[str, Any]


def place(out: str | Path) -> Path:
    """Where the checkpoint of a training lies whose weights go to `out`: beside them."""
    return Path(out).with_suffix(f".checkpoint{tensorfile.SUFFIX}")


def save(path: str | Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint entirely or not at all.

    Raises UserError where it cannot be written, and for a learner's state that is not made of
    tensors, arrays, numbers and text.
    """
    arrays: tensorfile.Arrays = {}
    tree = {
        name: _packed(getattr(checkpoint, name), name, arrays)
        for name in checkpoint.__struct_fields__
    }
    text = json.dumps({"format": FORMAT, "tree": tree})
    return tensorfile.write(path, arrays, {_HEADER: text})


def load(path: str | Path, settings: dict[str, Any]) -> Checkpoint:
    """Read a checkpoint of a training with these settings.

    Raises InputError for a damaged or other file, and UserError that says what differs if it was
    written by a training with other settings.
    """
    arrays, text = tensorfile.read(path)
    source = str(path)
    if _HEADER not in text:
        raise InputError(source, ["is no checkpoint of a training"])
    try:
        header = json.loads(text[_HEADER])
        if header["format"] != FORMAT:
            raise InputError(
                source,
                [
                    f"is a checkpoint of format {header['format']!r}, and this hocket reads format "
                    f"{FORMAT}: train without --resume"
                ],
            )
        found = Checkpoint(
            **{
                name: _unpacked(header["tree"][name], arrays)
                for name in Checkpoint.__struct_fields__
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(source, [f"is damaged: {type(error).__name__}: {error}"]) from None
    _require_same(found.settings, settings, source)
    return found


def _require_same(old: dict[str, Any], new: dict[str, Any], source: str) -> None:
    other = [
        f"  {key}: was {_told(before)}, is {_told(now)}"
        for key, before, now in _differences(_plain(old), _plain(new))
    ]
    if other:
        raise UserError(
            f"{source} is of another training, which this one cannot go on from:\n"
            + "\n".join(other)
            + "\nGive the same settings, or begin anew without --resume"
        )


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _differences(old: Any, new: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in [*old, *(key for key in new if key not in old)]:
            inner = f"{path}.{key}" if path else str(key)
            found += _differences(old.get(key), new.get(key), inner)
        return found
    return [] if old == new else [(path, old, new)]


def _told(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def random_state(device: torch.device) -> dict[str, Any]:
    """The state of PyTorch's generators: the CPU's, and the device's own if it is another."""
    import torch

    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Put PyTorch's generators where they were. A device that was not there keeps its own state."""
    import torch

    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def restore(checkpoint: Checkpoint, learner: Learner, rng: np.random.Generator) -> None:
    """Put learner and generators where they were.

    Raises UserError for weights that do not fit, with nothing restored then.
    """
    from hocket.learn.weights import fit

    network: Network = learner.network
    fit(network, {name: weight.numpy() for name, weight in checkpoint.weights.items()})
    learner.restore(checkpoint.learner)
    rng.bit_generator.state = checkpoint.generator
    device = next(network.parameters()).device
    restore_random_state(checkpoint.torch, device)


def _packed(value: Any, path: str, arrays: tensorfile.Arrays) -> Any:
    """JSON that stands for `value`; its tensors and arrays go to `arrays` under their `path`."""
    import torch

    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return _packed(value.item(), path, arrays)
    if isinstance(value, dict):
        entries = [[k, _packed(v, f"{path}.{k}", arrays)] for k, v in value.items()]
        if all(isinstance(key, str | int) for key, _ in entries):
            return {"dict": entries}
    elif isinstance(value, list | tuple):
        items = [_packed(v, f"{path}.{i}", arrays) for i, v in enumerate(value)]
        return {type(value).__name__ if type(value) in (list, tuple) else "tuple": items}
    elif isinstance(value, torch.Tensor):
        arrays[path] = np.array(value.detach().cpu().numpy())
        return {"tensor": path}
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays[path] = np.array(value)
        return {"array": path}
    raise UserError(f"{path} cannot be saved: a {type(value).__name__} is no number, text or array")


def _unpacked(value: Any, arrays: tensorfile.Arrays) -> Any:
    import torch

    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "dict":
        return {key: _unpacked(v, arrays) for key, v in content}
    if kind in ("list", "tuple"):
        items = [_unpacked(v, arrays) for v in content]
        return items if kind == "list" else tuple(items)
    array = np.array(arrays[content])  # a copy, which may be written to
    return array if kind == "array" else torch.from_numpy(array)

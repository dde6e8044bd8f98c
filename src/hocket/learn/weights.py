"""Trained weights as files: loaded for the policy that they were trained for, or not at all.

The file's header says which policy and architecture the weights belong to, and how they were
trained. Weights are float32 once read; a file may hold them as float16 to be half as large.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from hocket.core import registry
from hocket.core.errors import InputError, UserError
from hocket.core.policy import spec
from hocket.learn import tensorfile
from hocket.learn.batch import Floats

if TYPE_CHECKING:
    from hocket.learn.asking import Learned
    from hocket.learn.network import Network

Weights = dict[str, Floats]
FORMAT = 1
_HEADER = "hocket"
_SHOWN = 5


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What the header of a weights file says.

    - `policy`: the policy's name, and `fields`: those of its fields that shape the network
    - `network`: the network's class, for readers
    - `training`: how they were made: command, scenarios, trainer, updates, seconds, cost
    - `format`: of the file; a reader refuses others
    """

    policy: str
    fields: dict[str, Any]
    network: str = ""
    training: dict[str, Any] = {}
    format: int = FORMAT


def metadata(policy: Learned, network: object = None, **training: Any) -> Metadata:
    """What to say of the weights of `policy`, or of its `network`."""
    named = "" if network is None else f"{type(network).__module__}:{type(network).__qualname__}"
    return Metadata(policy=policy.name, fields=shaping(policy), network=named, training=training)


def shaping(policy: Learned) -> dict[str, Any]:
    """The fields of a policy that its weights depend on, as plain data."""
    fields = spec(policy)
    return {name: fields[name] for name in sorted(fields) if name not in {"policy", *policy.free}}


def load(policy: Learned) -> Weights:
    """The weights of a policy: of the file that it names, or those that come with hocket.

    The arrays are read-only, and read from the file once. Raises UserError if none come with
    hocket, and InputError for a file that is damaged, of another kind, of another version, or made
    for another policy or architecture.
    """
    path = Path(policy.weights) if policy.weights else shipped(policy)
    if path.is_file():
        status = path.stat()
        found, told = _read(str(path.resolve()), status.st_mtime_ns, status.st_size)
    else:
        found, told = read(path)
    _require_made_for(policy, told, str(path))
    return dict(found)


def shipped(policy: Learned) -> Path:
    """The file of the weights that come with hocket. Raises UserError where none do."""
    head, _, tail = policy.name.partition("/")
    package = registry.domain(head).policies.rpartition(".")[0]
    path = Path(str(importlib.resources.files(package) / "weights" / f"{tail}.safetensors"))
    if not path.is_file():
        raise UserError(
            f"{policy.name} comes without weights: train some (hocket train {policy.name} "
            "--scenario FILE --out F.safetensors), then name them: --set weights=F.safetensors"
        )
    return path


@lru_cache(maxsize=16)
def _read(path: str, changed: int, size: int) -> tuple[Weights, Metadata]:
    """As `read`; a file that has changed meanwhile is another."""
    return read(path)


def read(path: str | Path) -> tuple[Weights, Metadata]:
    """The weights in a file, float32 and read-only, and what its header says. Raises InputError."""
    arrays, text = tensorfile.read(path)
    source = str(path)
    told = _metadata(text, source)
    weights = {}
    for name, array in arrays.items():
        if array.dtype not in (np.float16, np.float32):
            raise InputError(source, [f"{name} holds {array.dtype}, no float16 or float32"])
        weights[name] = array.astype(np.float32)
        if not np.isfinite(weights[name]).all():
            raise InputError(source, [f"{name} holds NaN or infinite weights; train them again"])
        weights[name].flags.writeable = False
    return weights, told


def _metadata(text: dict[str, str], source: str) -> Metadata:
    if _HEADER not in text:
        raise InputError(
            source,
            [
                "its header does not say which policy these weights are for: it was not written "
                "by hocket (hocket.learn.weights.save does)"
            ],
        )
    try:
        version = msgspec.json.decode(text[_HEADER], type=dict[str, Any]).get("format")
        if version == FORMAT:
            return msgspec.json.decode(text[_HEADER], type=Metadata)
    except msgspec.DecodeError as error:
        raise InputError(source, [f"its header is damaged: {error}"]) from None
    raise InputError(
        source,
        [
            f"is a weights file of format {version!r}, and this hocket reads format {FORMAT}: "
            "train again, or use the hocket that wrote it"
        ],
    )


def _require_made_for(policy: Learned, told: Metadata, source: str) -> None:
    if told.policy != policy.name:
        raise InputError(source, [f"these weights are for {told.policy}, not for {policy.name}"])
    own = shaping(policy)
    other = [
        f"{name} is {_value(own, name)} here, and was {_value(told.fields, name)} in training"
        for name in sorted({*own, *told.fields})
        if own.get(name, ...) != told.fields.get(name, ...)
    ]
    if other:
        raise InputError(
            source, [f"these weights are for another {policy.name}: {o}" for o in other]
        )


def _value(fields: dict[str, Any], name: str) -> str:
    return repr(fields[name]) if name in fields else "unknown"


def save(
    path: str | Path, weights: Mapping[str, Any], metadata: Metadata, *, half: bool = False
) -> Path:
    """Write weights (arrays by name) entirely or not at all; `half` stores float16.

    Raises UserError for weights that are not finite, and where the file cannot be written; what
    was there before then stays.
    """
    arrays = {}
    for name, weight in weights.items():
        with np.errstate(over="ignore"):
            arrays[name] = np.asarray(weight, np.float16 if half else np.float32)
        if not np.isfinite(arrays[name]).all():
            what = "too large for float16, or not finite" if half else "NaN or infinite"
            raise UserError(f"cannot write {path}: some weights in {name} are {what}")
    return tensorfile.write(path, arrays, {_HEADER: msgspec.json.encode(metadata).decode()})


def of(network: Network) -> Weights:
    """A copy of the weights of a network, by the names of its ``state_dict``."""
    return {
        name: np.array(tensor.detach().cpu().numpy(), np.float32)
        for name, tensor in network.state_dict().items()
    }


def fit(network: Network, weights: Mapping[str, Floats]) -> None:
    """Put weights into a network: all of them, or none.

    Raises UserError unless names and shapes are exactly those of the network.
    """
    import torch

    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    require_shapes(own, weights, type(network).__name__)
    copies = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
    network.load_state_dict(copies)


def require_shapes(
    shapes: Mapping[str, tuple[int, ...]], weights: Mapping[str, Floats], network: str
) -> None:
    """Raise UserError, which says what differs, unless `weights` have these names and shapes."""
    given = {name: tuple(np.shape(array)) for name, array in weights.items()}
    if dict(shapes) != given:
        raise UserError(_differences(network, dict(shapes), given))


def _differences(
    kind: str, own: dict[str, tuple[int, ...]], given: dict[str, tuple[int, ...]]
) -> str:
    found = [f"{name} is missing" for name in own if name not in given]
    found += [f"{name} is unknown to the network" for name in given if name not in own]
    found += [
        f"{name} is {_shape(own[name])} in the network and {_shape(given[name])} in the weights"
        for name in own
        if name in given and own[name] != given[name]
    ]
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return (
        f"these weights do not fit: {'; '.join(found[:_SHOWN])}{more}. "
        f"The network is {kind}, {_summary(own)}; the weights are {_summary(given)}"
    )


def _summary(shapes: dict[str, tuple[int, ...]]) -> str:
    total = sum(int(np.prod(shape)) for shape in shapes.values())
    return f"{len(shapes)} arrays with {total:,} numbers"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape) or "a number"

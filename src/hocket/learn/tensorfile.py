"""Arrays by name, and some text, in one safetensors file: the one kind of file weights live in.

A safetensors file is a JSON header and raw numbers. Reading one runs no code, unlike a pickle,
which PyTorch's own ``.pt`` files are. https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hocket.core.errors import InputError, UserError
from hocket.core.writing import write_atomically

Arrays = dict[str, npt.NDArray[Any]]
SUFFIX = ".safetensors"
ONLY = "weights are read from safetensors files only, because reading those can run no code"


def read(path: str | Path) -> tuple[Arrays, dict[str, str]]:
    """The arrays of a file, and the text in its header.

    Raises InputError for a file that is damaged or of another kind, and for one that is not there.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "there is no such file"
        raise InputError(str(path), [f"{what}; name a {SUFFIX} file"])
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, dict(file.metadata() or {})
    except OSError as error:
        raise InputError(str(path), [f"cannot be read: {error.strerror or error}"]) from error
    except SafetensorError as error:
        raise InputError(str(path), [_refused(path, str(error))]) from None
    except (TypeError, KeyError, AttributeError) as error:  # a type of numbers that NumPy lacks
        raise InputError(
            str(path), [f"holds numbers of a type that is not read: {error}"]
        ) from None


def write(path: str | Path, arrays: Mapping[str, npt.NDArray[Any]], text: dict[str, str]) -> Path:
    """Write a file entirely or not at all; what was there before stays if that fails.

    Raises UserError where it cannot be written: no such folder, no permission, a full disk.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save

    path = Path(path)
    if path.suffix != SUFFIX:
        raise UserError(f"cannot write {path}: {ONLY}; let its name end with {SUFFIX}")
    try:
        data = save({name: np.array(a, order="C") for name, a in arrays.items()}, metadata=text)
    except SafetensorError as error:
        raise UserError(f"cannot write {path}: {error}") from error
    return write_atomically(path, lambda part: part.write_bytes(data))


def _refused(path: Path, why: str) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith((b"\x80", b"PK")):
        return f"this is a pickle, such as PyTorch's .pt files; {ONLY}"
    why = why.removeprefix("Error while deserializing header: ")
    return f"no safetensors file, or a damaged one ({why}); {ONLY}"

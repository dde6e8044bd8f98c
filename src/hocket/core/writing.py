"""Writing a file entirely or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hocket.core.errors import UserError


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then move it into place.

    A reader never sees half a file, and a failure leaves what was there before. Raises UserError,
    which names the path and what to do, when the folder is missing or cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(part)
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)
        os.replace(part, path)
    except OSError as error:
        if path.parent.is_dir():
            part.unlink(missing_ok=True)
        raise UserError(_explain(path, error)) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


def require_place(path: str | Path) -> None:
    """Raise UserError, as writing will, if `path` has no folder that can be written.

    To be asked before long work whose result would have nowhere to go.
    """
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UserError(_explain(path, PermissionError()))


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write `data` to `path` atomically. Raises UserError as `write_atomically` does."""
    return write_atomically(path, lambda part: part.write_bytes(data))


def write_text(path: str | Path, text: str) -> Path:
    """Write `text` as UTF-8. Raises UserError also when it is not valid Unicode."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        bad = error.object[error.start]
        raise UserError(f"cannot write {path}: {bad!r} is no valid Unicode character") from None
    return write_bytes(path, data)


def _explain(path: Path, error: OSError) -> str:
    folder = path.parent
    if not folder.exists():
        return f"cannot write {path}: the folder {folder} does not exist; create it (mkdir -p)"
    if not folder.is_dir():
        return f"cannot write {path}: {folder} is a file, not a folder; choose another path"
    if path.is_dir():
        return f"cannot write {path}: it is a folder; name a file in it, such as {path / 'report'}"
    if isinstance(error, PermissionError):
        return f"cannot write {path}: no permission to write in {folder}; choose another folder"
    return f"cannot write {path}: {error.strerror or error}; free the space or choose another path"

"""One training at a time for each place that weights are written to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hocket.core.errors import UserError


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Keep `out` and the files beside it from other trainings on this machine.

    The system lets go of the claim when the process ends, however it does. Raises UserError if
    another training has it. Without such locks (Windows) nothing is claimed.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path = out.with_name(f".{out.name}.lock")
    try:
        file = path.open("w")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another training writes to {out} now: wait for its end, or choose another --out"
            ) from None
        except OSError:  # a file system without locks
            pass
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

"""Python files of users, imported by path: how a policy in one loose file joins the others."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from hocket.core.errors import InputError

PREFIX = "hocket_file_"
"""How the modules of loose files are named, so that nothing else has such a name."""


def module_in(path: str | Path) -> ModuleType:
    """Import the Python file at `path`, once per process.

    Raises InputError when there is no such file, or when running it fails.
    """
    full = Path(path).resolve()
    name = f"{PREFIX}{full.stem}_{hashlib.sha256(str(full).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, full)
    if found is None or found.loader is None or not full.is_file():
        raise InputError(str(path), ["there is no such Python file"])
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(str(path), [f"cannot be run: {type(error).__name__}: {error}"]) from error
    return module


def code_of(kind: type) -> list[str]:
    """What tells the code of a class from that of another: where it is, or what its file holds.

    A loose file may change, or another may define a policy of the same name; so its text counts.
    """
    module = sys.modules[kind.__module__]
    if not module.__name__.startswith(PREFIX) or module.__file__ is None:
        return [kind.__module__, kind.__qualname__]
    return [kind.__qualname__, hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()]


def crash(error: Exception) -> str:
    """What to tell of a bug that ended a run: what, and the line of the user's file if it is there.

    An error raised in a library, because of what a loose file asked of it, is told at that file.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [(f, n) for f, n in frames if f.f_globals.get("__name__", "").startswith(PREFIX)]
    frame, line = (own or frames)[-1]
    where = f"{Path(frame.f_code.co_filename).name}, line {line}"
    return f"{type(error).__name__} inside the policy or simulator ({where}): {error}"


def class_at(module: str, name: str, file: str) -> type:
    """The class `name` of `module`; a module that cannot be imported is read from its `file`."""
    if module.startswith(PREFIX) and module not in sys.modules:
        module_in(file)
    found: type = getattr(importlib.import_module(module), name)
    return found

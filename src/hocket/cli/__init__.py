"""The command line: thin. It parses, calls `hocket.api`, and renders."""

from __future__ import annotations

import signal
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code.

    0 ok, 1 a failed check or run, 2 a user error, 130 interrupted. Errors that a user can cause are
    one clear message on standard error, never a traceback.
    """
    from hocket.cli.app import dispatch

    return dispatch(sys.argv[1:] if arguments is None else arguments)


def script() -> None:
    """The entry point of the ``hocket`` program."""
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: Ctrl-C now ends it without a word
    sys.exit(code)

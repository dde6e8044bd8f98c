"""The commands, imported when called, and what becomes of their errors."""

from __future__ import annotations

import inspect
import os
import re
import sys

from cyclopts import App, CycloptsError

from hocket import __version__
from hocket.core.domain import resolve
from hocket.core.errors import HocketError

EXAMPLES = """
Examples:

    hocket run shop/ta01 --policy shop/mwkr --report run.html
    hocket compare shop/ta01 shop/ta02 --policy shop/spt --policy shop/mwkr
    hocket solve my-shop.yaml --time-limit 60 --report solved.html
    hocket list policies
"""

COMMANDS = {
    "list": ("hocket.cli.catalogue:list_", "List what hocket knows."),
    "check": ("hocket.cli.files:check", "Find every problem of a file."),
    "schema": ("hocket.cli.files:schema", "Print the JSON Schema of a file."),
    "convert": ("hocket.cli.files:convert", "Write a scenario in another format."),
    "generate": ("hocket.cli.files:generate", "Draw a scenario at random."),
    "run": ("hocket.cli.run:run", "Simulate one policy on one scenario."),
    "compare": ("hocket.cli.compare:compare", "Compare policies over seeds."),
    "solve": ("hocket.cli.solve:solve", "Solve to a proven bound."),
    "train": ("hocket.cli.train:train", "Train a learned policy."),
    "reproduce": ("hocket.cli.reproduce:reproduce", "Re-run a paper's experiment."),
    "calibrate": ("hocket.cli.calibrate:calibrate", "Fit a cost model to measurements."),
    "twin": ("hocket.cli.twin:twin", "Predict a recorded engine, and how well one can."),
    "gateway": ("hocket.cli.gateway:gateway", "Dispatch requests to inference engines."),
    "report": ("hocket.cli.report:report", "Show the record of a live run."),
}

LIVE = {
    "k8s": ("hocket.cli.live_k8s:k8s", "Rearrange a Kubernetes cluster whose pods stay pending."),
    "vllm": ("hocket.cli.live_vllm:vllm", "Run requests through vLLM under a policy; record it."),
    "check": ("hocket.cli.live_check:check", "Compare vLLM with the simulator, step by step."),
}
"""Real systems in which policies run: ``hocket live NAME``."""


def make_app(asked: str = "") -> App:
    """The program. Only the command `asked` for is imported, to be described by its docstring."""
    app = App(
        name="hocket",
        help="Schedule anything: simulate, solve, compare and reproduce published policies.",
        help_epilogue="" if asked in COMMANDS else EXAMPLES,
        help_format="plaintext",
        version=__version__,
        result_action="return_value",
        suppress_keyboard_interrupt=False,  # `dispatch` says a word
    )
    for name, (path, summary) in COMMANDS.items():
        if name == asked:
            _add_described(app, name, path)
        else:
            app.command(path, name=name, help=summary)
    live = App(name="live", help="Run a policy in a real system.", help_format="plaintext")
    for name, (path, summary) in LIVE.items():
        if asked == "live":
            _add_described(live, name, path)
        else:
            live.command(path, name=name, help=summary)
    app.command(live)
    return app


def _add_described(app: App, name: str, path: str) -> None:
    """Add a command with its docstring as help."""
    command = resolve(path)
    text, _, examples = inspect.cleandoc(command.__doc__).partition("\nExamples:\n")
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", text)  # the terminal breaks the lines
    app.command(command, name=name, help=text, help_epilogue=f"\nExamples:\n{examples}")


def dispatch(arguments: list[str]) -> int:
    """Run the command of `arguments`; the exit code (see `hocket.cli.main`)."""
    try:
        app = make_app(arguments[0] if arguments else "")
        code = app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        return _complain(str(error), 2)
    except HocketError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output has gone: there is nobody to tell, nor anything left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # our own output: a full disk, say
        return _complain(f"cannot go on: {error}", 1)
    return code if isinstance(code, int) else 0


def _complain(message: str, code: int) -> int:
    print(f"hocket: {message}", file=sys.stderr)
    return code

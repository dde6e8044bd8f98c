"""The commands, imported when called, and what becomes of their errors."""

from __future__ import annotations

import sys

from cyclopts import App, CycloptsError

from hocket import __version__
from hocket.core.errors import HocketError

EXAMPLES = """
Examples:

    hocket run shop/ta01 --policy shop/mwkr --report run.html
    hocket compare shop/ta01 shop/ta02 --policy shop/spt --policy shop/mwkr
    hocket solve my-shop.yaml --time-limit 60 --report solved.html
    hocket list policies
"""

app = App(
    name="hocket",
    help="Schedule anything: simulate, solve, compare and reproduce published policies.",
    help_epilogue=EXAMPLES,
    help_format="plaintext",
    version=__version__,
    result_action="return_value",
)
app.command("hocket.cli.catalogue:list_", name="list", help="List what hocket knows.")
app.command("hocket.cli.files:check", name="check", help="Find every problem of a file.")
app.command("hocket.cli.files:schema", name="schema", help="Print the JSON Schema of a file.")
app.command("hocket.cli.files:convert", name="convert", help="Write it in another format.")
app.command("hocket.cli.files:generate", name="generate", help="Draw a scenario at random.")
app.command("hocket.cli.run:run", name="run", help="Simulate one policy on one scenario.")
app.command("hocket.cli.compare:compare", name="compare", help="Compare policies over seeds.")
app.command("hocket.cli.solve:solve", name="solve", help="Solve to a proven bound.")
app.command("hocket.cli.reproduce:reproduce", name="reproduce", help="Re-run a paper's experiment.")


def dispatch(arguments: list[str]) -> int:
    """Run the command of `arguments`; the exit code (see `hocket.cli.main`)."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _complain(str(error), 2)
    except HocketError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; there is nobody to tell
        return 0
    return code if isinstance(code, int) else 0


def _complain(message: str, code: int) -> int:
    print(f"hocket: {message}", file=sys.stderr)
    return code

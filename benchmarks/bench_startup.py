"""How long a newcomer waits: `import hocket`, `hocket --help`, and the size of the package.

    pytest benchmarks/bench_startup.py -s

Budgets: import 150 ms, help 250 ms, as medians over fresh processes of the processor time they use
(which a busy machine changes less than wall time), less what an empty interpreter uses.
"""

import os
import statistics
import subprocess
import sys

import pytest

RUNS = 7


def median_seconds(*arguments: str) -> float:
    times = []
    for _ in range(RUNS):
        child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        assert status == 0
        times.append(used.ru_utime + used.ru_stime)
    return statistics.median(times)


@pytest.mark.parametrize(
    ("what", "arguments", "budget"),
    [
        ("import hocket", ("-c", "import hocket"), 0.150),
        ("hocket --help", ("-m", "hocket", "--help"), 0.250),
        ("the first verb", ("-c", "import hocket; hocket.run"), 0.300),
    ],
)
def test_startup(what: str, arguments: tuple[str, ...], budget: float) -> None:
    empty = median_seconds("-c", "pass")
    own = median_seconds(*arguments)
    print(f"\n{what}: {own * 1e3:.0f} ms, of which the interpreter {empty * 1e3:.0f} ms")
    assert own - empty < budget

import multiprocessing
import os
import subprocess
import sys
import time

import pytest

from hocket.core.errors import MissingExtra, UserError
from hocket.core.pool import AHEAD, DIED, spread


def scaled(shared, item):
    return shared * item


def process_of(shared, item):
    return os.getpid()


def waits_at_0(go, item):
    """Item 0 ends once there is a file `go`, or after a minute."""
    deadline = time.monotonic() + 60
    while item == 0 and not go.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return item


def sleeps_at(shared, item):
    time.sleep(60 if item == shared else 0)
    return item


def dies_at(shared, item):
    if item in shared:
        os._exit(1)
    return item


def raises_at(shared, item):
    if item == shared:
        raise ValueError(f"item {item}")
    return item


def results(task, shared, items, **options):
    return dict(spread(task, shared, items, lost=lambda why: why, **options))


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_once_with_its_index(workers):
    items = list(range(10, 10 + 3 * AHEAD * workers))
    found = list(spread(scaled, 3, items, workers=workers, lost=str))
    assert sorted(found) == [(i, 3 * item) for i, item in enumerate(items)]


def test_one_worker_is_this_process_and_two_are_others():
    assert set(results(process_of, None, [1, 2], workers=1).values()) == {os.getpid()}
    assert os.getpid() not in results(process_of, None, [0, 1, 2, 3], workers=2).values()


def test_results_come_as_they_are_ready(tmp_path):
    go = tmp_path / "go"
    found = spread(waits_at_0, go, list(range(6)), workers=2, lost=str)
    first, _ = next(found)
    go.touch()
    assert first != 0
    assert sorted([first, *(i for i, _ in found)]) == list(range(6))


def test_one_worker_computes_only_what_is_asked_for():
    done = []

    def note(shared, item):
        done.append(item)
        return item

    found = spread(note, None, [1, 2, 3], workers=1, lost=str)
    assert next(found) == (0, 1)
    assert done == [1]


def test_workers_that_die_cost_the_items_they_were_on():
    found = results(dies_at, {3, 11}, list(range(16)), workers=2)
    assert found == {i: DIED if i in (3, 11) else i for i in range(16)}


def test_an_exception_of_the_task_is_the_callers_to_handle():
    with pytest.raises(ValueError, match="item 2"):
        results(raises_at, 2, list(range(5)), workers=2)
    with pytest.raises(ValueError, match="item 2"):
        results(raises_at, 2, list(range(5)), workers=1)


def test_who_stops_waiting_leaves_no_workers_behind():
    found = spread(sleeps_at, 1, [0, 1, 1, 1], workers=2, lost=str)
    assert next(found) == (0, 0)
    started = multiprocessing.active_children()
    assert started
    found.close()  # as Ctrl-C does
    for worker in started:
        worker.join(10)
        assert not worker.is_alive()


def test_nothing_to_do():
    for options in ({"workers": 1}, {"workers": 4}, {"on": "ray"}, {}):
        assert results(scaled, 1, [], **options) == {}


def test_what_cannot_be():
    with pytest.raises(UserError, match="workers must be at least 1, got 0"):
        results(scaled, 1, [1], workers=0)
    with pytest.raises(UserError, match="unknown place to run 'cloud': use 'local' or 'ray'"):
        results(scaled, 1, [1], on="cloud")


def test_without_ray_the_message_says_how_to_install_it(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("hocket.core.extras.importlib.import_module", absent)
    with pytest.raises(MissingExtra, match=r"pip install 'hocket\[ray\]'"):
        results(scaled, 1, [1], on="ray")


def test_a_script_without_a_guard_is_told_so_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from hocket.core.pool import spread\n"
        "print(list(spread(divmod, 7, [1, 2, 3], workers=2, lost=str)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert 'if __name__ == "__main__":' in done.stderr

import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hocket.core import study
from hocket.core.errors import NotApplicable, StudyError, UserError
from hocket.core.load import load_policy
from hocket.core.run import run
from hocket.core.store import Outcome, Store
from hocket.core.study import compare, default_path
from hocket.shop.generate import PottsVanWassenhove, Taillard
from hocket.shop.policies.rules import FIFO, SPT, Random
from tests.core.policies import Dying, Raising, Taking, Waiting

WORLDS = [Taillard(jobs=5, machines=4).make(seed) for seed in (1, 2)]
POLICIES = [FIFO(), Random(), SPT()]
ROOT = Path(__file__).resolve().parents[2]

LOOSE = '''
from hocket.shop.policies.rules import Rule

class Mine(Rule, frozen=True):
    """By a rule of one's own."""

    name = "mine/rule"
    sign: int = 1

    def priority(self, view, op):
        return {sign}self.sign * view.duration[op]
'''


def loose(folder, sign="", name="my_rule.py"):
    path = folder / name
    path.write_text(LOOSE.replace("{sign}", sign))
    return path


def test_the_same_results_for_any_number_of_workers():
    one, two = (compare(WORLDS, POLICIES, seeds=3, workers=n) for n in (1, 2))
    assert one == two
    assert one.complete
    assert one.failures == ()
    assert len({(r.scenario, r.policy) for r in one.rows}) == 6
    assert {r.n for r in one.rows} == {3}


def test_and_on_ray():
    ray = pytest.importorskip("ray")
    cells = ([WORLDS[0]], [FIFO(), Random(), Dying(seeds=(1,))])
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    try:
        there = compare(*cells, seeds=2, on="ray")
    finally:
        ray.shutdown()
    here = compare(*cells, seeds=2, workers=2)
    assert there == here
    assert [f.seed for f in there.failures] == [1]


def test_rows_are_means_over_seeds_and_differences_are_paired():
    result = compare(WORLDS[:1], [Random(), SPT()], seeds=4, first_seed=10, workers=1)
    seeds = range(10, 14)
    a = np.array([run(WORLDS[0], Random(), s).metrics["makespan"] for s in seeds])
    b = np.array([run(WORLDS[0], SPT(), s).metrics["makespan"] for s in seeds])
    (row,) = [r for r in result.rows if r.metric == "makespan" and r.policy == "shop/random"]
    assert row.mean == pytest.approx(a.mean())
    assert row.low < row.mean < row.high
    (diff,) = [d for d in result.differences if d.metric == "makespan"]
    assert (diff.policy, diff.versus, diff.n) == ("shop/spt", "shop/random", 4)
    assert diff.mean == pytest.approx((b - a).mean())
    # Student's t with three degrees of freedom, of the differences and not of the two means.
    half = 3.1824463 * (b - a).std(ddof=1) / 2
    assert (diff.low, diff.high) == pytest.approx(((b - a).mean() - half, (b - a).mean() + half))


def test_equal_policies_and_scenarios_get_names_that_differ():
    result = compare([WORLDS[0], WORLDS[0]], [SPT(), SPT()], workers=1)
    assert {r.policy for r in result.rows} == {"shop/spt", "shop/spt #2"}
    assert {r.scenario for r in result.rows} == {"taillard-5x4-1", "taillard-5x4-1 #2"}
    assert {d.mean for d in result.differences} == {0.0}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_fails_is_reported_and_the_rest_finishes(workers):
    policies = [FIFO(), Raising(seeds=(1,)), Waiting()]
    result = compare(WORLDS[:1], policies, seeds=3, workers=workers)
    assert result.complete
    told = {(f.policy.partition("(")[0], f.seed): f.error for f in result.failures}
    assert sorted(told) == [("test/raising", 1), *(("test/waiting", s) for s in range(3))]
    assert re.fullmatch(
        r"RuntimeError inside the policy or simulator \(policies.py, line \d+\): no idea",
        told["test/raising", 1],
    )
    assert told["test/waiting", 0].startswith("Deadlock: at time ")
    counts = {r.policy.partition("(")[0]: r.n for r in result.rows}
    assert counts == {"shop/fifo": 3, "test/raising": 2}
    paired = {d.policy.partition("(")[0]: d.n for d in result.differences}
    assert paired == {"test/raising": 2}


def test_a_policy_that_kills_its_worker_costs_its_own_runs_only():
    policies = [FIFO(), Dying(seeds=(1, 3)), Taking()]
    result = compare(WORLDS[:1], policies[:2], seeds=5, workers=2)
    assert result.complete
    assert [f.seed for f in result.failures] == [1, 3]
    assert {f.error for f in result.failures} == {
        "its worker process died (killed, or out of memory)"
    }
    alone = compare(WORLDS[:1], [FIFO()], seeds=5, workers=1)
    assert [r for r in result.rows if r.policy == "shop/fifo"] == list(alone.rows)


def interrupt_after(count):
    def progress(done, total, left):
        if done == count:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_study_keeps_what_is_done_and_resumes(tmp_path, workers):
    file = tmp_path / "study.sqlite"
    first = compare(
        WORLDS, POLICIES, seeds=3, workers=workers, study=file, progress=interrupt_after(7)
    )
    assert not first.complete
    assert sum(r.n for r in first.rows if r.metric == "makespan") == 7
    seen = []
    second = compare(
        WORLDS,
        POLICIES,
        seeds=3,
        workers=workers,
        study=file,
        resume=True,
        progress=lambda done, total, left: seen.append((done, total)),
    )
    assert seen == [(n, 18) for n in range(8, 19)]
    whole = compare(WORLDS, POLICIES, seeds=3, workers=1)
    assert second.rows == whole.rows
    assert second.differences == whole.differences
    assert second.study == str(file)


KILLED = """
import sys, time
from hocket.core.study import compare
from tests.core.test_study import POLICIES, WORLDS
compare(WORLDS, POLICIES, seeds=50, workers=1, study=sys.argv[1],
        progress=lambda done, total, left: (print(done, flush=True), time.sleep(0.02)))
"""


def test_a_killed_study_resumes(tmp_path):
    file = tmp_path / "study.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while int(process.stdout.readline()) < 9:
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    store = Store(file)
    kept = len(store.load())
    store.close()
    assert 9 <= kept < 300
    seen = []
    result = compare(
        WORLDS,
        POLICIES,
        seeds=3,
        workers=1,
        study=file,
        resume=True,
        progress=lambda done, total, left: seen.append(done),
    )
    assert len(seen) == 18 - min(kept, 9)  # nine of the kept runs are of the first scenario
    assert result.rows == compare(WORLDS, POLICIES, seeds=3, workers=1).rows


def test_without_resume_a_study_starts_afresh(tmp_path):
    file = tmp_path / "study.sqlite"
    for resume, expected in ((False, 3), (False, 3), (True, 0)):
        seen = []
        compare(
            WORLDS[:1],
            POLICIES,
            workers=1,
            study=file,
            resume=resume,
            progress=lambda *at, seen=seen: seen.append(at),
        )
        assert len(seen) == expected


def test_starting_afresh_leaves_other_studies_in_the_file_alone(tmp_path):
    file = tmp_path / "study.sqlite"
    for world in WORLDS:
        compare([world], POLICIES, workers=1, study=file)
    seen = []
    compare(
        WORLDS, POLICIES, workers=1, study=file, resume=True, progress=lambda *at: seen.append(at)
    )
    assert seen == []


def test_a_study_grows_with_seeds_and_policies(tmp_path):
    file = tmp_path / "study.sqlite"
    compare(WORLDS[:1], POLICIES[:2], seeds=2, workers=1, study=file)
    seen = []
    grown = compare(
        WORLDS[:1],
        POLICIES,
        seeds=3,
        workers=1,
        study=file,
        resume=True,
        progress=lambda *at: seen.append(at),
    )
    assert len(seen) == 9 - 4
    assert grown.rows == compare(WORLDS[:1], POLICIES, seeds=3, workers=1).rows


def test_failed_runs_are_tried_again(tmp_path):
    file = tmp_path / "study.sqlite"
    compare(WORLDS[:1], [Waiting()], workers=1, study=file)
    seen = []
    compare(
        WORLDS[:1],
        [Waiting()],
        workers=1,
        study=file,
        resume=True,
        progress=lambda *at: seen.append(at),
    )
    assert len(seen) == 1


def test_a_policy_from_a_loose_file_reaches_the_workers(tmp_path):
    mine = load_policy(str(loose(tmp_path)), sign=1)
    result = compare(WORLDS, [mine, SPT()], seeds=1, workers=2)
    assert result.failures == ()
    assert {d.mean for d in result.differences} == {0.0}


def test_two_loose_files_whose_policies_share_a_name_are_two_policies(tmp_path):
    shortest = load_policy(str(loose(tmp_path)))
    longest = load_policy(str(loose(tmp_path, "-", "other.py")))
    result = compare(WORLDS, [shortest, longest], workers=1)
    assert any(d.mean for d in result.differences if d.metric == "makespan")


def test_a_loose_file_that_has_changed_is_run_again(tmp_path):
    file, path = tmp_path / "study.sqlite", loose(tmp_path)
    mine = load_policy(str(path))
    compare(WORLDS[:1], [mine], workers=1, study=file)
    seen = []

    def again():
        compare(
            WORLDS[:1],
            [mine],
            workers=1,
            study=file,
            resume=True,
            progress=lambda *at: seen.append(at),
        )

    again()
    assert seen == []
    path.write_text(path.read_text() + "\n# another version\n")
    again()
    assert seen == [(1, 1, 0.0)]


def test_nothing_to_compare_and_what_does_not_fit_is_told_before_anything_runs(tmp_path):
    file = tmp_path / "study.sqlite"
    for grid in (([], POLICIES), (WORLDS, [])):
        with pytest.raises(UserError, match="nothing to compare"):
            compare(*grid, study=file)
    with pytest.raises(UserError, match="nothing to compare"):
        compare(WORLDS, POLICIES, seeds=0, study=file)
    with pytest.raises(NotApplicable, match=r"shop/psk is made for shop/single-machine; taillard"):
        compare(WORLDS, [load_policy("shop/psk")], study=file)
    with pytest.raises(UserError, match="workers must be at least 1"):
        compare(WORLDS, POLICIES, workers=0)
    with pytest.raises(UserError, match="unknown place to run 'moon'"):
        compare(WORLDS, POLICIES, on="moon")
    assert not file.exists()


def test_a_damaged_file_is_an_error_before_anything_runs(tmp_path):
    file = tmp_path / "study.sqlite"
    file.write_bytes(b"this is no database, but long enough to look at" * 20)
    with pytest.raises(StudyError, match="is not a usable study file"):
        compare(WORLDS, POLICIES, study=file, resume=True)


def test_progress_tells_how_long_it_will_take(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(study.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(study, "_run_cell", lambda shared, cell: Outcome(metrics={"m": 1.0}))
    seen = []
    compare(
        WORLDS[:1],
        POLICIES,
        seeds=1,
        workers=1,
        progress=lambda done, total, left: seen.append((done, total, left)),
    )
    assert seen == [(1, 3, 2.0), (2, 3, 1.0), (3, 3, 0.0)]


def test_the_default_place_depends_on_what_is_compared_and_not_on_seeds():
    path = default_path(WORLDS, POLICIES)
    assert path == default_path(list(WORLDS), tuple(POLICIES))
    assert path != default_path(WORLDS[:1], POLICIES)
    assert path != default_path(WORLDS, POLICIES[::-1])
    assert path.parent == Path(".hocket")


def test_keys_see_scenario_fields_and_policy_fields(tmp_path):
    file = tmp_path / "study.sqlite"
    worlds = [PottsVanWassenhove(jobs=6, tf=tf).make(1) for tf in (0.4, 0.6)]
    policies = [load_policy("shop/atc", k=k) for k in (1.0, 2.0)]
    compare(worlds, policies, seeds=2, workers=1, study=file)
    with sqlite3.connect(file) as db:
        (count,) = db.execute("SELECT count(*) FROM outcome").fetchone()
        assert count == 8
    db.close()


def test_what_another_version_left_is_not_taken_for_ours(tmp_path, monkeypatch):
    file, seen = tmp_path / "study.sqlite", []
    compare(WORLDS[:1], POLICIES, workers=1, study=file)
    monkeypatch.setattr(study, "__version__", "0.0.0")
    compare(
        WORLDS[:1],
        POLICIES,
        workers=1,
        study=file,
        resume=True,
        progress=lambda done, total, left: seen.append(done),
    )
    assert seen == [1, 2, 3]

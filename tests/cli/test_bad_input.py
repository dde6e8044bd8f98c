"""What users get wrong: exit code 2, one clear message, no traceback, nothing lost."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hocket.cli import main
from hocket.core.solution import Violation
from tests.cli.samples import NOISY, PROJECT, SHOP, SINGLE, write


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """Run a command that must fail; what it says on standard error."""
    assert main(list(arguments)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert captured.err.startswith("hocket: ")
    return captured.err


FILES = {
    "empty": ("", ["empty"]),
    "not yaml": ("problem: [\njobs: {", ["line 3"]),
    "wrong format": ("hello world, this is a letter", ["problem: shop/job-shop"]),
    "unknown problem": (SHOP.replace("shop/job-shop", "shop/jobshop"), ["shop/job-shop"]),
    "unknown field": (SHOP.replace("due: 30", "deu: 30"), ["line 8", "deu", "due"]),
    "missing field": (SHOP.replace(", duration: 7", ""), ["jobs[0].operations[1].duration"]),
    "duplicate ids": (SHOP.replace("chair", "table"), ["table", "2 times"]),
    "negative duration": (SHOP.replace("duration: 5", "duration: -5"), ["line 10", "-5"]),
    "NaN duration": (SHOP.replace("duration: 5", "duration: .nan"), ["line 10", "duration"]),
    "unknown machine": (SHOP.replace("machine: saw", "machine: sew"), ["sew", "'saw'"]),
    "no machine": (SHOP.replace("machine: saw, duration: 5", "name: x"), ["no machine"]),
    "wrong unit": (SHOP.replace("duration: 5", "duration: 5 kg"), ["line 10", "kg"]),
    "not a whole tick": (SHOP.replace("duration: 5", "duration: 30 s"), ["line 10", "30 s"]),
    "unit without a unit": (
        SHOP.replace("time_unit: min\n", "").replace("duration: 5", "duration: 30 s"),
        ["time_unit"],
    ),
    "cycle": (PROJECT + "  - {before: pour, after: dig}\n", ["cycle", "dig -> pour -> dig"]),
    "objective without due dates": (
        PROJECT + "objective: total_tardiness\n",
        ["due dates"],
    ),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["run", "compare", "solve"])
def test_a_wrong_file_is_explained(
    name: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = FILES[name]
    path = write(tmp_path, text)
    message = refused(capsys, command, path)
    assert "shop.yaml" in message
    for part in expected:
        assert part in message
    assert main(["check", path]) == 1
    assert "shop.yaml" in capsys.readouterr().out


def test_due_before_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SHOP.replace("    due: 30\n", "    due: 3\n    release: 9\n")
    assert "due at 3, before its release 9" in refused(capsys, "run", write(tmp_path, text))


def test_all_problems_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SHOP.replace("duration: 5", "duration: -5").replace("duration: 7", "duration: x")
    message = refused(capsys, "run", write(tmp_path, text.replace("due", "deu")))
    assert "3 problems" in message


def test_files_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, SHOP)
    assert "shop.yaml" in refused(capsys, "run", str(tmp_path / "shop.yml"))
    refused(capsys, "run", str(tmp_path))
    junk = tmp_path / "junk.yaml"
    junk.write_bytes(bytes(range(256)))
    refused(capsys, "run", str(junk))
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(100 * 2**20)
    assert "100" in refused(capsys, "run", str(huge))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "shop/ta81"], "ta80"),
        (["run", "ta01"], "shop/ta01"),
        (["run", "shp/ta01"], "'shop/ta01'"),
        (["run", "shop/ta01", "--policy", "shop/sptt"], "'shop/spt'"),
        (["run", "shop/ta01", "--policy", "spt"], "shop/spt"),
        (["run", "shop/ta01", "--policy", "nowhere.py"], "nowhere.py"),
        (["run", "shop/ta01", "--policy", "shop/atc", "--set", "kk=3"], "'k'"),
        (["run", "shop/ta01", "--policy", "shop/atc", "--set", "k=soon"], "k"),
        (["run", "shop/ta01", "--policy", "shop/atc", "--set", "k=-1"], "above 0"),
        (["run", "shop/ta01", "--policy", "shop/eddc"], "shop/single-machine"),
        (["run", "shop/ta01", "--seed", "-1"], "seed"),
        (["run", "shop/ta01", "--polcy", "shop/spt"], "--polcy"),
        (["run", "shop/ta01", "--policy", "shop/gt", "--set", "rule=spt"], "'shop/spt'"),
        (["run", "shop/ta01", "--policy", "shop/rolling", "--set", "objective=late_jobs"], "due"),
        (["solve", "shop/ta01", "--objective", "makspan"], "'makespan'"),
        (["solve", "shop/ta01", "--objective", "profit"], "max_lateness"),
        (["solve", "shop/ta01", "--objective", "total_tardiness"], "due"),
        (["solve", "shop/ta01", "--time-limit", "-1"], "time limit"),
        (["solve", "shop/ta01", "--workers", "0"], "workers"),
        (["compare", "shop/ta01", "--seeds", "0"], "seed"),
        (["compare", "shop/ta01", "--first-seed", "-4"], "not -4"),
        (["compare", "shop/ta01", "--workers", "0"], "workers"),
        (["generate", "shop/tailard"], "'shop/taillard'"),
        (
            ["compare", "shop/ta01", "--policy", "shop/atc", "--set", "k=2", "--set", "k=3"],
            "has been given k already",
        ),
        (["generate", "shop/taillard", "--set", "jobs=-3"], "jobs"),
        (["reproduce", "eddc"], "'eddc-mddc'"),
        (["list", "polices"], "policies"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_words(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refused(capsys, *arguments)


def test_places_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, SHOP)
    inside_a_file = str(Path(path) / "x.html")
    assert "x.html" in refused_but_shown(capsys, "run", path, "--report", inside_a_file)
    assert "x.html" in refused_but_shown(capsys, "run", path, "--trace", inside_a_file)
    absent = str(tmp_path / "absent" / "x.html")
    for command in (["run"], ["compare", "--no-study"], ["solve", "--time-limit", "1000"]):
        told = refused(capsys, *command, path, "--report", absent)  # before any work
        assert "the folder" in told and "does not exist" in told
    message = refused(capsys, "compare", path, "--study", str(Path(path) / "s.sqlite"))
    assert "--study" in message
    if Path("/proc").is_dir():
        assert "/proc" in refused(capsys, "compare", path, "--study", "/proc/study.sqlite")


def refused_but_shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err


def test_a_read_only_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    path = write(tmp_path, SHOP)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    monkeypatch.chdir(locked)
    assert "--no-study" in refused(capsys, "compare", path)


def test_a_study_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, study = write(tmp_path, SHOP), tmp_path / "study.sqlite"
    study.write_bytes(b"not a database at all" * 100)
    message = refused(capsys, "compare", path, "--study", str(study), "--resume")
    assert "study.sqlite" in message
    assert study.read_bytes().startswith(b"not a database")
    study.unlink()
    with sqlite3.connect(study) as other:
        other.execute("CREATE TABLE cats (name TEXT)")
    assert "another program" in refused(capsys, "compare", path, "--study", str(study))


def test_an_infeasible_problem_names_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PROJECT.replace("after: pour}", "after: pour, most: 3}") + (
        "  - {before: pour, after: dig, least: -4, most: -4, since: start, of: finish}\n"
    )
    assert main(["solve", write(tmp_path, text), "--time-limit", "10"]) == 1
    shown = capsys.readouterr().out
    assert "infeasible" in shown
    assert "dig" in shown


def test_time_limit_zero_gives_the_warm_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "shop/ta01", "--time-limit", "0"]) == 0
    shown = capsys.readouterr().out
    assert "feasible" in shown
    assert "no violation" in shown


def test_a_failed_run_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = tmp_path / "broken.py"
    rule.write_text(
        "from hocket.shop.policies.rules import Rule\n"
        "class Broken(Rule, frozen=True):\n"
        "    name = 'shop/broken'\n"
        "    def priority(self, view, op):\n"
        "        raise ZeroDivisionError('oops')\n"
    )
    arguments = ["compare", "shop/ta01", "--policy", "shop/spt", "--policy", str(rule)]
    assert main([*arguments, "--no-study", "--workers", "1"]) == 1
    shown = capsys.readouterr().out
    assert "1,462" in shown
    assert "oops" in shown


def test_a_bug_in_a_rule_is_told_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = tmp_path / "buggy.py"
    rule.write_text(
        "from hocket.shop.policies.rules import Rule\n"
        "class Buggy(Rule, frozen=True):\n"
        "    name = 'shop/buggy'\n"
        "    def priority(self, view, op):\n"
        "        return view.speed[op]\n"
    )
    told = refused(capsys, "run", "shop/ta01", "--policy", str(rule), code=1)
    assert "shop/buggy: AttributeError" in told
    assert "(buggy.py, line 5): 'ShopView' object has no attribute 'speed'" in told


def test_a_run_that_fails_the_check_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulator does not let it happen, so this checker objects without reason."""
    found = [Violation("overlap", "two at once")]
    monkeypatch.setattr("hocket.shop.check.jobshop.check", lambda *_: found)
    for more in ([], ["--json"]):
        assert main(["run", "shop/ta01", "--policy", "shop/spt", *more]) == 1
        captured = capsys.readouterr()
        assert captured.err == "check: overlap: two at once\n"
        assert "1462" in captured.out.replace(",", "")


def test_an_interrupted_study_resumes(tmp_path: Path) -> None:
    """Ctrl-C in the middle: exit code 130, what finished is kept, --resume does the rest."""
    path, study = write(tmp_path, NOISY.replace("cv: 0.5", "cv: 0.4")), tmp_path / "s.sqlite"
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time\n"
        "from hocket.shop.policies.rules import Rule\n"
        "class Slow(Rule, frozen=True):\n"
        "    name = 'shop/slow'\n"
        "    def begin(self, scenario, streams):\n"
        "        time.sleep(0.1)\n"
        "        return super().begin(scenario, streams)\n"
        "    def priority(self, view, op):\n"
        "        return view.duration[op]\n"
    )
    command = [sys.executable, "-m", "hocket", "compare", path, "--policy", "shop/spt"]
    command += ["--policy", str(slow), "--seeds", "60", "--workers", "1", "--study", str(study)]
    with subprocess.Popen([*command, "--json"], stdout=-1, stderr=-1, text=True) as running:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and _rows(study) < 5:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "--resume" in err
    kept = _rows(study)
    assert 5 <= kept < 120
    assert '"complete": false' in out
    done = subprocess.run([*command, "--json", "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"complete": true' in done.stdout
    assert _rows(study) == 120


def _rows(study: Path) -> int:
    if not study.exists():
        return 0
    try:
        with sqlite3.connect(study) as db:
            return int(db.execute("SELECT count(*) FROM outcome").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_single_machine_without_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SINGLE.partition("jobs:")[0] + "jobs: []\n"
    assert "there is no job" in refused(capsys, "run", write(tmp_path, text))


def test_default_policies_fit_the_scenario(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, SHOP + "blocking: swap\n")
    assert main(["compare", path, "--no-study", "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "shop/fifo" in shown
    assert "shop/gt" not in shown
    message = refused(capsys, "compare", path, "--policy", "shop/gt", "--no-study")
    assert "shops with buffers" in message


def test_unsound_scenarios_built_in_python() -> None:
    import hocket
    from hocket.core.errors import InputError
    from hocket.shop.model import Job, JobShop, Machine, Operation

    job = Job(name="a", operations=(Operation(machine="q", duration=3),))
    for shop in (
        JobShop(jobs=(job,), machines=(Machine(name="m"),)),
        JobShop(jobs=(), machines=(Machine(name="m"),)),
    ):
        for verb in (hocket.run, hocket.solve, hocket.compare):
            with pytest.raises(InputError):
                verb(shop)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    command = [sys.executable, "-m", "hocket", "run", write(tmp_path, SHOP)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr

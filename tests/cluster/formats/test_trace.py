"""Tables of tasks in CSV: what they are read as, scaled and cut, and what is wrong with them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hocket.cluster.formats.trace import read
from hocket.cluster.model.analytics import Analytics, Job, Stage
from hocket.core.errors import InputError
from hocket.core.load import load

HEADER = (
    "workflow_id,ts_submit,ts_submit_seconds,task_count,total_resources,task_id,runtime,"
    "resource_amount_requested,resource_run_time,user_id"
)
ROWS = (
    "w2,7000,7,1,1,t3,500,2,1000,ann",
    "w1,5000,5,2,2,t1,1000,1,1000,bob",
    "w1,5100,5,2,2,t2,3000,1,3000,bob",
)


def table(*rows: str, header: str = HEADER) -> str:
    return "\n".join((header, *rows, ""))


def test_a_table_is_read_as_jobs_of_one_stage() -> None:
    found = read(table(*ROWS), "google.csv")
    assert found == Analytics(
        cores=32,
        jobs=(
            Job(name="w1", user="bob", stages=(Stage(tasks=(1000, 3000)),)),
            Job(name="w2", user="ann", arrival=2000, stages=(Stage(tasks=(1000,)),)),
        ),
        remarks=("a trace does not say how many cores there are: 32 are taken",),
    )


def test_other_columns_orders_and_quotes_do_not_matter(tmp_path: Path) -> None:
    header = '"task_id","other","workflow_id","ts_submit_seconds","runtime"'
    path = tmp_path / "t.csv"
    path.write_text("\ufeff" + table('1,"a,b",w,2.5,40', "2,,v,1,30", header=header))
    found = load(path)
    assert isinstance(found, Analytics) and found.name == "t"
    assert [(j.name, j.user, j.arrival, j.stages[0].tasks) for j in found.jobs] == [
        ("v", "no-user", 0, (30,)),
        ("w", "no-user", 1500, (40,)),
    ]
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert load(packed) == found


def test_rows_without_user_or_cores_or_work_are_told() -> None:
    found = read(
        table(
            "a,0,0,1,1,1,500,0,0,",
            "a,0,0,1,1,2,500,1,,nan",
            "b,10,0,3,1,3,0,1,0,ann",
            "c,20,0,3,1,4,70,1,70,ann",
            "c,20,0,3,1,5,70,1,70,eve",
        )
    )
    assert [(job.name, job.user, job.stages[0].tasks) for job in found.jobs] == [
        ("a", "no-user", (500, 500)),
        ("c", "ann", (70, 70)),
    ]
    assert found.remarks[:-1] == (
        "rows without user, which are those of 'no-user': 2",
        "rows of another user than the first of their job, whose job it is: 1",
        "tasks that ask for no core, and get one for their runtime: 1",
        "jobs without any work left out: 1",
        "jobs that have fewer rows than their task_count says: 1",
    )


@pytest.mark.parametrize(
    ("row", "path", "told"),
    [
        ("w,-5,0,1,1,t,1,1,1,u", "ts_submit", "'-5' is no number from 0 up"),
        ("w,5,0,1,1,t,-1,1,-1,u", "resource_run_time", "'-1' is no number from 0 up"),
        ("w,5,0,1,1,t,x,1,,u", "runtime", "'x' is no number"),
        ("w,inf,0,1,1,t,1,1,1,u", "ts_submit", "'inf' is no number"),
        ("w,,0,1,1,t,1,1,1,u", "ts_submit", "does not say when"),
        ("w,5,0,1,1,t,,1,,u", "runtime", "does not say how long"),
        (",5,0,1,1,t,1,1,1,u", "workflow_id", "names no job"),
        ("w,5,0,1", "", "4 cells under a header of 10; is the file cut off?"),
    ],
)
def test_wrong_rows_are_told_with_their_lines(row: str, path: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        read(table(ROWS[0], row, ROWS[1], row), "t.csv")
    assert [problem.line for problem in error.value.problems] == [3, 5]
    assert all(problem.path == path and told in str(problem) for problem in error.value.problems)


def test_wrong_headers_and_empty_tables_are_told() -> None:
    with pytest.raises(InputError, match="there is no column ts_submit or ts_submit_seconds"):
        read(table("a,b,c", header="workflow_id,task_id,runtime"))
    with pytest.raises(InputError, match="'runtime' stands there twice"):
        read(table(header=HEADER + ",runtime"))
    with pytest.raises(InputError, match="no job with any work"):
        read(table())
    with pytest.raises(InputError, match="is empty"):
        read("")


def scenario(folder: Path, reference: str, *rows: str) -> Analytics:
    (folder / "t.csv").write_text(table(*rows))
    file = folder / "window.yaml"
    file.write_text(f"problem: cluster/analytics\ncores: 8\njobs: {reference}\n")
    found = load(file)
    assert isinstance(found, Analytics)
    return found


def test_a_scenario_scales_a_trace_and_divides_its_jobs(tmp_path: Path) -> None:
    found = scenario(tmp_path, "{kind: trace, path: t.csv, scale: 2.5, tasks: 3}", *ROWS)
    assert found.cores == 8
    assert [job.stages[0].tasks for job in found.jobs] == [(3334, 3333, 3333), (834, 833, 833)]


def test_jobs_of_many_medians_can_be_dropped(tmp_path: Path) -> None:
    rows = [f"w{k},{k},0,1,1,t,1,1,{work},u" for k, work in enumerate((10, 20, 30, 151, 150))]
    found = scenario(tmp_path, "{kind: trace, path: t.csv, drop_above: 5}", *rows)
    assert [job.name for job in found.jobs] == ["w0", "w1", "w2", "w4"]
    assert "jobs of more than 5 medians left out: 1" in found.remarks


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("{kind: trace, path: no.csv}", "jobs.path: .*no.csv: cannot be read"),
        ("{kind: trace, path: t.csv, scale: 0}", "scale"),
        ("{kind: trace, path: t.csv, tasks: 0}", "tasks"),
        ("{kind: trace, path: t.csv, cores: 3}", "cores"),
        ("{kind: table, path: t.csv}", "expected a list of jobs"),
        ("{kind: trace, path: t.csv}\ntime_unit: s", "times in such files are ms"),
    ],
)
def test_wrong_references_are_told(tmp_path: Path, reference: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        scenario(tmp_path, reference, *ROWS)

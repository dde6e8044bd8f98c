"""What event logs are read as: jobs, queries, users, cores, overheads."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings

from hocket.cluster.formats.eventlog import read
from hocket.cluster.model.analytics import Analytics, Job, Overheads, Stage
from hocket.cluster.policies.fifo import FIFO
from hocket.cluster.simulate.analytics import simulate
from hocket.core.errors import InputError
from hocket.core.load import load
from tests.cluster.formats.eventlogs import Log, recorded
from tests.cluster.simulate.analytics_cases import applications


def simple(cores: int | None = 2) -> Log:
    """Two jobs of two users: two stages, and one."""
    log = Log(cores=cores)
    log.job(0, 100, [(0, 2, []), (1, 1, [0])], user_name="ann", spark_job_description="report")
    log.stage(0, 105, 2)
    log.job(1, 150, [(2, 1, [])], spark_scheduler_pool="bob")
    log.stage(2, 155, 1)
    log.task(0, 0, 105, 30, held=33)
    log.task(0, 1, 105, 50, held=53)
    log.stage_done(0, 160, 2)
    log.stage(1, 168, 1)
    log.task(2, 0, 160, 20, held=23)
    log.stage_done(2, 190, 1)
    log.job_done(1, 190)
    log.task(1, 0, 190, 10, held=13)
    log.stage_done(1, 210, 1)
    log.job_done(0, 211)
    log.end()
    return log


def without_remarks(scenario: Analytics) -> Analytics:
    return msgspec.structs.replace(scenario, remarks=())


def test_a_log_is_read_as_its_jobs() -> None:
    found = read(simple().text)
    assert without_remarks(found) == Analytics(
        name="app",
        time_unit="ms",
        cores=2,
        overheads=Overheads(job=5, stage=8, task=3),
        jobs=(
            Job(
                name="job-0",
                user="ann",
                kind="report",
                stages=(
                    Stage(name="stage 0", tasks=(30, 50), divisible=False),
                    Stage(name="stage 1", tasks=(10,), after=(0,), divisible=False),
                ),
            ),
            Job(
                name="job-1",
                user="bob",
                arrival=50,
                stages=(Stage(name="stage 2", tasks=(20,), divisible=False),),
            ),
        ),
    )
    assert found.remarks == (
        "overheads are medians of the log: 5 ms for a job, 8 ms for a later stage, 3 ms for a task",
    )


@given(applications())
@settings(max_examples=150)
def test_a_simulated_run_that_is_logged_and_read_is_played_again_as_it_was(
    drawn: Analytics,
) -> None:
    """Under FIFO the log of a run, read and played again, ends every job when it ended before.

    Tasks take some time and jobs come one by one, so that no order is left to the log's ticks.
    """
    jobs = tuple(
        msgspec.structs.replace(
            job,
            name=f"job-{number}",
            after="",
            arrival=10 * job.arrival + number,
            stages=tuple(
                msgspec.structs.replace(stage, tasks=tuple(task + 1 for task in stage.tasks))
                for stage in job.stages
            ),
        )
        for number, job in enumerate(drawn.jobs)
    )
    later = any(stage.after for job in jobs for stage in job.stages)
    # What of the time before a stage is the driver's alone, no log says.
    overheads = msgspec.structs.replace(drawn.overheads, driver=0)
    if not later:
        overheads = msgspec.structs.replace(overheads, stage=0)
    scenario = msgspec.structs.replace(drawn, jobs=jobs, overheads=overheads, time_unit="ms")
    played = simulate(scenario, FIFO())
    again = read(recorded(scenario, played).text)
    start = min(job.arrival for job in jobs)
    assert (again.cores, again.overheads) == (scenario.cores, overheads)
    assert [(job.name, job.user, job.arrival + start) for job in again.jobs] == [
        (job.name, job.user, job.arrival) for job in sorted(jobs, key=lambda job: job.arrival)
    ]
    ends = {point.group: point.time - start for point in played.points("done")}
    assert {point.group: point.time for point in simulate(again, FIFO()).points("done")} == ends


# Queries


def query_log() -> Log:
    """A query of four jobs: two side by side, one after both, and one that reuses a shuffle."""
    log = Log()
    log.query(7, 100, "select 1")
    properties = {"spark_sql_execution_id": "7", "spark_jobGroup_id": "team"}
    log.job(0, 130, [(0, 2, [])], **properties)
    log.stage(0, 131, 2)
    log.job(1, 132, [(1, 1, [])], **properties)
    log.stage(1, 133, 1)
    log.task(0, 0, 131, 10)
    log.task(0, 1, 131, 10)
    log.stage_done(0, 141)
    log.job_done(0, 142)
    log.task(1, 0, 141, 40)
    log.stage_done(1, 181)
    log.job_done(1, 182)
    log.job(2, 200, [(2, 2, []), (3, 3, [2])], **properties)  # 2 is what 0 wrote: skipped
    log.stage(3, 201, 3)
    for k in range(3):
        log.task(3, k, 201, 5 + k)
    log.stage_done(3, 210)
    log.job_done(2, 211)
    log.job(3, 220, [(4, 3, []), (5, 1, [4])], **properties)
    log.stage(5, 221, 1)
    log.task(5, 0, 221, 9)
    log.stage_done(5, 230)
    log.job_done(3, 231)
    log.query_done(7, 240)
    return log


def test_the_jobs_of_a_query_are_one_job_and_later_parts_follow_earlier_ones() -> None:
    log = query_log()
    log.end()
    (job,) = read(log.text).jobs
    assert (job.name, job.user, job.kind) == ("query-7", "team", "select 1")
    assert [stage.tasks for stage in job.stages] == [(10, 10), (40,), (5, 6, 7), (9,)]
    assert [stage.after for stage in job.stages] == [(), (), (0, 1), (2,)]
    assert [stage.divisible for stage in job.stages] == [True, False, True, False]
    notes = " ".join(read(log.text).remarks)
    assert "serve the same query: 3" in notes and "output was there before: 2" in notes


def test_a_query_counts_from_its_start_and_nested_ones_belong_to_the_outermost() -> None:
    log = Log()
    log.job(9, 0, [(9, 1, [])])
    log.stage(9, 0, 1)
    log.task(9, 0, 0, 5)
    log.job_done(9, 5)
    for event in query_log().events[3:]:
        log.events.append(event)
    log.query(8, 300, "inner", root=7)
    log.job(4, 310, [(6, 1, [])], spark_sql_execution_id="8")
    log.stage(6, 311, 1)
    log.task(6, 0, 311, 4)
    log.job_done(4, 320)
    log.query_done(8, 321)
    log.query_done(7, 400)
    log.end()
    found = read(log.text)
    assert [job.name for job in found.jobs] == ["job-9", "query-7"]
    assert found.jobs[1].arrival == 100
    assert found.jobs[1].stages[-1].tasks == (4,) and found.jobs[1].stages[-1].after == (3,)


@pytest.mark.parametrize(
    ("error", "result", "kept"),
    [("", "JobFailed", True), ("boom", "JobSucceeded", False), (None, "JobFailed", False),
     (None, "JobSucceeded", True)],
)  # fmt: skip
def test_whether_a_query_failed_the_query_says_where_it_does(
    error: str | None, result: str, kept: bool
) -> None:
    log = simple()
    log.events.pop()
    log.query(0, 300)
    for number, ended in ((5, "JobSucceeded"), (6, result)):
        log.job(number, 301, [(number, 1, [])], spark_sql_execution_id="0")
        log.stage(number, 302, 1)
        log.task(number, 0, 302, 7)
        log.job_done(number, 310, ended)
    log.query_done(0, 311, error)
    log.end()
    found = {job.name: job for job in read(log.text).jobs}
    assert ("query-0" in found) is kept
    if kept:
        assert len(found["query-0"].stages) == (1 if result == "JobFailed" else 2)


def test_a_stage_that_jobs_share_belongs_to_the_first() -> None:
    log = Log()
    log.job(0, 0, [(0, 1, [])], user_name="a")
    log.job(1, 1, [(0, 1, []), (1, 1, [0])], user_name="b")
    log.stage(0, 2, 1)
    log.task(0, 0, 2, 5)
    log.stage_done(0, 7)
    log.job_done(0, 7)
    log.stage(1, 8, 1)
    log.task(1, 0, 8, 6)
    log.job_done(1, 14)
    log.end()
    found = read(log.text)
    assert [[s.tasks for s in job.stages] for job in found.jobs] == [[(5,)], [(6,)]]
    assert found.jobs[1].stages[0].after == ()


# Attempts


def test_only_the_first_success_of_a_partition_counts() -> None:
    log = Log()
    log.job(0, 0, [(0, 2, [])])
    log.stage(0, 1, 2)
    log.task(0, 0, 1, 99, reason="ExceptionFailure", Failed=True)
    log.task(0, 0, 1, 10)
    log.task(0, 1, 1, 77, reason="TaskKilled", Killed=True, Speculative=True)
    log.stage_done(0, 50, 2, failure="fetch failed")
    log.stage(0, 60, 1, attempt=1)
    log.task(0, 0, 60, 20, partition=1)  # the first of a new attempt is the second partition
    log.task(0, 1, 60, 30, partition=0)  # done again, as its output was lost
    log.stage_done(0, 90, 2)
    log.job_done(0, 91)
    log.end()
    found = read(log.text)
    assert found.jobs[0].stages[0].tasks == (10, 20)
    assert "attempts at tasks left out that were in vain: 3" in found.remarks


def test_partitions_need_not_begin_at_0_and_lost_tasks_are_made_up() -> None:
    log = Log()
    log.job(0, 0, [(0, 4, [])])  # take() asks for some partitions only
    log.stage(0, 1, 4)
    log.task(0, 0, 1, 10, partition=5)
    log.task(0, 2, 1, 30, partition=7)
    log.job_done(0, 40)
    log.end()
    found = read(log.text)
    assert found.jobs[0].stages[0].tasks == (10, 30, 20, 20)
    assert any(note.endswith("as others of their stage: 2") for note in found.remarks)


def test_the_result_is_fetched_when_the_core_is_free_again() -> None:
    log = simple()
    log.events = log.events[:3]
    log.job(0, 0, [(0, 1, [])])
    log.stage(0, 0, 1)
    log.task(0, 0, 0, 40, held=90, **{"Getting Result Time": 1_700_000_000_045})
    log.job_done(0, 90)
    found = read(log.text)
    assert found.jobs[0].stages[0].tasks == (40,) and found.overheads.task == 5


def test_a_task_without_metrics_was_at_work_all_the_time_and_clocks_may_go_backwards() -> None:
    log = Log()
    log.job(0, 0, [(0, 3, [])])
    log.stage(0, 0, 3)
    log.task(0, 0, 0, 0, held=50)
    log.task(0, 1, 0, 7, held=-3)
    log.task(0, 2, 0, 9, held=9)
    log.job_done(0, 60)
    del log.events[-6]["Task Metrics"]
    found = read(log.text)
    assert found.jobs[0].stages[0].tasks == (50, 0, 9)
    assert "tasks that end before they begin, taken as 0 ms: 1" in found.remarks


# Jobs and users


def test_jobs_without_user_have_one_that_says_so_and_the_surest_property_counts() -> None:
    log = Log()
    properties = (
        {"spark_jobGroup_id": "g", "spark_scheduler_pool": "p", "user_name": "u"},
        {"spark_jobGroup_id": "g", "spark_scheduler_pool": "p"},
        {"spark_jobGroup_id": "g"},
        {"spark_jobGroup_id": ""},
        {},
    )
    for number, given_ in enumerate(properties):
        log.job(number, number, [(number, 1, [])], **given_)
        log.stage(number, number, 1)
        log.task(number, 0, number, 5)
        log.job_done(number, number + 5)
    found = read(log.text)
    assert [job.user for job in found.jobs] == ["u", "p", "g", "no-user", "no-user"]
    assert any("no user" in note and note.endswith("'no-user': 2") for note in found.remarks)


def test_jobs_that_failed_or_did_not_end_or_ran_nothing_are_left_out_and_told() -> None:
    log = simple()
    log.events.pop()
    log.job(5, 300, [(8, 1, [])])
    log.stage(8, 300, 1)
    log.task(8, 0, 300, 5)
    log.job_done(5, 310, "JobFailed")
    log.job(6, 320, [(9, 1, [])])
    log.job(7, 330, [])
    log.job_done(7, 331)
    found = read(log.text)
    assert [job.name for job in found.jobs] == ["job-0", "job-1"]
    assert "jobs left out that failed, were cancelled or had not ended: 2" in found.remarks
    assert "jobs left out that ran no task: 1" in found.remarks
    assert "the application had not ended when the log was written" in found.remarks


# Cores


def test_cores_are_the_most_that_there_were_over_those_of_a_task() -> None:
    log = simple()
    log.executor("2", 4)
    log.executor_gone("1")
    log.executor("3", 3)
    log.executor_gone("7")
    assert read(log.text).cores == 7
    assert any("came and went" in note for note in read(log.text).remarks)
    requests = {"cpus": {"Resource Name": "cpus", "Amount": 2.0}}
    log.add(
        "SparkListenerResourceProfileAdded",
        **{"Resource Profile Id": 0, "Task Resource Requests": requests},
    )
    assert read(log.text).cores == 3


def test_without_executors_cores_are_the_tasks_that_ran_at_once() -> None:
    log = simple(cores=None)
    starts = [e for e in log.events if e["Event"] == "SparkListenerTaskStart"]
    others = [e for e in log.events if e["Event"] != "SparkListenerTaskStart"]
    first = next(i for i, e in enumerate(others) if e["Event"] == "SparkListenerTaskEnd")
    log.events = [*others[:first], *starts, *others[first:]]
    found = read(log.text)
    assert found.cores == 4
    assert any("4 tasks ran at once" in note for note in found.remarks)


@pytest.mark.parametrize(
    ("cores", "told"),
    [(0, "no cores for a task"), (-3, "has -3 cores"), (10**7, "at most 1000000")],
)
def test_zero_cores_and_other_nonsense_is_refused(cores: int, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(simple(cores).text)


def test_a_log_without_jobs_or_anything_is_refused() -> None:
    log = Log()
    with pytest.raises(InputError, match="no job in this log"):
        read(log.text)
    with pytest.raises(InputError, match="no executor and no task"):
        read(Log(cores=None).text)


# In structured files


def test_a_scenario_names_a_log_and_how_to_read_it(tmp_path) -> None:
    log = simple()
    log.job(2, 400, [(6, 1, [])], user_name="ann", team="blue")
    log.stage(6, 405, 1)
    log.task(6, 0, 405, 5)
    log.job_done(2, 411)
    (tmp_path / "log").write_text(log.text)
    file = tmp_path / "week.yaml"
    text = "problem: cluster/analytics\njobs: {kind: eventlog, path: log, sequential: true"
    file.write_text(text + "}\n")
    found = load(file)
    assert found.name == "week" and found.cores == 2
    chains = [(job.name, job.after, job.think, job.arrival) for job in found.jobs]
    assert chains == [("job-0", "", 0, 0), ("job-1", "", 0, 50), ("job-2", "job-0", 189, 0)]
    file.write_text(text + ", user: [team]}\ncores: 7\noverheads: {job: 1}\n")
    found = load(file)
    assert (found.cores, found.overheads) == (7, Overheads(job=1))
    assert [job.user for job in found.jobs] == ["no-user", "no-user", "blue"]


@pytest.mark.parametrize(
    ("jobs", "told"),
    [
        ("{path: log}", "jobs: expected a list of jobs, {kind: eventlog"),
        ("{kind: eventlog}", "path"),
        ("{kind: eventlog, path: nowhere}", "jobs.path: .*nowhere: cannot be read"),
        ("{kind: eventlog, path: log, users: [a]}", "users"),
        ("{kind: eventlog, path: log, application: other}", "there is no log of application"),
        ("{kind: eventlog, path: log, user: []}", "user"),
    ],
)
def test_wrong_references_are_told_where_they_stand(tmp_path, jobs: str, told: str) -> None:
    (tmp_path / "log").write_text(simple().text)
    file = tmp_path / "week.yaml"
    file.write_text(f"problem: cluster/analytics\njobs: {jobs}\n")
    with pytest.raises(InputError, match=told):
        load(file)

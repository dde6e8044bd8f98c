"""What orders Spark's stages and queues jobs, without Spark: over weeks, and when things fail."""

# ruff: noqa: N802  # names of Spark

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from hocket.cluster.live.spark import ranker as ranking_thread
from hocket.cluster.live.spark import ranking
from hocket.cluster.live.spark.book import Book, replay
from hocket.cluster.live.spark.events import KEPT, StageEvents
from hocket.cluster.live.spark.gate import SETTLING, Gate
from hocket.cluster.live.spark.job import LiveJob
from hocket.cluster.live.spark.ranker import Ranker
from hocket.cluster.live.spark.ranking import TaskSet, TaskSets
from hocket.cluster.policies.fifo import FIFO
from hocket.core.load import load_policy


class Manager:
    """A task set of Spark."""

    def __init__(self, stage, attempt=0, properties=None, job=0):
        self.stage, self.attempt, self.zombie, self.priority = stage, attempt, False, job
        self.properties = SimpleNamespace(getProperty=(properties or {}).get)

    def stageId(self):
        return self.stage

    def taskSet(self):
        return SimpleNamespace(
            stageAttemptId=lambda: self.attempt,
            properties=lambda: self.properties,
            priority=lambda: 40,
        )

    def isZombie(self):
        return self.zombie

    def numTasks(self):
        return 8

    def runningTasks(self):
        return 2

    def tasksSuccessful(self):
        return 1

    def __getattr__(self, name):
        assert name == "priority_$eq"
        return lambda rank: setattr(self, "priority", rank)


@pytest.fixture
def queue(monkeypatch):
    held: list[Manager] = []
    monkeypatch.setattr(
        ranking, "_queue", lambda context: SimpleNamespace(toArray=lambda: list(held))
    )
    return held


def test_another_attempt_of_a_stage_is_ranked_too(queue):
    sets = TaskSets(None)
    first, second = Manager(7, job=100), Manager(7, attempt=1, job=100)
    queue.append(first)
    sets.now()
    sets.rank([7])
    assert first.priority == -1
    first.zombie = True
    queue.insert(0, second)  # the zombie, whose last tasks still run, comes after it
    assert [one.attempt for one in sets.now()] == [1]
    sets.rank([7])
    assert second.priority == -1


def test_whose_a_task_set_is(queue):
    told = {"hocket.user": "ada", "spark.scheduler.pool": "all", "hocket.job": "3"}
    queue += [Manager(1, properties=told), Manager(2, properties={"spark.sql.execution.id": "9"})]
    mine, other = TaskSets(None).now()
    assert (mine.user, mine.job, mine.cause) == ("ada", 3, "job 40")
    assert (other.user, other.job, other.cause) == ("nobody", None, "query 9")


def task_set(stage, user="ada", job=None, cause="job 0"):
    return TaskSet(stage, 0, 4, 1, 0, user, job, cause)


class Sets:
    """What Spark runs, as the test says."""

    def __init__(self):
        self.found = []

    def now(self):
        return self.found

    def rank(self, stages):
        self.ranked = stages


def ranked(policy=None, clock=lambda: 0):
    book = Book(policy or load_policy("cluster/uwfq"), 2, record=True)
    ranker = Ranker(None, book, clock)
    ranker._sets = Sets()
    return ranker, book


def test_work_past_submit_is_forgotten_when_it_is_over(monkeypatch):
    monkeypatch.setattr(ranking_thread, "UNHEARD", -1.0)
    ranker, book = ranked()
    for stage in range(40):
        ranker._sets.found = [task_set(stage, cause=f"query {stage // 4}")]
        ranker._look()
        ranker._sets.found = []
        ranker._look()
        ranker._look()
    assert (book.jobs, book.view.jobs, ranker._others, ranker._gone) == ({}, [], {}, {})
    numbers = [line.detail[1] for line in book.noted if line.what == "submit"]
    assert max(numbers) < 0
    assert sum(line.what == "leave" for line in book.noted) >= 10


def test_one_query_is_one_job_while_it_lasts():
    ranker, book = ranked()
    ranker._sets.found = [task_set(1, cause="query 1"), task_set(2, cause="query 1")]
    ranker._look()
    ranker._sets.found = [task_set(3, cause="query 1"), task_set(4, cause="query 2")]
    ranker._look()
    jobs = [line.detail[1] for line in book.noted if line.what == "submit"]
    assert jobs == [-1, -1, -1, -2]


def test_a_job_leaves_after_its_stages_also_when_it_is_cancelled(monkeypatch):
    monkeypatch.setattr(ranking_thread, "UNHEARD", -1.0)
    ranker, book = ranked()
    job = LiveJob(0, "ada", print, kind="k", estimate=None, stop=print)
    ranker.admit(job, lambda _: None)
    ranker._sets.found = [task_set(1, job=0), task_set(2, job=0)]
    ranker._look()
    ranker.over(job)  # its future is done, and Spark has not heard of it
    ranker._look()
    ranker._sets.found = []
    ranker._look()
    ranker._look()
    told = [line.what for line in book.noted if line.what != "order"]
    assert told == ["submit", "submit", "finish", "finish", "leave"]
    assert (book.jobs, book._ended, ranker._jobs, ranker._over) == ({}, {}, {}, [])
    assert replay(book.noted, load_policy("cluster/uwfq"), 2) == []


def test_ends_that_nobody_asks_for_are_not_kept_for_ever():
    events = StageEvents(lambda: None)
    for stage in range(KEPT + 10):
        info = SimpleNamespace(
            stageId=lambda stage=stage: stage,
            taskMetrics=lambda: SimpleNamespace(executorRunTime=lambda: 5),
        )
        events.onStageCompleted(SimpleNamespace(stageInfo=lambda info=info: info))
    assert events.work(0) is None
    assert events.work(KEPT + 9) == 5
    assert len(events._work) < KEPT


class Failing(FIFO, frozen=True):
    """Fails when it is told of the first stage."""

    def begin(self, scenario, streams):
        class Decider:
            def submit(self, view, stage):
                raise RuntimeError("out of ideas")

        return Decider()


def test_a_queue_whose_policy_fails_lets_all_in():
    """Also those that it was about to look at."""
    gate = Gate(None, Book(Failing(), 2), lambda: 0)
    begun, all_in = [], threading.Event()

    def begin(job):
        begun.append(job.number)
        if len(begun) == 3:
            all_in.set()

    jobs = [LiveJob(k, "ada", print, kind="", estimate=None, stop=print) for k in range(3)]
    for job in jobs:
        gate.admit(job, begin)
    gate.start()
    assert all_in.wait(10)
    assert sorted(begun) == [0, 1, 2]
    assert "out of ideas" in gate.failed
    for job in jobs:
        gate.over(job)
    assert gate._over == []
    gate.close()


class Tracker:
    """Spark's status, as the test says."""

    def __init__(self, jobs, stages):
        self.jobs, self.stages = jobs, stages

    def getActiveStageIds(self):
        return list(self.stages)

    def getStageInfo(self, stage):
        return self.stages[stage]

    def getJobIdsForGroup(self, group):
        return [number for number, job in self.jobs.items() if job.group == group]

    def getJobInfo(self, number):
        return self.jobs[number]


@pytest.mark.parametrize(
    ("status", "stages", "waiting", "after", "room"),
    [
        (None, {}, 0, 0, False),  # it has just been let in
        (None, {}, 0, 1000, True),  # it may not use Spark at all
        ("RUNNING", {}, 0, 0, False),
        ("RUNNING", {5: 8}, 0, 0, True),  # all its tasks have cores
        ("RUNNING", {5: 8}, 3, 0, False),
        ("SUCCEEDED", {}, 0, 0, True),
    ],
)
def test_another_job_is_let_in_once_the_last_one_is_seen(status, stages, waiting, after, room):
    job = LiveJob(0, "ada", print, kind="", estimate=None, stop=print)
    jobs = {}
    if status:
        jobs[1] = SimpleNamespace(group=job.group, status=status, stageIds=[5, 6])
    running = {
        stage: SimpleNamespace(numTasks=tasks, numCompletedTasks=0, numActiveTasks=tasks - waiting)
        for stage, tasks in stages.items()
    }
    context = SimpleNamespace(statusTracker=lambda: Tracker(jobs, running))
    gate = Gate(context, Book(FIFO(), 2), lambda: 0)
    gate._inside[0] = (job, 0)
    assert gate._room(after) is room
    assert SETTLING * 1000 < 1000

"""Fair sharing on the Spark that is released, in local mode; skipped without PySpark or Java."""

from __future__ import annotations

import shutil
import statistics
import threading
import time
from concurrent.futures import CancelledError

import pytest

from hocket.core.errors import UserError
from hocket.core.load import load_policy

pytest.importorskip("pyspark")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java, which is not installed", allow_module_level=True)

from hocket.cluster.live.spark import UserFairness
from hocket.cluster.live.spark.book import replay

pytestmark = pytest.mark.slow

NAP = 40
"""Milliseconds of a task. It sleeps in the JVM, so that a busy machine changes little."""


def session(**settings):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.log.level", "OFF")
    for key, value in settings.items():
        builder = builder.config(key.replace("__", "."), value)
    made = builder.getOrCreate()
    naps(1)(made)  # what is compiled once is compiled now
    return made


@pytest.fixture(scope="module")
def spark():
    made = session()
    yield made
    made.stop()


def naps(tasks, milliseconds=NAP):
    """A job of so many tasks, each of which sleeps; its result is their number."""

    def work(spark):
        asleep = f"java_method('java.lang.Thread', 'sleep', {milliseconds}L) as nap"
        return len(spark.range(0, tasks, 1, tasks).selectExpr(asleep).collect())

    return work


def uwfq():
    return load_policy("cluster/uwfq")


# Two heavy users submit three jobs of 24 tasks each at once; a light one submits small jobs after.

HEAVY, LIGHT = 24, 2


def scenario(submit):
    """Run the workload through ``submit(user, tasks, done)``; mean responses by user, seconds."""
    responses: dict[str, list[float]] = {}
    lock = threading.Lock()

    def sent(user, tasks):
        begun = time.monotonic()

        def done():
            with lock:
                responses.setdefault(user, []).append(time.monotonic() - begun)

        return submit(user, tasks, done)

    waiting = [sent(user, HEAVY) for _ in range(3) for user in ("ada", "bob")]
    for _ in range(3):
        time.sleep(0.3)
        waiting.append(sent("eve", LIGHT))
    for join in waiting:
        join()
    return {user: statistics.mean(found) for user, found in responses.items()}


def plainly(spark):
    """Jobs as Spark orders them by itself, one thread each."""
    from pyspark import InheritableThread

    def submit(user, tasks, done):
        def run():
            naps(tasks)(spark)
            done()

        thread = InheritableThread(target=run)
        thread.start()
        return thread.join

    return scenario(submit)


def fairly(spark, **options):
    with UserFairness(spark, uwfq(), **options) as fairness:

        def submit(user, tasks, done):
            job = fairness.submit(
                user, naps(tasks), kind=f"naps {tasks}", estimate=tasks * NAP / 1000
            )
            job.add_done_callback(lambda _: done())
            return job.result

        found = scenario(submit)
        assert fairness.failed == ""
    return found


@pytest.fixture(scope="module")
def fifo(spark):
    return plainly(spark)


@pytest.mark.parametrize("level", ["live", "public"])
def test_the_light_user_is_served_sooner_than_by_fifo(spark, fifo, level):
    fair = fairly(spark, level=level)
    assert fair["eve"] < 0.7 * fifo["eve"]
    assert statistics.mean(fair.values()) < 1.3 * statistics.mean(fifo.values())


def test_results_and_exceptions_reach_who_submitted_them(spark):
    def wrong(spark):
        return spark.sql("select assert_true(false)").collect()

    with UserFairness(spark, uwfq()) as fairness:
        assert fairness.level == "live"
        assert fairness.why == ""
        right = [fairness.submit("ada", naps(n, 1)) for n in (1, 3, 5)]
        failing = fairness.submit("bob", wrong)
        broken = fairness.submit("bob", lambda spark: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            broken.result(timeout=60)
        with pytest.raises(Exception, match=r"assert_true|USER_RAISED|false"):
            failing.result(timeout=60)
        assert [job.result(timeout=60) for job in right] == [1, 3, 5]
        after = fairness.submit("bob", naps(2, 1))
        assert after.result(timeout=60) == 2


@pytest.mark.parametrize("level", ["live", "public"])
def test_cancelled_jobs_leave_no_queue_stuck(spark, level):
    with UserFairness(spark, uwfq(), level=level) as fairness:
        long = fairness.submit("ada", naps(400))
        waiting = fairness.submit("ada", naps(400))
        time.sleep(0.5)
        assert waiting.cancel()
        assert long.cancel()
        for job in (long, waiting):
            with pytest.raises(CancelledError):
                job.result(timeout=60)
        assert not long.cancel()
        assert fairness.submit("bob", naps(2, 1)).result(timeout=60) == 2
    assert fairness.failed == ""


def test_an_error_inside_the_block_cancels_what_runs(spark):
    with pytest.raises(KeyError), UserFairness(spark, uwfq()) as fairness:
        job = fairness.submit("ada", naps(2000))
        raise KeyError("ours")
    assert job.done()
    with pytest.raises(UserError, match="closed"):
        fairness.submit("ada", naps(1))


def test_the_decisions_were_the_policys_alone(spark):
    with UserFairness(spark, uwfq(), record=True) as fairness:
        jobs = [
            fairness.submit(user, naps(tasks), kind="naps", estimate=tasks * NAP / 1000)
            for user, tasks in (("ada", 12), ("bob", 8), ("ada", 6), ("eve", 2))
        ]
        assert [job.result(timeout=60) for job in jobs] == [12, 8, 6, 2]
    asked = {line.what for line in fairness.decisions}
    assert asked == {"submit", "order", "finish", "leave"}
    assert replay(fairness.decisions, uwfq(), fairness.cores) == []
    # A record of other decisions does not pass for what the policy would do.
    other = [
        line._replace(answer=(*line.answer, -1)) if line.what == "order" else line
        for line in fairness.decisions
    ]
    orders = sum(line.what == "order" for line in other)
    assert len(replay(other, uwfq(), fairness.cores)) == orders > 0


def test_work_past_submit_is_ordered_by_its_pool(spark):
    with UserFairness(spark, uwfq(), record=True) as fairness:
        spark.sparkContext.setLocalProperty("spark.scheduler.pool", "eve")
        try:
            assert naps(150)(spark) == 150
        finally:
            spark.sparkContext.setLocalProperty("spark.scheduler.pool", None)
    assert fairness.failed == ""
    users = {line.detail[3] for line in fairness.decisions if line.what == "submit"}
    assert users == {"eve"}


def test_nothing_listens_any_more_when_the_block_is_left(spark):
    listeners = spark.sparkContext._jsc.sc().listenerBus().listeners()
    before = listeners.size()
    with UserFairness(spark, uwfq(), level="live") as fairness:
        job = fairness.submit("ada", naps(3))
        assert job.result(timeout=60) == 3
        until = time.monotonic() + 30
        while not job.done_work:  # told by the listener
            assert time.monotonic() < until
            time.sleep(0.02)
    assert job.done_work >= 3 * NAP
    assert listeners.size() == before


def test_runtime_partitioning_uses_a_session_of_its_own(spark):
    def partitions(session):
        return session.conf.get("spark.sql.shuffle.partitions")

    cut = load_policy("cluster/uwfq", partition=0.5)
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    with UserFairness(spark, cut) as fairness:
        fine = fairness.submit("ada", partitions, estimate=12.0)
        assert fine.result(timeout=60) == "24"
        coarse = fairness.submit("ada", partitions, estimate=0.6)
        assert coarse.result(timeout=60) == "2"
        zone = fairness.submit(
            "ada", lambda own: own.conf.get("spark.sql.session.timeZone"), estimate=12.0
        )
        assert zone.result(timeout=60) == "Asia/Tokyo"
        unknown = fairness.submit("ada", partitions)
        assert unknown.result(timeout=60) == spark.conf.get("spark.sql.shuffle.partitions")

    with UserFairness(spark, uwfq()) as fairness:
        same = fairness.submit("ada", lambda own: own is spark, estimate=12.0)
        assert same.result(timeout=60)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda f: f.submit("", naps(1)), "name of its user"),
        (lambda f: f.submit(None, naps(1)), "name of its user"),
        (lambda f: f.submit("ada", naps(1), estimate=-1), "core-seconds"),
        (lambda f: f.submit("ada", naps(1), estimate=float("nan")), "core-seconds"),
    ],
)
def test_bad_submissions_are_refused(spark, call, told):
    with UserFairness(spark, uwfq()) as fairness, pytest.raises(UserError, match=told):
        call(fairness)


def test_bad_policies_are_refused(spark):
    with pytest.raises(UserError, match="does not order the jobs of users"):
        UserFairness(spark, "shop/spt")
    with pytest.raises(UserError, match="choose history or given"):
        UserFairness(spark, load_policy("cluster/uwfq", estimates={"kind": "noisy"}))
    with pytest.raises(UserError, match="Spark Connect"):
        UserFairness(object(), uwfq())


def test_an_unknown_version_falls_back_to_what_is_public(spark, monkeypatch):
    from hocket.cluster.live.spark import ranking

    monkeypatch.setattr(ranking, "KNOWN", ("2.4",))
    with UserFairness(spark, uwfq()) as fairness:
        assert fairness.level == "public"
        assert "none of the versions" in fairness.why
        assert fairness.submit("ada", naps(2, 1)).result(timeout=60) == 2
    with pytest.raises(UserError, match="none of the versions"):
        UserFairness(spark, uwfq(), level="live")


@pytest.mark.parametrize("level", ["live", "public"])
def test_a_policy_that_fails_holds_nobody_up(spark, level):
    from hocket.cluster.policies.fifo import FIFO

    class Failing(FIFO, frozen=True):
        def begin(self, scenario, streams):
            class Decider:
                def submit(self, view, stage):
                    return None

                def order(self, view):
                    raise RuntimeError("out of ideas")

                def finish(self, view, stage, work):
                    pass

            return Decider()

    with UserFairness(spark, Failing(), level=level) as fairness:
        jobs = [fairness.submit("ada", naps(6)) for _ in range(3)]
        assert [job.result(timeout=60) for job in jobs] == [6, 6, 6]
    assert "out of ideas" in fairness.failed


def test_the_light_user_is_served_sooner_than_by_fair(spark, fifo):
    """Last: it needs a context of its own, in Spark's mode FAIR."""
    fair_users = fairly(spark)
    spark.stop()
    other = session(spark__scheduler__mode="FAIR")
    try:
        fair_stages = plainly(other)
        assert fair_users["eve"] < 0.8 * fair_stages["eve"]
        with UserFairness(other, uwfq()) as fairness:
            assert fairness.level == "public"
            assert "FAIR" in fairness.why
            assert fairness.submit("ada", naps(2, 1)).result(timeout=60) == 2
    finally:
        other.stop()

"""What goes wrong while users share a SparkSession: nobody waits for ever; errors say why.

On real Spark in local mode; skipped without PySpark or Java.
"""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import CancelledError

import pytest

from hocket.core.errors import UserError

pytest.importorskip("pyspark")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java, which is not installed", allow_module_level=True)

from hocket.cluster.live.spark import UserFairness
from tests.cluster.live.test_spark import naps, session

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def spark():
    made = session()
    yield made
    made.stop()


@pytest.mark.parametrize("level", ["live", "public"])
def test_a_job_in_a_group_of_its_own_can_be_cancelled(spark, level):
    def work(own):
        own.sparkContext.setJobGroup("mine", "a group of the user's")
        return naps(2, 3_000)(own)

    with UserFairness(spark, level=level) as fairness:
        job = fairness.submit("ada", work)
        time.sleep(0.5)
        assert job.cancel()
        with pytest.raises(CancelledError):
            job.result(timeout=30)


@pytest.mark.parametrize("level", ["live", "public"])
def test_what_a_cancelled_job_starts_later_is_stopped_too(spark, level):
    def work(own):
        time.sleep(0.5)  # nothing of it runs when it is cancelled
        return naps(2, 3_000)(own)

    with UserFairness(spark, level=level) as fairness:
        job = fairness.submit("ada", work)
        time.sleep(0.1)
        assert job.cancel()
        with pytest.raises(CancelledError):
            job.result(timeout=30)


@pytest.mark.parametrize("level", ["live", "public"])
def test_jobs_may_submit_jobs(spark, level):
    with UserFairness(spark, level=level) as fairness:

        def work(own):
            return sum(fairness.submit("bob", naps(2, 1)).result(timeout=60) for _ in range(2))

        jobs = [fairness.submit("ada", work) for _ in range(2)]
        assert [job.result(timeout=60) for job in jobs] == [4, 4]
    assert fairness.failed == ""


def test_one_fairness_at_a_time_and_one_block_each(spark):
    with UserFairness(spark) as fairness:
        with pytest.raises(UserError, match="another UserFairness"), UserFairness(spark):
            pass
        assert fairness.submit("ada", naps(1, 1)).result(timeout=60) == 1
    with pytest.raises(UserError, match="make another"), fairness:
        pass
    with UserFairness(spark) as again:
        assert again.submit("ada", naps(1, 1)).result(timeout=60) == 1


def test_what_cannot_be_is_refused(spark, monkeypatch):
    with pytest.raises(UserError, match="one of auto, live, public"):
        UserFairness(spark, level="fast")
    with UserFairness(spark) as fairness, pytest.raises(UserError, match="not int"):
        fairness.submit("ada", 5)
    monkeypatch.setenv("PYSPARK_PIN_THREAD", "false")
    with pytest.raises(UserError, match="PYSPARK_PIN_THREAD"):
        UserFairness(spark)


@pytest.mark.parametrize("level", ["live", "public"])
def test_a_thread_that_dies_before_its_work_ends_the_job(spark, level, monkeypatch):
    """As one of PySpark's does when the context is stopped just after its start."""

    class Stillborn(threading.Thread):
        def run(self):
            raise RuntimeError("no properties")

    with UserFairness(spark, level=level) as fairness:
        monkeypatch.setattr("pyspark.InheritableThread", Stillborn)
        job = fairness.submit("ada", naps(1, 1))
        with pytest.raises(RuntimeError, match="no properties"):
            job.result(timeout=60)


@pytest.mark.parametrize("level", ["live", "public"])
def test_a_context_that_is_stopped_holds_nobody_up(spark, level):
    """Last: it stops the session."""
    own = session()
    with UserFairness(own, level=level) as fairness:
        jobs = [fairness.submit(user, naps(2, 60_000)) for user in ("ada", "bob", "eve")]
        time.sleep(0.5)
        own.stop()
        jobs.append(fairness.submit("ada", naps(2, 1)))
    assert all(job.exception(timeout=30) is not None for job in jobs)
    with pytest.raises(UserError, match="stopped"):
        jobs[-1].result()
    with pytest.raises(UserError, match="stopped"):
        UserFairness(own)

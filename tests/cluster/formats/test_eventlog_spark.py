"""Event logs that real Spark has just written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hocket.cluster.check.analytics import check
from hocket.cluster.model.analytics import Analytics
from hocket.cluster.policies.uwfq import UWFQ
from hocket.cluster.simulate.analytics import simulate
from hocket.core.load import load
from tests.cluster.formats import spark_session

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("codec", ["zstd", "lz4", "snappy"])
def test_a_log_of_real_spark(tmp_path: Path, codec: str) -> None:
    pytest.importorskip("pyspark")
    pytest.importorskip("pyarrow")
    if shutil.which("java") is None:
        pytest.skip("there is no Java")
    command = [sys.executable, spark_session.__file__, str(tmp_path), codec]
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    scenario = load(tmp_path)
    assert isinstance(scenario, Analytics)
    assert (scenario.name, scenario.cores) == ("shared", 2)
    users = [job.user for job in scenario.jobs]
    assert {user: users.count(user) for user in users} == {"ann": 3, "bob": 3}
    queries = [job for job in scenario.jobs if job.name.startswith("query")]
    assert len(queries) == 2 and all(len(query.stages) >= 2 for query in queries)
    for query in queries:
        assert query.stages[0].after == () and query.stages[-1].after
    plain = [job for job in scenario.jobs if job.name.startswith("job")]
    assert max(len(job.stages[0].tasks) for job in plain) == 3
    assert scenario.jobs[0].arrival == 0
    left_out = "jobs left out that failed, were cancelled or had not ended: 1"
    assert left_out in scenario.remarks
    assert not any("cut off" in note or "had not ended when" in note for note in scenario.remarks)
    timeline = simulate(scenario, UWFQ())
    assert check(scenario, timeline) == []
    work = sum(job.work for job in scenario.jobs)
    assert 100 < work < 240_000

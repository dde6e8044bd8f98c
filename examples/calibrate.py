"""A cost model from an ordinary request log: what iterations cost, which no log says.

The log is made here, by a cluster whose costs are known, so that the answer can be looked at. The
model is fitted to the first half of the log; the errors are those on the second.
"""

import csv
import tempfile
from pathlib import Path

import hocket
from hocket.serving.calibrate import from_log
from hocket.serving.formats.measured import read_measured
from hocket.serving.metrics import requests_table
from hocket.serving.model.cluster import Cluster, Pool

KNOWN = {"base": 0.012, "per_token": 9e-5, "per_decode": 6e-5}
SERVICE = {
    "problem": "serving/cluster",
    "workload": {
        "kind": "random",
        "count": 240,
        "arrivals": {"kind": "rate", "rate": 5},
        "lengths": {
            "kind": "separate",
            "prompt": {"kind": "lognormal", "median": 1000, "p90": 3000, "cap": 7000},
            "output": {"kind": "lognormal", "median": 200, "p90": 500, "cap": 1000},
        },
    },
    "pools": [{"model": "llama-3.1-8b", "gpu": "A100-80GB", "cost": {"kind": "linear", **KNOWN}}],
}


def write_log(path: Path) -> None:
    """What a front end would have written: when each request came and was answered."""
    service = hocket.load(SERVICE)
    assert isinstance(service, Cluster)
    table = requests_table(service, hocket.run(service, "serving/vllm-v1").timeline)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("arrival", "prompt", "output", "first_token", "last_token"))
        columns = (table.arrival, table.prompt, table.output, table.first, table.finish)
        rows.writerows(zip(*(column.tolist() for column in columns), strict=True))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_log(Path(folder) / "requests.csv")
        log = read_measured(Path(folder) / "requests.csv")
    served = Pool(model="llama-3.1-8b", gpu="A100-80GB")
    found = from_log(log, served, hocket.load_policy("serving/vllm-v1"))
    print(f"fitted to {found.meta['fitted']} of {found.meta['requests']} requests")
    for name in ("base", "per_token", "per_decode"):
        known, fitted = 1e6 * KNOWN[name], 1e6 * getattr(found.cost, name)
        print(f"  {name:10}  is {known:6.0f} us, found as {fitted:6.0f} us")
    print("errors on the others:")
    for error in found.errors:
        if error.statistic in ("mean", "p99"):
            print(f"  {error.metric:4} {error.statistic:4}  {error.error:+.0%}")

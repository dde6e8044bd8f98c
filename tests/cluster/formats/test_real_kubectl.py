"""Against the real kubectl, which reads objects into Kubernetes' own types without any cluster."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hocket.cluster.formats import kubectl
from hocket.cluster.formats.kubernetes import pod_of
from hocket.cluster.formats.kubernetes_write import write
from hocket.cluster.formats.quantities import quantity
from hocket.cluster.model.pods import Pods
from tests.cluster.formats.objects import listed, node
from tests.cluster.formats.test_manifests import SHOP
from tests.cluster.formats.test_quantities import GOLDEN, LARGE

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def through(objects: Any, home: Path) -> subprocess.CompletedProcess[str]:
    """The pods among the objects, read and written by kubectl, which gives them a variable."""
    command = ["kubectl", "set", "env", "--local", "-f", "-", "READ=yes", "-o", "json"]
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    return subprocess.run(
        command,
        input=json.dumps(objects),
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )


def asking(texts: list[str]) -> dict[str, Any]:
    requests = {f"r{i}": text for i, text in enumerate(texts)}
    containers = [{"name": "c", "image": "x", "resources": {"requests": requests}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": containers},
    }


def test_it_reads_the_same_quantities(tmp_path: Path) -> None:
    """Exponents of nine digits are left out: it computes them for minutes."""
    texts = [text for text, *_ in (*GOLDEN, *LARGE) if "999999999" not in text]
    done = through(asking(texts), tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["spec"]["containers"][0]["resources"]["requests"]
    for i, text in enumerate(texts):
        assert quantity(found[f"r{i}"]) == quantity(text), text


@pytest.mark.parametrize("text", ["12 GB", "1gb", "1GiB", "1K", "1e", "1ee3", "1i", "1,5", "٣"])
def test_it_refuses_the_same_quantities(text: str, tmp_path: Path) -> None:
    done = through(asking([text]), tmp_path)
    assert done.returncode != 0
    assert "quantit" in done.stderr
    with pytest.raises(ValueError, match=r"quantity|unit"):
        quantity(text)


def test_it_knows_every_field_that_is_written(tmp_path: Path) -> None:
    """Fields that Kubernetes does not know would be lost on the way."""
    cluster = kubectl.read(SHOP, "shop.yaml")
    objects = [one for one in json.loads(write(cluster))["items"] if one["kind"] == "Pod"]
    done = through(listed(*objects), tmp_path)
    assert done.returncode == 0, done.stderr
    decoder = json.JSONDecoder()
    found, rest = [], done.stdout
    while rest.strip():
        item, end = decoder.raw_decode(rest.lstrip())
        found += item.get("items", [item])
        rest = rest.lstrip()[end:]
    again = kubectl.read(write(cluster), "x")
    assert tuple(pod_of(one) for one in found) == again.pods
    assert isinstance(kubectl.read(json.dumps(listed(node(), *found)), "x"), Pods)

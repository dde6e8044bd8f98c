"""Workloads of manifests, expanded into the pods that their controllers would make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import hocket
from hocket.cluster.formats import kubectl
from hocket.cluster.model.labels import Expression, selects
from hocket.cluster.model.pods import Pods
from hocket.cluster.model.rules import Spread, Term
from hocket.core.errors import InputError
from tests.cluster.formats.objects import Data, container, listed, node, pod

SHOP = """\
# Copyright nobody
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: front}
value: 100
---
apiVersion: v1
kind: Node
metadata:
  name: a
  labels: {topology.kubernetes.io/zone: west}
status: {allocatable: {cpu: 4, memory: 8Gi, pods: 110}}
---
apiVersion: v1
kind: Node
metadata:
  name: b
  labels: {topology.kubernetes.io/zone: east}
spec:
  taints: [{key: gpu, effect: NoSchedule}]
status: {allocatable: {cpu: 8, memory: 32Gi, pods: 110, nvidia.com/gpu: 4}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
    spec:
      priorityClassName: front
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {matchLabels: {app: web}}
      containers:
        - name: web
          image: nginx
          resources:
            requests: {cpu: 250m, memory: 128Mi}
            limits: {memory: 256Mi}
          ports: [{containerPort: 80}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  serviceName: db
  replicas: 2
  template:
    metadata: {labels: {app: db}}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - labelSelector: {matchLabels: {app: db}}
              topologyKey: kubernetes.io/hostname
      containers: [{name: db, resources: {requests: {cpu: 1, memory: 2Gi}}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: logs, namespace: kube-system}
spec:
  template:
    metadata: {labels: {app: logs}}
    spec:
      priorityClassName: system-node-critical
      containers: [{name: logs, resources: {requests: {cpu: 50m}}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: train, namespace: ml}
spec:
  parallelism: 4
  completions: 2
  template:
    spec:
      restartPolicy: Never
      tolerations: [{key: gpu, operator: Exists}]
      containers: [{name: train, resources: {limits: {nvidia.com/gpu: 1}}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {minAvailable: 50%, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}]}
"""


def test_a_file_of_many_kinds(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP)
    found = hocket.load(path)
    assert isinstance(found, Pods)
    by_key = {pod.key: pod for pod in found.pods}
    assert list(by_key) == [
        "shop/web-0",
        "shop/web-1",
        "shop/web-2",
        "shop/db-0",
        "shop/db-1",
        "kube-system/logs-a",
        "ml/train-0",
        "ml/train-1",
    ]
    web, db, logs = by_key["shop/web-0"], by_key["shop/db-1"], by_key["kube-system/logs-a"]
    assert (web.owner, web.priority, web.protected) == ("Deployment/web", 100, False)
    assert web.requests == {"milli_cpu": 250, "memory": 128 * 2**20}
    app = (Expression(key="app", values=("web",)),)
    zone = "topology.kubernetes.io/zone"
    assert web.spread == (Spread(topology=zone, selector=app, hard=False),)
    assert db.apart == (Term(selector=(Expression(key="app", values=("db",)),)),)
    assert db.labels["statefulset.kubernetes.io/pod-name"] == "db-1"
    assert (logs.priority, logs.protected) == (2_000_001_000, True)
    assert [selects(logs.selector, one.described) for one in found.nodes] == [True, False]
    assert by_key["ml/train-0"].requests == {"nvidia.com/gpu": 1}
    assert (found.budgets[0].min_available, found.budgets[0].selector) == ("50%", app)
    assert found.notes() == ("left out: objects of kind Service (1)",)


def workload(kind: str = "Deployment", name: str = "web", **spec: Any) -> Data:
    template = {"spec": {"containers": [container()]}}
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": template, **spec},
    }


def read(*items: Data) -> Pods:
    snapshot = kubectl.Snapshot("x")
    snapshot.take(listed(*items), "")
    return snapshot.scenario()


def keys(cluster: Pods) -> list[str]:
    return [pod.key for pod in cluster.pods]


@pytest.mark.parametrize(
    "kind", ["Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"]
)
def test_replicas(kind: str) -> None:
    assert keys(read(node(), workload(kind))) == ["shop/web-0"], "one if nothing is said"
    assert keys(read(node(), workload(kind, replicas=0))) == []
    found = read(node(), workload(kind, replicas=2))
    assert [pod.owner for pod in found.pods] == [f"{kind}/web"] * 2


def test_jobs_run_no_more_than_they_complete() -> None:
    assert len(read(node(), workload("Job")).pods) == 1
    assert len(read(node(), workload("Job", parallelism=3)).pods) == 3
    assert len(read(node(), workload("Job", parallelism=3, completions=2)).pods) == 2
    assert len(read(node(), workload("Job", completions=5)).pods) == 1


def test_a_daemon_set_goes_where_it_may() -> None:
    tainted = node("tainted", taints=[{"key": "x", "effect": "NoSchedule"}])
    soft = node("soft", taints=[{"key": "x", "effect": "PreferNoSchedule"}])
    cordoned = node("cordoned", unschedulable=True)
    plain = node("plain")
    plain["metadata"]["labels"] = {"disk": "ssd"}
    nodes = tainted, soft, cordoned, plain
    daemon = workload("DaemonSet", name="d")
    assert keys(read(*nodes, daemon)) == ["shop/d-soft", "shop/d-plain"]
    daemon["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]
    assert keys(read(*nodes, daemon)) == ["shop/d-tainted", "shop/d-soft", "shop/d-plain"]
    daemon["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    assert keys(read(*nodes, daemon)) == ["shop/d-plain"]


def test_of_a_live_cluster_only_the_pods_count() -> None:
    deployment, replicas = workload(replicas=2), workload("ReplicaSet", name="web-5d9c", replicas=2)
    replicas["metadata"] |= {
        "uid": "2",
        "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": True}],
    }
    deployment["metadata"]["uid"] = "1"
    found = read(node(), deployment, replicas, pod("web-5d9c-x"))
    assert keys(found) == ["shop/web-5d9c-x"]
    assert found.notes() == (
        "left out: workloads of kind Deployment, whose pods count (1)",
        "left out: workloads of kind ReplicaSet, whose pods count (1)",
    )
    assert keys(read(node(), deployment, replicas)) == ["shop/web-0", "shop/web-1"]
    assert keys(read(node(), replicas)) == ["shop/web-5d9c-0", "shop/web-5d9c-1"]


def test_manifests_join_a_snapshot() -> None:
    """What a cluster would do with something new."""
    assert keys(read(node(), pod("p0", node="n0"), workload())) == ["shop/p0", "shop/web-0"]


def test_manifests_may_stand_behind_a_snapshot_in_json(tmp_path: Path) -> None:
    path = tmp_path / "both.yaml"
    snapshot = json.dumps(listed(node(), pod("p0", node="n0")), indent=4)
    path.write_text(snapshot + "\n---\n" + yaml.safe_dump(workload()))
    found = hocket.load(path)
    assert isinstance(found, Pods)
    assert keys(found) == ["shop/p0", "shop/web-0"]
    path.write_text(path.read_text().replace("100m", "1 core"))
    with pytest.raises(InputError) as caught:
        hocket.load(path)
    places = [problem.line for problem in caught.value.problems]
    assert len(places) == 2
    lines = path.read_text().splitlines()
    assert all(line and "1 core" in lines[line - 1] for line in places)


def test_a_manifest_of_pods_that_are_there_adds_none() -> None:
    found = read(node(), pod("db-1", node="n0"), workload("StatefulSet", name="db", replicas=3))
    assert keys(found) == ["shop/db-1", "shop/db-0", "shop/db-2"]
    assert found.notes() == ("left out: records of pods that stand there already (1)",)
    assert keys(read(node(), workload(), workload())) == ["shop/web-0"]


def test_the_default_class_and_what_a_template_says_itself() -> None:
    usual = {"kind": "PriorityClass", "metadata": {"name": "u"}, "value": 5, "globalDefault": True}
    first, second = workload(name="a"), workload(name="b")
    second["spec"]["template"]["spec"]["priority"] = 9
    assert [p.priority for p in read(usual, node(), first, second).pods] == [5, 9]


def test_problems_of_templates_are_told_under_their_path() -> None:
    wrong = workload(replicas=-1)
    wrong["spec"]["template"]["spec"]["containers"] = [container("lots")]
    bare = {"kind": "Job", "metadata": {}, "spec": {}}
    with pytest.raises(InputError) as caught:
        read(node(), wrong, bare)
    assert [problem.path for problem in caught.value.problems] == [
        "items[1].spec.replicas",
        "items[1].spec.template.spec.containers[0].resources.requests.cpu",
        "items[2].spec.template",
        "items[2].metadata.name",
    ]
    assert "(Deployment shop/web)" in caught.value.problems[0].message


def test_too_many_replicas_are_refused() -> None:
    with pytest.raises(InputError, match="from 0 to 100000"):
        read(node(), workload(replicas=10**9))

"""A small conforming Kubernetes API server in memory, to test clients of the API against.

It serves discovery, list and watch by resourceVersion, create, get, update, patch and delete,
``/status``, ``/binding`` and ``/eviction`` over HTTP, authorises by RBAC manifests, records every
call, and makes the faults that tests order. A few controllers make the cluster live.

    with serving(node("n0"), pod("p")) as server:
        client.CoreV1Api(server.client()).list_namespaced_pod("default")
        server.faults.status(503, verb="create", resource="pods/binding", times=2)
"""

from tests.cluster.live.apiserver.errors import ApiError, Json
from tests.cluster.live.apiserver.objects import budget, node, nodes, pod, replicaset, spec
from tests.cluster.live.apiserver.server import ADMIN_TOKEN, ApiServer, serving

__all__ = [
    "ADMIN_TOKEN",
    "ApiError",
    "ApiServer",
    "Json",
    "budget",
    "node",
    "nodes",
    "pod",
    "replicaset",
    "serving",
    "spec",
]

"""The kinds of objects that the server knows, and under which groups and versions."""

from __future__ import annotations

from dataclasses import dataclass

ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Resource:
    """A kind of objects. `fields` can be selected by, besides name and namespace."""

    group: str
    versions: tuple[str, ...]
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL

    @property
    def name(self) -> str:
        """As messages and rules write it: ``pods``, ``replicasets.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.nominatedNodeName",
    "status.phase",
    "status.podIP",
)
_EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.fieldPath",
    "involvedObject.resourceVersion",
    "reason",
    "source",
    "type",
)
_REVIEW = ("create",)


def _core(plural: str, kind: str, *short: str, cluster: bool = False, **more: object) -> Resource:
    return Resource("", ("v1",), plural, kind, not cluster, short, **more)  # type: ignore[arg-type]


def _apps(plural: str, kind: str, short: str) -> Resource:
    return Resource("apps", ("v1",), plural, kind, True, (short,), ("status",))


def _rbac(plural: str, kind: str, namespaced: bool) -> Resource:
    return Resource("rbac.authorization.k8s.io", ("v1",), plural, kind, namespaced)


def _storage(plural: str, kind: str, namespaced: bool = False) -> Resource:
    return Resource("storage.k8s.io", ("v1",), plural, kind, namespaced)


RESOURCES: tuple[Resource, ...] = (
    _core("namespaces", "Namespace", "ns", cluster=True, subresources=("status",)),
    _core(
        "nodes",
        "Node",
        "no",
        cluster=True,
        subresources=("status",),
        fields=("spec.unschedulable",),
    ),
    _core(
        "pods",
        "Pod",
        "po",
        subresources=("status", "binding", "eviction"),
        fields=_POD_FIELDS,
    ),
    _core("bindings", "Binding", verbs=("create",)),
    _core("events", "Event", "ev", fields=_EVENT_FIELDS),
    _core("services", "Service", "svc", subresources=("status",)),
    _core("endpoints", "Endpoints", "ep"),
    _core("configmaps", "ConfigMap", "cm"),
    _core("secrets", "Secret"),
    _core("serviceaccounts", "ServiceAccount", "sa"),
    _core("replicationcontrollers", "ReplicationController", "rc", subresources=("status",)),
    _core("persistentvolumes", "PersistentVolume", "pv", cluster=True),
    _core("persistentvolumeclaims", "PersistentVolumeClaim", "pvc"),
    _core("limitranges", "LimitRange", "limits"),
    _core("resourcequotas", "ResourceQuota", "quota"),
    _apps("deployments", "Deployment", "deploy"),
    _apps("replicasets", "ReplicaSet", "rs"),
    _apps("statefulsets", "StatefulSet", "sts"),
    _apps("daemonsets", "DaemonSet", "ds"),
    Resource("batch", ("v1",), "jobs", "Job", True, (), ("status",)),
    Resource(
        "policy",
        ("v1", "v1beta1"),
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        True,
        ("pdb",),
        ("status",),
    ),
    Resource("coordination.k8s.io", ("v1",), "leases", "Lease"),
    Resource("scheduling.k8s.io", ("v1",), "priorityclasses", "PriorityClass", False, ("pc",)),
    _storage("storageclasses", "StorageClass"),
    _storage("csinodes", "CSINode"),
    _storage("csidrivers", "CSIDriver"),
    _storage("volumeattachments", "VolumeAttachment"),
    _storage("csistoragecapacities", "CSIStorageCapacity", True),
    _rbac("clusterroles", "ClusterRole", False),
    _rbac("clusterrolebindings", "ClusterRoleBinding", False),
    _rbac("roles", "Role", True),
    _rbac("rolebindings", "RoleBinding", True),
    Resource(
        "authorization.k8s.io",
        ("v1",),
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        False,
        verbs=_REVIEW,
    ),
)

EVENTS = Resource("events.k8s.io", ("v1",), "events", "Event", True, ("ev",))
"""The same events as those of the core group, with newer names of their fields."""

SERVED = (*RESOURCES, EVENTS)

_BY_PATH = {(r.group, version, r.plural): r for r in SERVED for version in r.versions}
_BY_KIND = {(r.group, version, r.kind): r for r in SERVED for version in r.versions}


def by_path(group: str, version: str, plural: str) -> Resource | None:
    return _BY_PATH.get((group, version, plural))


def by_kind(api_version: str, kind: str) -> Resource | None:
    group, _, version = api_version.rpartition("/")
    return _BY_KIND.get((group, version, kind))


def of(plural: str) -> Resource:
    """The resource of this plural name; that of the core group if there are two."""
    return next(r for r in RESOURCES if r.plural == plural)


PODS, NODES, NAMESPACES = of("pods"), of("nodes"), of("namespaces")
REPLICASETS, BUDGETS, CLASSES = of("replicasets"), of("poddisruptionbudgets"), of("priorityclasses")

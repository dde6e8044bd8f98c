"""Who may do what: users, and an authoriser that reads RBAC manifests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.cluster.live.apiserver.calls import Call
from tests.cluster.live.apiserver.errors import ApiError, Json, forbidden


@dataclass(frozen=True)
class Grant:
    """A rule of a role, and where it holds: in one namespace, or everywhere if that is empty."""

    namespace: str
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def allows(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        return (
            self.namespace in ("", namespace)
            and _in(group, self.groups)
            and _in(resource, self.resources)
            and _in(verb, self.verbs)
            and (not self.names or name in self.names)
        )


@dataclass(frozen=True)
class User:
    """A user by name; without grants it may do everything."""

    name: str
    grants: tuple[Grant, ...] | None = None

    def may(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        if self.grants is None or resource == "selfsubjectaccessreviews":
            return True
        return any(one.allows(verb, group, resource, namespace, name) for one in self.grants)

    def check(self, call: Call) -> None:
        """403 unless the user may do it. What is no object may be read by all."""
        where = call.target
        if where.resource is None:
            return
        if not self.may(call.verb, call.group, call.resource, where.namespace, where.name):
            raise self._refused(call)

    def _refused(self, call: Call) -> ApiError:
        where = call.target
        place = (
            f'in the namespace "{where.namespace}"' if where.namespace else "at the cluster scope"
        )
        what = f'resource "{call.resource}" in API group "{call.group}"'
        why = f'User "{self.name}" cannot {call.verb} {what} {place}'
        plural, _, sub = call.resource.partition("/")
        full = f"{plural}.{call.group}" if call.group else plural
        return forbidden(f"{full}/{sub}" if sub else full, where.name, why)


def account(documents: Iterable[Json], namespace: str, name: str) -> User:
    """A service account with exactly the rights that manifests give it."""
    found = list(documents)
    roles = {
        (doc["kind"], doc["metadata"].get("namespace", ""), doc["metadata"]["name"]): doc["rules"]
        for doc in found
        if doc["kind"] in ("Role", "ClusterRole")
    }
    grants: list[Grant] = []
    for doc in found:
        if doc["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        subject = {"kind": "ServiceAccount", "namespace": namespace, "name": name}
        if subject not in doc["subjects"]:
            continue
        where = doc["metadata"].get("namespace", "") if doc["kind"] == "RoleBinding" else ""
        role = doc["roleRef"]
        home = where if role["kind"] == "Role" else ""
        grants += [_grant(where, rule) for rule in roles[role["kind"], home, role["name"]]]
    return User(f"system:serviceaccount:{namespace}:{name}", tuple(grants))


def _grant(namespace: str, rule: Json) -> Grant:
    return Grant(
        namespace,
        tuple(rule["apiGroups"]),
        tuple(rule["resources"]),
        tuple(rule["verbs"]),
        tuple(rule.get("resourceNames") or ()),
    )


def _in(word: str, listed: tuple[str, ...]) -> bool:
    return word in listed or "*" in listed

"""What is answered to a call that is allowed: the code and the body."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from tests.cluster.live.apiserver import discovery, pods, selectors
from tests.cluster.live.apiserver.api import Api
from tests.cluster.live.apiserver.calls import Call, Target
from tests.cluster.live.apiserver.errors import (
    ApiError,
    Json,
    bad_request,
    no_such_path,
    not_allowed,
    success,
)
from tests.cluster.live.apiserver.rbac import User
from tests.cluster.live.apiserver.resources import Resource
from tests.cluster.live.apiserver.shapes import listed, shown, stored
from tests.cluster.live.apiserver.tables import table


class Answer(NamedTuple):
    code: int
    body: Json | str


def answer(api: Api, call: Call, user: User) -> Answer:
    """Carry out a call that is no watch."""
    where = call.target
    if where.resource is None:
        body = discovery.document(call.path)
        if body is None:
            raise no_such_path()
        return Answer(200, body)
    if where.resource.plural == "selfsubjectaccessreviews":
        return Answer(201, _review(call, user))
    if where.resource.plural == "bindings" or where.sub in ("binding", "eviction"):
        return _moved(api, call)
    if call.verb not in where.resource.verbs:
        raise not_allowed("the server does not allow this method on the requested resource")
    if call.verb == "list":
        return Answer(200, _list(api, call, where.resource))
    if call.verb == "deletecollection":
        return Answer(200, _clear(api, call, where.resource))
    return _one(api, call, where.resource)


def _one(api: Api, call: Call, resource: Resource) -> Answer:
    where = call.target
    namespace, name, sub = where.namespace, where.name, where.sub
    if call.verb == "get":
        found = api.get(resource, namespace, name)
        if _as_table(call):
            whole = shown(resource, where.version, found)
            return Answer(200, table(resource.kind, [whole], {}, _included(call)))
        return Answer(200, shown(resource, where.version, found))
    if call.verb == "delete":
        last = api.delete(resource, namespace, name, _options(call))
        if "deletionTimestamp" in last["metadata"] or resource.plural == "pods":
            return Answer(200, shown(resource, where.version, last))
        return Answer(200, success(name, resource.plural, last["metadata"]["uid"]))
    if call.verb == "patch":
        return _patch(api, call, resource)
    new = stored(resource, where.version, call.object())
    if call.verb == "create":
        made = api.create(resource, namespace, new, dry=call.dry)
        return Answer(201, shown(resource, where.version, made))
    written = api.update(resource, namespace, name, new, sub=sub, dry=call.dry)
    return Answer(200, shown(resource, where.version, written))


def _patch(api: Api, call: Call, resource: Resource) -> Answer:
    where = call.target
    kind = call.headers.get("Content-Type", "").partition(";")[0]
    if kind == "application/apply-patch+yaml":
        with api.lock:
            if api.store.get(resource.plural, (where.namespace, where.name)) is None:
                import yaml

                new = stored(resource, where.version, yaml.safe_load(call.body))
                made = api.create(resource, where.namespace, new, dry=call.dry)
                return Answer(201, shown(resource, where.version, made))
    written = api.patch(
        resource, where.namespace, where.name, kind, call.body, sub=where.sub, dry=call.dry
    )
    return Answer(200, shown(resource, where.version, written))


def _moved(api: Api, call: Call) -> Answer:
    """A binding or an eviction."""
    if call.verb != "create":
        raise not_allowed("the server does not allow this method on the requested resource")
    body, where = call.object(), call.target
    if where.sub == "eviction":
        return Answer(201, pods.evict(api, where.namespace, where.name, body, dry=call.dry))
    name = where.name or (body.get("metadata") or {}).get("name") or ""
    return Answer(201, pods.bind(api, where.namespace, name, body, dry=call.dry))


def _list(api: Api, call: Call, resource: Resource) -> Json:
    chosen, meta = _chosen(api, call, resource)
    version = call.target.version
    if _as_table(call):
        whole = [shown(resource, version, obj) for obj in chosen]
        return table(resource.kind, whole, meta, _included(call))
    return listed(resource, version, chosen, meta)


def _chosen(api: Api, call: Call, resource: Resource) -> tuple[list[Json], Json]:
    """The objects of a list, and the metadata that says from when it is and where it goes on."""
    query, kind = call.query, resource.plural
    limit = _number(query.get("limit") or "0", "limit")
    with api.lock:
        if query.get("continue"):
            version, start = _token(query["continue"])
            page = api.store.page(kind, version)
        elif limit:
            version, start = api.store.keep(kind), ("", "")
            page = api.store.page(kind, version)
        else:
            version, start = api.store.version, ("", "")
            page = [(_place(obj), obj) for obj in api.store.all(kind)]
    test = choice(call, resource)
    found = [(key, obj) for key, obj in page if key > start and test(obj)]
    meta: Json = {"resourceVersion": str(version)}
    if limit and len(found) > limit:
        meta["remainingItemCount"] = len(found) - limit
        found = found[:limit]
        text = json.dumps([version, *found[-1][0]])
        meta["continue"] = base64.urlsafe_b64encode(text.encode()).decode()
    return [obj for _, obj in found], meta


def choice(call: Call, resource: Resource) -> selectors.Test:
    """Whether an object is of the namespace, name, labels and fields that a call asks for."""
    tests: list[selectors.Test] = []
    where: Target = call.target
    if where.namespace:
        tests.append(lambda obj: obj["metadata"].get("namespace") == where.namespace)
    if where.name:
        tests.append(lambda obj: obj["metadata"]["name"] == where.name)
    if call.query.get("labelSelector"):
        tests.append(selectors.labels(call.query["labelSelector"]))
    if call.query.get("fieldSelector"):
        tests.append(selectors.fields(call.query["fieldSelector"], resource))
    return lambda obj: all(test(obj) for test in tests)


def _clear(api: Api, call: Call, resource: Resource) -> Json:
    chosen, meta = _chosen(api, call, resource)
    gone = []
    for obj in chosen:
        namespace = obj["metadata"].get("namespace", "")
        try:
            gone.append(api.delete(resource, namespace, obj["metadata"]["name"], _options(call)))
        except ApiError as error:
            if error.code != 404:
                raise
    return listed(resource, call.target.version, gone, meta)


def _options(call: Call) -> Json:
    options = dict(call.json() or {})
    if "gracePeriodSeconds" in call.query:
        options["gracePeriodSeconds"] = _number(call.query["gracePeriodSeconds"], "grace")
    if "propagationPolicy" in call.query:
        options["propagationPolicy"] = call.query["propagationPolicy"]
    if call.dry:
        options["dryRun"] = ["All"]
    return options


def _review(call: Call, user: User) -> Json:
    review = call.object()
    spec = review.get("spec") or {}
    asked = spec.get("resourceAttributes")
    allowed = True
    if asked is not None:
        resource = asked.get("resource", "")
        if asked.get("subresource"):
            resource += f"/{asked['subresource']}"
        allowed = user.may(
            asked.get("verb", ""),
            asked.get("group", ""),
            resource,
            asked.get("namespace", ""),
            asked.get("name", ""),
        )
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": {"allowed": allowed},
    }


def _as_table(call: Call) -> bool:
    return "as=Table" in call.headers.get("Accept", "")


def _included(call: Call) -> str:
    return call.query.get("includeObject", "Metadata")


def _place(obj: Json) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _number(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise bad_request(f"invalid {what}: {text!r}") from None


def _token(text: str) -> tuple[int, tuple[str, str]]:
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(text))
        return int(version), (namespace, name)
    except ValueError:
        raise bad_request("continue key is not valid") from None

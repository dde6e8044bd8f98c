"""What a pod requests of its node, by the rule of the Kubernetes scheduler."""

from __future__ import annotations

from hocket.cluster.formats.kubernetes_parts import Part
from hocket.cluster.formats.quantities import CPU, LARGEST, MILLI_CPU, amount

Amounts = dict[str, int]


def amounts(part: Part) -> Amounts:
    """A resource list, such as ``{cpu: 500m, memory: 1Gi}``, in the units of scenarios."""
    found = {}
    for resource, value in part.data.items():
        try:
            found[MILLI_CPU if resource == CPU else resource] = amount(resource, value)
        except ValueError as error:
            part.say(resource, str(error))
    return found


def requests(pod: Part) -> Amounts:
    """What a pod takes of its node while it is there.

    Containers run side by side, so theirs add up, and so do those of init containers that restart
    always (sidecars). Other init containers run one by one before, beside the sidecars that were
    started until then; the pod needs the most that is ever needed at once. Requests of the whole
    pod (``spec.resources``) count instead of that where they are given. The overhead of its runtime
    class is added. A limit stands in for a request that is not given, and a container that is being
    resized needs the most of what it has and what it wants.
    """
    spec, status = pod.part("spec"), pod.part("status")
    held = _held(status, "containerStatuses")
    total: Amounts = {}
    for container in spec.parts("containers"):
        _add(total, _wanted(container, held))
    sidecars: Amounts = {}
    most: Amounts = {}
    held = _held(status, "initContainerStatuses")
    for container in spec.parts("initContainers"):
        wanted = _wanted(container, held)
        if container.text("restartPolicy") == "Always":
            _add(total, wanted)
            _add(sidecars, wanted)
            _raise(most, sidecars)
        else:
            _add(wanted, sidecars)
            _raise(most, wanted)
    _raise(total, most)
    if spec.has("resources"):
        total |= _of_pod(spec.part("resources"), total)
    if spec.has("overhead"):
        _add(total, amounts(spec.part("overhead")))
    for resource, count in total.items():
        if count > LARGEST:
            spec.say("containers", f"request more than 2^62 of {resource} in all")
            total[resource] = LARGEST
    return total


def _wanted(container: Part, held: dict[str, Amounts]) -> Amounts:
    """What a container requests: its limits where it says nothing, more if it has more."""
    resources = container.part("resources")
    given = amounts(resources.part("requests")) if resources.has("requests") else {}
    if resources.has("limits"):
        given = amounts(resources.part("limits")) | given
    if held:
        _raise(given, held.get(container.text("name"), {}))
    return given


def _held(status: Part, key: str) -> dict[str, Amounts]:
    """What containers have by now, by name."""
    found = {}
    for one in status.parts(key):
        if one.has("allocatedResources") or one.has("resources"):
            holds = amounts(one.part("allocatedResources"))
            _raise(holds, amounts(one.part("resources").part("requests")))
            found[one.text("name")] = holds
    return found


def _of_pod(resources: Part, containers: Amounts) -> Amounts:
    """Requests of the pod as a whole; its limits stand in where nothing else is said."""
    given = amounts(resources.part("requests"))
    limits = amounts(resources.part("limits"))
    return {name: count for name, count in limits.items() if name not in containers} | given


def _add(total: Amounts, more: Amounts) -> None:
    for resource, count in more.items():
        total[resource] = total.get(resource, 0) + count


def _raise(total: Amounts, least: Amounts) -> None:
    for resource, count in least.items():
        total[resource] = max(total.get(resource, 0), count)

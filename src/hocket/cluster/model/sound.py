"""What types alone cannot see to be wrong with a cluster of pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hocket.cluster.model.labels import Selector, selects
from hocket.cluster.model.rules import Budget
from hocket.core.errors import Problem
from hocket.core.scenario import repeated

if TYPE_CHECKING:
    from hocket.cluster.model.pods import Pod, Pods

_NAMED = 10


def problems(cluster: Pods) -> Iterator[Problem]:
    """Every problem of a scenario, in the order of its fields."""
    if not cluster.nodes:
        yield Problem("nodes", "is empty; list at least one node")
    yield from repeated("nodes", (node.name for node in cluster.nodes))
    yield from repeated("pods", (pod.key for pod in cluster.pods))
    names = {node.name for node in cluster.nodes}
    shut = {node.name for node in cluster.nodes if node.cordoned or node.down}
    for i, pod in enumerate(cluster.pods):
        if pod.drained and pod.node in names and (pod.protected or pod.node not in shut):
            what = "is protected" if pod.protected else f"could come back to {pod.node!r}"
            message = f"says that it has to leave, but it {what}; cordon the node, or let it stay"
            yield Problem(f"pods[{i}].drained", f"{message} (pod {pod.key})")
        for problem in _pod(pod, f"pods[{i}]", names):
            yield Problem(problem.path, f"{problem.message} (pod {pod.key})")
    for i, budget in enumerate(cluster.budgets):
        yield from _budget(budget, f"budgets[{i}]")


def _pod(pod: Pod, where: str, names: set[str]) -> Iterator[Problem]:
    if pod.node is not None and pod.node not in names:
        yield Problem(f"{where}.node", f"is {pod.node!r}, which is no node; mend the name")
    if pod.node is not None and pod.arrival:
        yield Problem(f"{where}.arrival", "is later than 0, but the pod runs; leave node out")
    if pod.gpus != 1 and pod.gpu_milli != 1000:
        what = f"shares of a GPU are for pods of one GPU, and this has gpus: {pod.gpus}"
        yield Problem(f"{where}.gpu_milli", f"{what}; set gpus: 1")
    for part, selector in _selectors(pod):
        yield from _selector(selector, f"{where}.{part}")


def _selectors(pod: Pod) -> Iterator[tuple[str, Selector]]:
    yield "selector", pod.selector
    for i, selector in enumerate(pod.affinity):
        yield f"affinity[{i}]", selector
    for i, term in enumerate(pod.near):
        yield f"near[{i}].selector", term.selector
    for i, term in enumerate(pod.apart):
        yield f"apart[{i}].selector", term.selector
    for i, spread in enumerate(pod.spread):
        yield f"spread[{i}].selector", spread.selector


def _selector(selector: Selector, where: str) -> Iterator[Problem]:
    for i, expression in enumerate(selector):
        place, values = f"{where}[{i}].values", expression.values
        if expression.op in ("In", "NotIn") and not values:
            yield Problem(place, f"is empty; {expression.op} needs at least one value")
        if expression.op in ("Gt", "Lt") and not _one_whole(values):
            yield Problem(place, f"{expression.op} needs one whole number")


def contradictions(cluster: Pods) -> Iterator[str]:
    """What is to be told of pods whose rules exclude one another; they are legal, and wait."""
    found: dict[str, list[str]] = {}
    for pod in cluster.pods:
        if key := _contradiction(pod):
            what = f"no node can have what selector and affinity ask of label {key!r}"
            found.setdefault(what, []).append(pod.key)
        for topology in _torn(pod):
            what = f"near wants the very pods in {topology} that apart forbids there"
            found.setdefault(what, []).append(pod.key)
    for what, keys in found.items():
        more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
        yield f"contradictory affinity: {what}: {', '.join(keys[:_NAMED])}{more}"


def _torn(pod: Pod) -> Iterator[str]:
    """Topologies in which a pod wants pods near that it keeps apart from."""
    for term in pod.apart:
        if term in pod.near:
            yield term.topology


def _contradiction(pod: Pod) -> str:
    """A label of which every alternative asks what excludes itself; empty if there is none."""
    found = ""
    for alternative in pod.affinity or ((),):
        asked = (*pod.selector, *alternative)
        keys = dict.fromkeys(expression.key for expression in asked)
        clash = next((key for key in keys if _excludes_itself(_about(key, asked))), "")
        if not clash:
            return ""
        found = found or clash
    return found


def _excludes_itself(asked: Selector) -> bool:
    """Whether no value of a label, nor its absence, meets all that is asked of it."""
    listed = [set(one.values) for one in asked if one.op == "In"]
    if listed:
        key = asked[0].key
        return not any(selects(asked, {key: value}) for value in set.intersection(*listed))
    operators = {one.op for one in asked}
    if "DoesNotExist" in operators and operators & {"Exists", "Gt", "Lt"}:
        return True
    above = [int(one.values[0]) for one in asked if one.op == "Gt" and _one_whole(one.values)]
    below = [int(one.values[0]) for one in asked if one.op == "Lt" and _one_whole(one.values)]
    return bool(above and below) and min(below) - max(above) < 2


def _about(key: str, selector: Selector) -> Selector:
    return tuple(expression for expression in selector if expression.key == key)


def _budget(budget: Budget, where: str) -> Iterator[Problem]:
    given = [
        amount for amount in (budget.min_available, budget.max_unavailable) if amount is not None
    ]
    if len(given) != 1:
        yield Problem(where, "give one of min_available and max_unavailable")
    for amount in given:
        text = str(amount).removesuffix("%") if isinstance(amount, str) else str(amount)
        if not text.isdecimal() or (isinstance(amount, str) and not amount.endswith("%")):
            yield Problem(where, f"{amount!r} is neither a whole number nor a share such as '50%'")


def _one_whole(values: tuple[str, ...]) -> bool:
    return len(values) == 1 and values[0].removeprefix("-").isdecimal()

"""The checker's books agree with the rules word for word, and with the simulator's filters."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.cluster.check.ledger import Ledger
from hocket.cluster.filters import Filters
from hocket.cluster.model.pods import Pods
from hocket.cluster.state import State
from tests.cluster.check.clusters import clusters
from tests.cluster.check.naive import On, may_be_bound


@given(cluster=clusters(most=9), data=st.data())
@settings(max_examples=300, deadline=None)
def test_what_may_be_bound_where(cluster: Pods, data: st.DataObject) -> None:
    ledger, state = Ledger(cluster), State.of(cluster)
    filters = Filters.of(state)
    on: On = []
    nodes = {node.name: node for node in cluster.nodes}
    for pod in cluster.pods:
        if pod.node is not None:
            gpus = state.holds.get(pod.key, ())
            assert gpus == ledger.fullest(pod, ledger.index[pod.node])
            ledger.put(pod, ledger.index[pod.node], gpus)
            on.append((pod, nodes[pod.node], gpus))
    for pod, _, _ in list(on):
        fate = data.draw(st.sampled_from(["stays", "leaves", "left"]), label=pod.key)
        if fate == "leaves":
            ledger.leave(pod)
        elif fate == "left":
            ledger.take(pod)
            state.remove(pod.key)
            on = [entry for entry in on if entry[0] is not pod]
    leaving = set(ledger.leaving)
    for pod in cluster.pods:
        if pod.key in ledger.where:
            continue
        for j, node in enumerate(cluster.nodes):
            gpus = ledger.fullest(pod, j)
            right = may_be_bound(cluster, on, leaving, pod, node, gpus)
            assert (not ledger.unfit(pod, j, gpus)) == right, (pod, node)
            assert (not filters.refusal(pod, j, leaving)) == right, (pod, node)

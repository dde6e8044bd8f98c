"""Budgets found by labels are those that say of themselves that they cover a pod."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hocket.cluster.model.covering import Covering
from hocket.cluster.model.labels import Expression
from hocket.cluster.model.pods import Pod
from hocket.cluster.model.rules import Budget

few = st.sampled_from(["a", "b", "c"])
expressions = st.builds(
    Expression,
    key=few,
    op=st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
    values=st.lists(few, max_size=3).map(tuple),
)
budgets = st.builds(
    Budget,
    name=st.just("b"),
    namespace=few,
    selector=st.lists(expressions, max_size=3).map(tuple),
)
pods = st.builds(
    Pod, name=st.just("p"), namespace=few, labels=st.dictionaries(few, few, max_size=3)
)


@given(some=st.lists(budgets, max_size=6).map(tuple), asked=st.lists(pods, max_size=5))
def test_the_same_as_asking_each(some: tuple[Budget, ...], asked: list[Pod]) -> None:
    covering = Covering(some)
    for pod in asked:
        expected = [b for b, budget in enumerate(some) if budget.covers(pod.namespace, pod.labels)]
        assert list(covering.of(pod)) == expected


def test_few_budgets_are_asked() -> None:
    """Of a thousand budgets that each ask for another label, one is asked for each kind of pod."""
    asked = []

    class Counted(Budget, frozen=True, kw_only=True):
        def covers(self, namespace: str, labels: object) -> bool:
            asked.append(self.name)
            return super().covers(namespace, labels)  # type: ignore[arg-type]

    some = tuple(
        Counted(name=str(n), selector=(Expression(key="app", values=(str(n),)),))
        for n in range(1000)
    )
    covering = Covering(some)
    for n in range(1000):
        assert covering.of(Pod(name=f"p{n}", labels={"app": str(n)})) == (n,)
        assert covering.of(Pod(name=f"q{n}", labels={"app": str(n)})) == (n,)
    assert asked == [str(n) for n in range(1000)]

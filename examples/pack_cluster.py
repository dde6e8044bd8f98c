"""A cluster in which a pod waits: the best plan for `snapshot.json`, its proof, and what-ifs.

`cluster.yaml` is then given to the default scheduler and to one that packs anew.
"""

from pathlib import Path

import hocket

HERE = Path(__file__).parent
DEFAULT, PACKED = "cluster/kube-scheduler", "cluster/priority-matters"


def plan() -> None:
    """What `kubectl get nodes,pods,pdb -A -o json` printed, as it is."""
    now = hocket.load(HERE / "snapshot.json")
    found = hocket.solve(now, time_limit=10)
    print(f"{found.status}: {found.value:g} pods wait in the end, {found.bound:g} must")
    assert found.plan is not None
    for step in found.plan.steps:
        print(f"  {step['wave']}. {step['action']:5} {step['pod']:24} {step['node']}")
    print("violations that the checkers found:", len(found.violations))
    for change, text in (("drain", "m-1"), ("add-node", "m-4"), ("without", "shop/database-0")):
        best = hocket.solve(hocket.changed(now, change, text), time_limit=10)
        moves = len([] if best.plan is None else best.plan.steps)
        print(f"{change} {text}: {best.value:g} wait, {moves} steps, {best.status}")


def replay() -> None:
    """The same cluster under two schedulers: who waits, and what was disturbed for it."""
    cluster = hocket.load(HERE / "cluster.yaml")
    for policy in (DEFAULT, PACKED):
        figures = hocket.run(cluster, policy).metrics
        print(f"{policy}: {figures['pending']:g} wait, {figures['moves']:g} were moved")


if __name__ == "__main__":
    plan()
    replay()

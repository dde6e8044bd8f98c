from hocket.solvers.critical_path import figures, successors, topological
from hocket.solvers.network import Link, Network, Task, TaskMode


def one(duration: int, use: int = 0) -> Task:
    return Task(modes=(TaskMode(duration, (use,)),))


def test_figures_of_a_diamond() -> None:
    network = Network(
        tasks=(one(2), one(3), one(5), one(1)),
        capacity=(1,),
        links=(Link(0, 1), Link(0, 2), Link(1, 3), Link(2, 3)),
    )
    known = figures(network)
    assert known.earliest_start == (0, 2, 2, 7)
    assert known.latest_start == (0, 4, 2, 7)
    assert known.latest_finish == (2, 7, 7, 8)
    assert known.successors == (3, 1, 1, 0)
    assert known.positional_weight == (10, 4, 6, 1)


def test_links_order_tasks_unless_they_tie_them_in_a_circle() -> None:
    together = (Link(0, 1, 0, since="start"), Link(1, 0, 0, since="start"))
    tasks = (one(2), one(2), one(1))
    assert successors(Network(tasks=tasks, links=(*together, Link(1, 2)))) == ((), (2,), ())
    loose = (Link(0, 1, -1, since="start"), Link(0, 2, 1, of="finish"))
    assert successors(Network(tasks=tasks, links=loose)) == ((2,), (), ())


def test_a_topological_order_has_the_lowest_index_first() -> None:
    assert topological([{2}, {2}, set(), {0}]) == [1, 3, 0, 2]

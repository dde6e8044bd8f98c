"""Users who flood a Spark application, and one who asks now and then, under six policies.

The application is simulated. `hocket.cluster.live.spark.UserFairness` lets the same policies decide
in a real one.
"""

from collections.abc import Iterator

import hocket
from hocket.cluster.model.analytics import Analytics, Job, Overheads, Stage
from hocket.cluster.policies.cfq import CFQ
from hocket.cluster.policies.fair import UJF, Fair
from hocket.cluster.policies.fifo import FIFO
from hocket.cluster.policies.uwfq import UWFQ

SECOND = 1000


def job(user: str, number: int, arrival: int, tasks: int) -> Job:
    """So many tasks that scan for two seconds each, and one that adds up what they found."""
    scan = Stage(tasks=(2 * SECOND,) * tasks)
    total = Stage(tasks=(SECOND // 2,), after=(0,), divisible=False)
    return Job(name=f"{user}/{number}", user=user, arrival=arrival, stages=(scan, total))


def jobs() -> Iterator[Job]:
    """Ann submits many small jobs at once, Bob a few large ones, Eve one every ten seconds."""
    for k in range(60):
        yield job("ann", k, 0, 3)
    for k in range(5):
        yield job("bob", k, 0, 40)
    for k in range(8):
        yield job("eve", k, (5 + 10 * k) * SECOND, 8)


def main() -> None:
    overheads = Overheads(task=SECOND // 100)
    shared = Analytics(name="shared", cores=8, jobs=tuple(jobs()), overheads=overheads)
    print("mean response in seconds:    ann    bob    eve    all done")
    for policy in (FIFO(), Fair(), UJF(), CFQ(), UWFQ(), UWFQ(partition=0.5)):
        timeline = hocket.run(shared, policy).timeline
        asked = {point.group: point.time for point in timeline.points("submit")}
        response: dict[str, list[int]] = {}
        for done in timeline.points("done"):
            user = done.group.partition("/")[0]
            response.setdefault(user, []).append(done.time - asked[done.group])
        means = [sum(own) / len(own) / SECOND for _, own in sorted(response.items())]
        print(f"{policy!s:28}", *(f"{mean:6.1f}" for mean in means), f"{timeline.end:8} ms")

    first = next(s for s in hocket.run(shared, UWFQ()).timeline.spans() if s.group == "eve/0")
    print(f"with UWFQ eve/0 began at {first.start} ms: {first.reason}")


if __name__ == "__main__":
    main()

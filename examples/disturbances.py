"""Arrivals, breakdowns and noise, and what a seed fixes.

All that chance decides comes from named streams of one seed: a policy that decides otherwise meets
the same jobs, the same breakdowns and the same real durations, and so does a shop with one machine
more.
"""

import msgspec

import hocket
from hocket.core.disturb import Breakdowns, LogNormal, Poisson
from hocket.shop.generate.taillard import Taillard
from hocket.shop.model import JobShop, Machine

SEEDS = (1, 2)


def durations(shop: JobShop, policy: str, seed: int) -> dict[str, int]:
    """How long each operation really ran, pauses left out."""
    found: dict[str, int] = {}
    for span in hocket.run(shop, policy, seed=seed).timeline.spans("run"):
        found[span.name] = found.get(span.name, 0) + span.end - span.start
    return found


calm = Taillard(jobs=8, machines=3).make(seed=5)
breakdowns = Breakdowns(mean_up=300, mean_down=40)
shop = msgspec.structs.replace(
    calm,
    name="stormy",
    machines=tuple(msgspec.structs.replace(m, breakdowns=breakdowns) for m in calm.machines),
    arrivals=Poisson(rate=0.02),
    noise=LogNormal(cv=0.3),
)

for seed in SEEDS:
    for policy in ("shop/fifo", "shop/spt"):
        done = hocket.run(shop, policy, seed=seed)
        broken = sum(span.end - span.start for span in done.timeline.spans("broken"))
        print(
            f"seed {seed}  {policy:9}  makespan {done.metrics['makespan']:g}, "
            f"mean flow time {done.metrics['mean_flow_time']:.1f}, {broken} ticks broken"
        )

again = hocket.run(shop, "shop/spt", seed=1).timeline.digest()
print("replay is identical:", again == hocket.run(shop, "shop/spt", seed=1).timeline.digest())

larger = msgspec.structs.replace(shop, machines=(*shop.machines, Machine(name="spare")))
same = durations(shop, "shop/fifo", 1) == durations(larger, "shop/spt", 1)
print("same durations under another rule, in a shop with a machine more:", same)

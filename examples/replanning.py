"""A plan, and what becomes of it when durations turn out otherwise.

The solver plans with the durations as given. A follower of that plan waits for the next operation
of its order when reality is late. Rolling re-optimisation plans anew, here whenever an operation
ended off plan; a dispatching rule needs no plan at all.
"""

import msgspec

import hocket
from hocket.core.disturb import LogNormal
from hocket.core.policy import Policy
from hocket.shop.policies.plans import FollowPlan

SEEDS = 10

calm = hocket.generate("shop/taillard", jobs=6, machines=4, seed=3)
noisy = msgspec.structs.replace(calm, name="noisy", noise=LogNormal(cv=0.3))

if __name__ == "__main__":
    plan = hocket.solve(calm, time_limit=30)
    print(f"planned: {plan.value}, {plan.status}")
    assert plan.timeline is not None  # a solution without a schedule has none
    follow = FollowPlan.of(plan.timeline)
    print(f"followed as planned: {hocket.run(calm, follow).metrics['makespan']:g}")
    rolling = hocket.load_policy("shop/rolling", deviation=0, effort=0.1)
    contest: list[Policy | str] = [follow, rolling, "shop/mwkr", "shop/spt"]
    compared = hocket.compare(noisy, contest, seeds=SEEDS, workers=2)
    print(f"mean makespan over {SEEDS} seeds when durations vary by 30 %:")
    for row in compared.rows:
        if row.metric == "makespan":
            label = row.policy.partition("(")[0]
            print(f"  {label:12}  {row.mean:.1f}   [{row.low:.1f}, {row.high:.1f}]")

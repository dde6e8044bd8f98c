"""Load a job shop, run a rule, compare a few, and solve it to a proven optimum."""

from pathlib import Path

import hocket

shop = hocket.load(Path(__file__).parent / "workshop.jsp")

done = hocket.run(shop, "shop/spt")
print(f"{done.scenario} under SPT ends at {done.metrics['makespan']}")
for span in sorted(done.timeline.spans("run"), key=lambda s: (s.start, s.lane))[:4]:
    print(f"  {span.start:2} to {span.end:2}  {span.name} on {span.lane}  ({span.reason})")

compared = hocket.compare(shop, ["shop/fifo", "shop/spt", "shop/mwkr", "shop/gt"], workers=1)
for row in compared.rows:
    if row.metric == "makespan":
        print(f"{row.policy:10} {row.mean:g}")

solution = hocket.solve(shop, time_limit=30)
print(f"optimum    {solution.value}, bound {solution.bound:g}: {solution.status}")

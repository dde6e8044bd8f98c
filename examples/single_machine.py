"""Total tardiness on one machine: rules against the proven optimum, on drawn instances."""

import hocket

RULES = ("shop/edd", "shop/mdd", "shop/psk", "shop/mddc", "shop/augmented-mddc", "shop/dynasearch")
INSTANCES = 10

totals = dict.fromkeys((*RULES, "optimum"), 0.0)
for seed in range(INSTANCES):
    jobs = hocket.generate("shop/potts-van-wassenhove", jobs=20, rdd=0.6, tf=0.6, seed=seed)
    for rule in RULES:
        totals[rule] += hocket.run(jobs, rule).metrics["total_tardiness"]
    # Memoised decomposition is exact, and a policy like the others.
    totals["optimum"] += hocket.run(jobs, "shop/decomposition").metrics["total_tardiness"]

best = totals["optimum"]
print(f"total tardiness over {INSTANCES} instances of 20 jobs")
for name, total in sorted(totals.items(), key=lambda pair: -pair[1]):
    print(f"  {name:20} {total:6.0f}  {total / best - 1:6.1%} above the optimum")

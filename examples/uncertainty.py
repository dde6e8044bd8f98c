"""Comparing rules under uncertainty: the differences, paired seed by seed, with their intervals."""

import hocket

shop = hocket.generate(
    "shop/disrupted", jobs=40, machines=6, utilization=0.85, tightness=3.0, seed=11
)
rules = ["shop/fifo", "shop/edd", "shop/mdd", "shop/atc"]

if __name__ == "__main__":
    compared = hocket.compare(shop, rules, seeds=20, workers=2)
    print(f"{shop.name}: mean tardiness per job over {compared.seeds} seeds")
    for row in compared.rows:
        if row.metric == "mean_tardiness":
            print(f"  {row.policy:9}  {row.mean:7.1f}   [{row.low:.1f}, {row.high:.1f}]")
    print("less FIFO on the same workloads:")
    for less in compared.differences:
        if less.metric == "mean_tardiness":
            verdict = "not clear" if (less.low or 0) < 0 < (less.high or 0) else "clear"
            interval = f"[{less.low:.1f}, {less.high:.1f}]"
            print(f"  {less.policy:9}  {less.mean:7.1f}   {interval}  {verdict}")

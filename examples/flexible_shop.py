"""A shop with alternative machines, setups between colours, and opening hours."""

from pathlib import Path

import hocket

shop = hocket.load(Path(__file__).parent / "flexible_shop.yaml")

for rule in ("shop/fifo", "shop/edd", "shop/atc"):
    late = hocket.run(shop, rule).metrics["total_tardiness"]
    print(f"{rule:9} {late:g} {shop.time_unit} late in total")

solution = hocket.solve(shop, time_limit=60)
print(f"solver    {solution.value:g} {shop.time_unit} late in total: {solution.status}")
print("violations found by the independent checker:", len(solution.violations))

"""How many GPUs for these chats: fleets from `capacity.yaml`, and the evidence for the cheapest."""

from pathlib import Path

import hocket

HERE = Path(__file__).parent


def main() -> None:
    cluster = hocket.load(HERE / "capacity.yaml")
    found = hocket.solve(cluster, workers=1)
    print(f"{found.status}: {found.value:g} per hour, no fleet below {found.bound:g}")
    assert found.plan is not None
    for line in found.plan.advice:
        print(line)
    print()
    print("cheapest fleet of each kind:")
    seen = set()
    for row in found.evidence:
        kind = (row["gpu"], row["split"])
        if row["verdict"] == "meets the SLO" and kind not in seen:
            seen.add(kind)
            print(f"  {row['price']:4g}  {row['fleet']:20} {row['policy']}")
    print()
    if found.plan.scenario is not None:
        fastest = hocket.solve(found.plan.scenario, "goodput", workers=1)
        print(f"the fleet found takes {fastest.value:.1f} requests per second")


if __name__ == "__main__":
    main()

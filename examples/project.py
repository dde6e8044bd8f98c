"""A project whose activities can be done in several ways, with a budget and time lags."""

from pathlib import Path

import hocket

project = hocket.load(Path(__file__).parent / "project.yaml")

for rule in hocket.default_policies(project):
    print(f"{rule.name:18} {hocket.run(project, rule).metrics['makespan']:g} days")

solution = hocket.solve(project, time_limit=30)
print(f"{'solver':18} {solution.value:g} days: {solution.status}")

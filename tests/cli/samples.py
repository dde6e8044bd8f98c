"""Small scenario files for the command line tests."""

from pathlib import Path

FT06 = """\
# Fisher and Thompson 1963, 6 x 6
6 6
2 1 0 3 1 6 3 7 5 3 4 6
1 8 2 5 4 10 5 10 0 10 3 4
2 5 3 4 5 8 0 9 1 1 4 7
1 5 0 5 2 5 3 3 4 8 5 9
2 9 1 3 4 5 5 4 0 3 3 1
1 3 3 3 5 9 0 10 4 4 2 1
"""

SHOP = """\
problem: shop/job-shop
time_unit: min
machines:
  - {name: saw}
  - {name: drill}
jobs:
  - name: table
    due: 30
    operations:
      - {machine: saw, duration: 5}
      - {machine: drill, duration: 7}
  - name: chair
    operations:
      - {machine: drill, duration: 3}
      - {machine: saw, duration: 4}
"""

NOISY = SHOP + "noise: {kind: lognormal, cv: 0.5}\n"

SINGLE = """\
problem: shop/single-machine
objective: total_tardiness
jobs:
  - {name: a, duration: 10, due: 15}
  - {name: b, duration: 11, due: 11}
  - {name: c, duration: 10, due: 13}
  - {name: d, duration: 10, due: 11}
  - {name: e, duration: 11, due: 12}
  - {name: f, duration: 10, due: 11}
"""

PROJECT = """\
problem: shop/project
resources:
  - {name: crew, capacity: 2}
activities:
  - {name: dig, modes: [{duration: 3, demands: {crew: 2}}]}
  - {name: pour, modes: [{duration: 2, demands: {crew: 1}}]}
  - {name: paint, modes: [{duration: 4, demands: {crew: 1}}]}
lags:
  - {before: dig, after: pour}
"""


def write(folder: Path, text: str, name: str = "shop.yaml") -> str:
    """The path of a new file that holds `text`."""
    path = folder / name
    path.write_text(text)
    return str(path)

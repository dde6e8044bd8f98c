"""The neural dispatching rule: active schedules, each choice made by a small network.

A schedule is built as Giffler and Thompson's algorithm does (`building`, from the arrays of
`instances`). Where several operations compete for a machine, `situation` computes what can be seen,
`features` describes each rival and `ahead` the machines that its job will meet, and the network
(`network`, and `forward` without PyTorch) scores them. Many schedules are built in lock step, so
that one call of the network answers for all of them (`arena`). `plan` makes plans from the present
state of a shop, and `teacher` shows what tabu search would have chosen.
"""

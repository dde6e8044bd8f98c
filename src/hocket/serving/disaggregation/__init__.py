"""Prefill and decode on separate instances: how fast they are, how many, where, and until when.

- `queueing`: mean time to first token in closed form, and when a pipeline beats tensor parallelism
- `ring` (with `instance`, `loop`): the simulator that DistServe's placements rest on
- `configurations`, `goodput`, `placement`: which ways there are to cut and pair instances, what
  each serves within a target, and both placement algorithms
- `published`, `oracle`: what the authors measured, and what their own code prints
- `fit`: the same costs from one's own measurements
- `replan`, `pools`, `replanner`: when a plan no longer fits, what changing it costs, and doing so
- `deploy`: a plan as a scenario for hocket's engine; `beside`: there, next to colocated replicas

The policy that runs such a cluster is `serving/distserve`. A plan for OPT-13B on one node::

    profile = published_profile("opt-13b")
    requests = sample(lengths, 300, numpy.random.default_rng(0))
    print(slow_links(profile, 1, 8, requests, Target(ttft=250, tpot=100), traffic=20.0))
"""

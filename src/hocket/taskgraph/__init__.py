"""Task graphs on processors that differ: one graph or a stream, heuristics, exact and learned."""

from hocket.core.domain import Domain, ProblemType

DOMAIN = Domain(
    name="taskgraph",
    summary="DAG jobs on heterogeneous processors: list schedulers, run-time heuristics, DeepSoCS",
    policies="hocket.taskgraph.policies",
    formats="hocket.taskgraph.formats:FORMATS",
    generators="hocket.taskgraph.generate:GENERATORS",
    names="hocket.taskgraph.generate:names",
    named="hocket.taskgraph.generate:named",
    problems=(
        ProblemType(
            name="dag",
            summary="jobs that are graphs of tasks, on processors that differ",
            scenario="hocket.taskgraph.model.scenario:TaskGraphs",
            simulate="hocket.taskgraph.simulate.world:simulate",
            check="hocket.taskgraph.check:check",
            metrics="hocket.taskgraph.metrics:metrics",
            measures="hocket.taskgraph.objectives:METRICS",
            figures="hocket.taskgraph.figures:figures",
            objectives=("mean_latency", "makespan", "energy"),
            solve="hocket.taskgraph.exact.solve:solve",
            solves=("makespan",),
            plan="hocket.taskgraph.policies.plans:FollowPlan.of",
            methods=("auto", "cp-sat"),
            near="hocket.taskgraph.near",
            asks="hocket.taskgraph.policies.neural:Neural",
            policies=("taskgraph/etf", "taskgraph/eft", "taskgraph/met", "taskgraph/heft-rt"),
        ),
    ),
)

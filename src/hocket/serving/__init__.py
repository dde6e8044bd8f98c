"""LLM serving: replicas that batch, a front end that dispatches, memory for keys and values."""

from hocket.core.domain import Domain, ProblemType
from hocket.serving.objectives import OBJECTIVES

DOMAIN = Domain(
    name="serving",
    summary="LLM inference clusters: batching, dispatch, memory, migration, disaggregation",
    policies="hocket.serving.policies",
    formats="hocket.serving.formats:FORMATS",
    generators="hocket.serving.generate:GENERATORS",
    names="hocket.serving.generate:names",
    named="hocket.serving.generate:named",
    catalogue="hocket.serving.catalogue.listing:listing",
    problems=(
        ProblemType(
            name="cluster",
            summary="requests for language models and the replicas that answer them",
            scenario="hocket.serving.model.cluster:Cluster",
            simulate="hocket.serving.simulate.cluster:simulate",
            check="hocket.serving.check:check",
            metrics="hocket.serving.metrics:metrics",
            measures="hocket.serving.objectives:METRICS",
            figures="hocket.serving.figures:figures",
            objectives=OBJECTIVES,
            solve="hocket.serving.capacity.solve:solve",
            solves=("price",),
            maximises=("goodput",),
            spreads=True,
            evidence="hocket.serving.capacity.picture:evidence",
            asks="hocket.serving.asking:DispatchQuestions",
            policies=("serving/vllm-v1", "serving/sarathi", "serving/vllm-v0"),
        ),
    ),
)

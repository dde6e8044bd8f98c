"""Clusters: pods packed on nodes, and users who share the cores of one analytics application."""

from hocket.core.domain import Domain, ProblemType

DOMAIN = Domain(
    name="cluster",
    summary="pods on nodes, packed with proof; many users' jobs on the cores of one application",
    policies="hocket.cluster.policies",
    formats="hocket.cluster.formats:FORMATS",
    generators="hocket.cluster.generate:GENERATORS",
    names="hocket.cluster.generate:names",
    named="hocket.cluster.generate:named",
    problems=(
        ProblemType(
            name="pods",
            summary="pods with requests and priorities, and the nodes that run them",
            scenario="hocket.cluster.model.pods:Pods",
            simulate="hocket.cluster.simulate.pods:simulate",
            check="hocket.cluster.check.pods:check",
            metrics="hocket.cluster.metrics.pods:metrics",
            measures="hocket.cluster.metrics.pods:METRICS",
            figures="hocket.cluster.metrics.pods_figures:figures",
            objectives=("pending", "disruption"),
            solve="hocket.cluster.packing.solve:solve",
            solves=("pending",),
            methods=("auto", "plain", "strong"),
            script="hocket.cluster.packing.script:script",
            edits="hocket.cluster.packing.edits:EDITS",
            policies=("cluster/kube-scheduler", "cluster/priority-matters"),
        ),
        ProblemType(
            name="analytics",
            summary="jobs of many users on the cores of one application",
            scenario="hocket.cluster.model.analytics:Analytics",
            simulate="hocket.cluster.simulate.analytics:simulate",
            check="hocket.cluster.check.analytics:check",
            metrics="hocket.cluster.metrics.analytics:metrics",
            measures="hocket.cluster.metrics.analytics:METRICS",
            figures="hocket.cluster.metrics.analytics_figures:figures",
            objectives=("mean_response", "dvr", "makespan"),
            policies=("cluster/fifo", "cluster/fair", "cluster/ujf", "cluster/uwfq"),
        ),
    ),
)

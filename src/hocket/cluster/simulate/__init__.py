"""The rules of the simulated clusters. A checker that knows only these lines must agree.

Pods (`hocket.cluster.simulate.pods`)
-------------------------------------

1. A pod that shows a node runs there from time 0. Any other comes at its `arrival` and waits. A
   gated pod waits for ever and is never tried. A drained pod has to leave its node: a policy that
   plans is asked for a plan as long as one is there (rule 8); else it is preempted at time 0.
2. A pod may be bound to a node only if the node is neither cordoned nor down, bears no taint
   ``NoSchedule`` or ``NoExecute`` that the pod does not tolerate, meets the pod's selector and one
   of its affinity alternatives, has as much free of each resource that the pod asks for (one of
   ``pods`` always), shared GPUs included, has its ports free, and if the terms of rule 3 hold. Pods
   that run at time 0 are never questioned.
3. Terms count pods that are on nodes, those that are leaving too. `near`: for each term some pod
   that all of them mean is in the node's domain of its topology, as Kubernetes has it; or no such
   pod is anywhere, and the pod is one itself. `apart`: no pod meant by the term is in the domain,
   and no pod there keeps apart from this one. A hard `spread`: pods of the domain that are
   selected, with this one if it is selected itself, are at most `max_skew` more than in the
   emptiest domain; what counts are the nodes that meet the pod's selector and affinity and have the
   labels of all its hard spreads, and their domains. Evicted pods that are leaving do not count for
   spread. Where a node lacks the topology's label, `near` and a hard `spread` fail, and it is in no
   domain for `apart`.
4. Waiting pods are tried in order of priority, then of the time since which they wait, then of the
   order in which they came. Trying takes no time. A pod without a place is set aside for its
   back-off of 1 s, doubled with every try in a row up to 10 s. When a pod leaves a node, those set
   aside are tried again as soon as their back-off is over; when one is bound, only those that have
   terms `near` or `spread`. Nothing is tried again without such a change.
5. Preemption, for a pod that may: the victims, on one node and all of lower priority, leave; the
   pod waits, without back-off, until they are gone, and is then tried again like any other. Its
   nomination lasts until it is bound or tried in vain.
6. A pod that is evicted or preempted holds its node for `grace` ticks, then waits anew with its
   count of tries at nought: something makes it again. Protected pods are neither evicted nor
   preempted.
7. A pod with a `lifetime` ends when it has run that long in all, also while it is leaving.
8. A plan is asked for when no pod is left to be tried, and some of those set aside were tried since
   they came or a drained pod is still on its node. From then on nothing is tried until the plan is
   carried out. It begins when the seconds that the search took have passed, rounded up to ticks.
   Its waves follow one another; evictions of a wave happen at once, its binds when these pods have
   left, the next wave after that. Steps about pods that have ended meanwhile are skipped, and so
   are those that are no longer possible after some pod has come or ended. An eviction must leave
   every budget that covers the pod the number of pods up that it needs; up are pods on nodes that
   are not leaving, and a budget counts all pods it covers that have come and not ended. Preemption
   is not bound by budgets.
9. The run ends at `horizon`, or when nothing can happen any more. With abstract ticks, one is a
   second.

Spans: ``run`` (lane node, group pod, name its shared GPUs such as ``0,3``), ``wait`` (group pod),
both cut at the end of the run; the reason of a run is that of its bind, of a wait that of its last
try. Points: ``arrive`` (at 0 for pods that run already), ``bind``, ``evict`` (by a plan),
``preempt``, ``done`` (these four with lane node), ``plan`` (name verdict, when it begins), ``skip``
(lane node, name of the act), each with group pod and a reason. Gauge: ``pending``, by lane for each
priority, gated pods too.

Analytics (`hocket.cluster.simulate.analytics`)
-----------------------------------------------

1. A job is submitted at its arrival, or `think` ticks after the end of the job that it follows if
   that is later. Jobs are numbered in order of submission; at one tick, in the order of the
   scenario.
2. `overheads.job` ticks later its stages that follow none come to the driver; a stage that follows
   others comes `overheads.stage` ticks after the last of them is done. The driver takes stages one
   at a time, in the order in which they come; at one tick, in the order of their jobs' numbers,
   then of their own. Each takes `overheads.driver` ticks and is then queued.
3. Before a stage is queued the policy says into how many tasks to cut it. The work of a stage that
   is cut anew lies evenly in each of its original tasks, which lie side by side; task k of n gets
   the work between the shares k/n and (k+1)/n, rounded so that the sum of the first tasks is never
   off by more than half a tick, halves up.
4. Whenever cores are free and tasks wait, once everything else of that tick has happened, they are
   given one by one, as Spark does when tasks end one after another: for each the policy orders the
   stages anew, and the first gets it. A stage's tasks start in the order of their numbers, each
   for its time and `overheads.task`.
5. A stage is done when its last task is, a job when its last stage is.

Spans: ``run`` (lane ``core.K``, the lowest that is free; group job, name ``STAGE.TASK``, reason
the policy's). Points: ``submit`` (group job, name user), ``queue`` (group job, name stage),
``done`` (group job).
"""

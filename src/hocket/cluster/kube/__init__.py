"""How kube-scheduler scores nodes and chooses whom to preempt."""

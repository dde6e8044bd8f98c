"""DeepSoCS: a graph network orders the ready tasks, earliest finish times place them."""

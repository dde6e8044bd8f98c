"""Policies for pods in a real Kubernetes cluster, through its API and as a scheduler extender."""

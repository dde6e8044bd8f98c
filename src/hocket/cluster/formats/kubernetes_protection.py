"""Which pods may be neither evicted nor moved."""

from __future__ import annotations

from hocket.cluster.formats.kubernetes_parts import Part

PROTECTED = "hocket.dev/protected"
PROTECTION = "hocket.dev/protection"
"""Annotations of pods: whether they are protected whatever else speaks for it, and why."""

SAFE = "cluster-autoscaler.kubernetes.io/safe-to-evict"

_MIRROR = ("kubernetes.io/config.mirror", "kubernetes.io/config.source")


def protection(pod: Part, owner: str) -> tuple[bool, str]:
    """Whether a pod is protected, and why. The first of these that holds decides:

    - a pod that is being deleted leaves its node by itself; until then it holds what it has
    - the annotation ``hocket.dev/protected`` of its maker, ``"true"`` or ``"false"``
    - a static pod (mirrored from a file of its node) cannot be evicted
    - a pod of a DaemonSet belongs to its node: its controller would put it there again
    - the cluster autoscaler's annotation ``safe-to-evict: "false"``
    - a pod without a controller would be gone for good
    - a pod that mounts a PersistentVolumeClaim: its volume may be tied to the node or to its zone,
      which a snapshot of nodes and pods does not show. Volumes that are made with the pod and go
      with it (``emptyDir``, ``ephemeral``) do not protect, nor do paths of the host
    """
    metadata, spec = pod.part("metadata"), pod.part("spec")
    annotations = metadata.part("annotations")
    if metadata.has("deletionTimestamp"):
        return True, "is being deleted"
    word = annotations.text(PROTECTED).strip().lower()
    if word in ("true", "false"):
        told = annotations.text(PROTECTION, f"is annotated {PROTECTED}")
        return word == "true", told if word == "true" or annotations.has(PROTECTION) else ""
    if word:
        annotations.say(PROTECTED, f"expected 'true' or 'false', got {word[:24]!r}")
    reason = _static(metadata, annotations, owner) or _bound_to_stay(spec, annotations, owner)
    return bool(reason), reason


def _static(metadata: Part, annotations: Part, owner: str) -> str:
    mirrored, source = (annotations.text(key) for key in _MIRROR)
    of_node = any(one.text("kind") == "Node" for one in metadata.parts("ownerReferences"))
    if mirrored or of_node or source not in ("", "api"):
        return "is a static pod of its node"
    if owner.startswith("DaemonSet/"):
        return "belongs to a DaemonSet, which keeps it on its node"
    return ""


def _bound_to_stay(spec: Part, annotations: Part, owner: str) -> str:
    if annotations.text(SAFE).strip().lower() == "false":
        return f"is annotated {SAFE}: false"
    if not owner:
        return "has no controller that would make it anew"
    if any(volume.has("persistentVolumeClaim") for volume in spec.parts("volumes")):
        return "mounts a PersistentVolumeClaim, which may be tied to its node"
    return ""

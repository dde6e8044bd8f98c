"""The fixed parts of the shell script that carries out a plan."""

from __future__ import annotations

HEAD = """\
#!/usr/bin/env bash
# @TITLE@
#
#     bash FILE             look whether the cluster is still as it was, and tell the steps
#     APPLY=1 bash FILE     take them
#
# CONTEXT names kubectl's context, KUBECTL another program than kubectl, TIMEOUT the seconds that
# anything may take (300).
#
# Pods leave through the eviction API, so disruption budgets are honoured. The controller of a pod
# makes a new one, which this script binds to the planned node. So that no scheduler binds it
# first, whatever its schedulerName, all nodes are cordoned while the script works; those that it
# has cordoned are uncordoned at its end, also after an error or Ctrl-C. What runs is not touched
# by that, but nothing else starts until then, except pods that tolerate
# node.kubernetes.io/unschedulable. If a scheduler binds such a pod of the plan elsewhere, the
# script ends there with an error. A cluster autoscaler may see pods that wait; pause it if it is
# quick.
#
# It needs the rights to get and list pods, to create pods/eviction and pods/binding, and to get,
# list and patch nodes.
set -euo pipefail
"""

FUNCTIONS = r"""
APPLY=${APPLY:-0}
TIMEOUT=${TIMEOUT:-300}
POLL=2
CORDONED=""
EVICTED=""
NEW=""

# What is asked of pods and nodes, for kubectl get -o
PLACE='jsonpath={.metadata.uid}|{.spec.nodeName}'
CORDONS='jsonpath={range .items[*]}{.metadata.name}|{.spec.unschedulable}{"\n"}{end}'
OWNERS='{range .metadata.ownerReferences[*]}{.kind}/{.name} {end}'
PODS='{.metadata.name}|{.spec.nodeName}|{.metadata.deletionTimestamp}|'
PODS="jsonpath={range .items[*]}$PODS$OWNERS"'{"\n"}{end}'

# What is sent, for printf
EVICTION='{"apiVersion":"%s","kind":"Eviction","metadata":{"name":"%s","namespace":"%s"},'
EVICTION=$EVICTION'"deleteOptions":{"preconditions":{"uid":"%s"}}}'
BINDING='{"apiVersion":"v1","kind":"Binding","metadata":{"name":"%s","namespace":"%s"},'
BINDING=$BINDING'"target":{"apiVersion":"v1","kind":"Node","name":"%s"}}'

kube() { "${KUBECTL:-kubectl}" ${CONTEXT:+--context "$CONTEXT"} "$@"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Wait a moment, or give up: nap DEADLINE WHAT
nap() {
  if [ "$SECONDS" -ge "$1" ]; then die "after $TIMEOUT s still waiting: $2"; fi
  sleep "$POLL"
}

# The identity of a pod and its node, as UID|NODE: look NAMESPACE POD
look() { kube get pod -n "$1" "$2" --ignore-not-found -o "$PLACE"; }

# A pod is on a node, or on none: expect NAMESPACE POD NODE
expect() {
  local found
  found=$(look "$1" "$2")
  if [ -z "$found" ]; then die "pod $1/$2 is gone; make a new plan"; fi
  if [ "${found#*|}" != "$3" ]; then
    die "pod $1/$2 is on '${found#*|}' and not on '$3'; make a new plan"
  fi
}

# Let nothing come to a node any more, also when the script is done: close_node NODE
close_node() {
  printf 'cordon %s\n' "$1"
  if [ "$APPLY" = 1 ]; then kube cordon "$1"; fi
}

# Keep schedulers from binding anything.
pause_scheduling() {
  if [ "$APPLY" != 1 ]; then return; fi
  local name closed versions
  versions=$(kube api-versions)
  case " ${versions//$'\n'/ } " in
    *" policy/v1 "*) POLICY=policy/v1 ;;
    *) POLICY=policy/v1beta1 ;;
  esac
  trap resume_scheduling EXIT
  trap 'exit 130' INT TERM
  while IFS='|' read -r name closed; do
    if [ -z "$name" ] || [ "$closed" = true ]; then continue; fi
    CORDONED="$CORDONED $name"
    kube cordon "$name"
  done < <(kube get nodes -o "$CORDONS")
  if [ -z "$CORDONED" ]; then die "there is no node to plan with; look at kubectl get nodes"; fi
  sleep "$POLL" # until the schedulers have seen it
}

resume_scheduling() {
  local name left=""
  for name in $CORDONED; do
    kube uncordon "$name" || left="$left $name"
  done
  CORDONED=""
  if [ -n "$left" ]; then printf 'error: still cordoned, uncordon them:%s\n' "$left" >&2; fi
}

# Take a pod from its node as soon as its budgets allow: evict_pod NAMESPACE POD NODE
evict_pod() {
  printf 'evict %s/%s from %s\n' "$1" "$2" "$3"
  if [ "$APPLY" != 1 ]; then return; fi
  local found answer deadline=$((SECONDS + TIMEOUT))
  expect "$1" "$2" "$3"
  found=$(look "$1" "$2")
  # shellcheck disable=SC2059
  until answer=$(printf "$EVICTION" "$POLICY" "$2" "$1" "${found%%|*}" |
    kube create --raw "/api/v1/namespaces/$1/pods/$2/eviction" -f - 2>&1); do
    case $answer in
      *TooManyRequests* | *budget*) nap "$deadline" "a disruption budget keeps $1/$2" ;;
      *) die "pod $1/$2 was not evicted: $answer" ;;
    esac
  done
  EVICTED="$EVICTED$1 $2 ${found%%|*}"$'\n'
}

# Wait until all pods that were evicted have left.
gone() {
  local namespace pod uid found deadline=$((SECONDS + TIMEOUT))
  while read -r namespace pod uid; do
    if [ -z "$namespace" ]; then continue; fi
    while
      found=$(look "$namespace" "$pod")
      [ "${found%%|*}" = "$uid" ]
    do
      nap "$deadline" "pod $namespace/$pod has not left its node"
    done
  done <<<"$EVICTED"
  EVICTED=""
}

# Find what a controller made anew, and put its name into NEW: successor NAMESPACE POD OWNER
successor() {
  NEW=$2
  if [ "$APPLY" != 1 ]; then return; fi
  local name node leaving owners found deadline=$((SECONDS + TIMEOUT))
  while true; do
    found=""
    while IFS='|' read -r name node leaving owners; do
      if [ -n "$node$leaving" ]; then continue; fi
      case " $owners" in *" $3 "*) ;; *) continue ;; esac
      if [ "$name" = "$2" ]; then found=$name; fi
      case " $WAITING " in *" $1/$name "*) continue ;; esac
      found=${found:-$name}
    done < <(kube get pods -n "$1" -o "$PODS")
    if [ -n "$found" ]; then break; fi
    nap "$deadline" "$3 has made no new pod for $1/$2"
  done
  NEW=$found
}

# Run a waiting pod on a node: bind_pod NAMESPACE POD NODE
bind_pod() {
  printf 'bind %s/%s to %s\n' "$1" "$2" "$3"
  if [ "$APPLY" != 1 ]; then return; fi
  local answer
  # shellcheck disable=SC2059
  answer=$(printf "$BINDING" "$2" "$1" "$3" |
    kube create --raw "/api/v1/namespaces/$1/pods/$2/binding" -f - 2>&1) ||
    die "pod $1/$2 was not bound to $3: $answer"
}
"""

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What podman's pods are to do, whichever manager makes their cgroups. Arguments: options of `podman
# pod create`, with which any process may be in a pod.

make_pod() {
  podman pod create --name pod --network none --infra-image localhost/busybox \
    --infra-command 'sleep 1000' "$@"
}

pods_share_namespaces() {
  make_pod --hostname podded --share net,uts,ipc "$@"
  podman run --detach --pod pod --name one localhost/busybox sleep 1000
  run -0 podman run --rm --pod pod localhost/busybox sh -c 'hostname; readlink /proc/self/ns/ipc'
  expect "${lines[0]}" = podded
  expect "${lines[1]}" = "$(podman exec one readlink /proc/self/ns/ipc)"
  podman pod stop --time 0 pod
  podman pod rm pod
}

pods_run_on_one_kernel() {
  local boot_id=/proc/sys/kernel/random/boot_id
  make_pod --share net,pid "$@"
  podman run --detach --pod pod --name one localhost/busybox sleep 1001
  run -0 podman run --rm --pod pod localhost/busybox sh -c "cat $boot_id; ps"
  expect "${lines[0]}" = "$(podman exec one cat $boot_id)"
  expect_match "$output" "sleep 1000"
  expect_match "$output" "sleep 1001"
  podman kill one
  expect "$(podman wait one)" = 137
  podman pod rm --force --time 0 pod
}

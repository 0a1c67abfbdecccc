/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct bpf_insn;

/*
 * eBPF device filters of cgroup v2 (bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE). They live as long as the
 * cgroup. Leaf functions: a descriptor, 0, or -errno; -EINVAL from cgroup_bpf_load() is also what a
 * kernel without CONFIG_CGROUP_BPF says.
 */
int cgroup_bpf_load(const struct bpf_insn *insns, size_t count);

/* The only program at this very cgroup; -ENOENT: there is none, or not only one. */
int cgroup_bpf_open(int cgroup_fd);

/* Attaches the program to the cgroup; other programs, above and below, keep their say. With
 * @is_alone those at this very cgroup are detached, after the new one is in force. */
int cgroup_bpf_attach(int cgroup_fd, int prog_fd, bool is_alone);

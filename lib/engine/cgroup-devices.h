/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup_plan;
struct error;
struct oci_resources;

/*
 * Which devices a container may use: at first none, then linux.resources.devices in their order
 * (of two rules about the same access the later one counts), then those that every container may.
 * Pure: rules to lines for the devices controller of v1, or to an eBPF program for v2.
 */
#define DEVICE_ANY (-1)
enum device_access {
	DEVICE_MKNOD = BPF_DEVCG_ACC_MKNOD,
	DEVICE_READ = BPF_DEVCG_ACC_READ,
	DEVICE_WRITE = BPF_DEVCG_ACC_WRITE,
	DEVICE_ALL = DEVICE_MKNOD | DEVICE_READ | DEVICE_WRITE,
};

struct device_rule {
	bool allow;
	char type;     /* 'a' 'b' 'c' */
	int64_t major; /* or DEVICE_ANY */
	int64_t minor;
	unsigned int access; /* of enum device_access */
	bool is_default;     /* nobody asked for it */
};

/* The rules of @resources (NULL: none) and those for everybody behind them. *ret: free(3) it. */
int cgroup_devices_rules(const struct oci_resources *resources, struct device_rule **ret,
			 size_t *ret_count, struct error *err);

/* Adds devices.deny and devices.allow lines with the same effect. v1 knows a default and exceptions
 * from it, no order: rules that take back a part of an earlier exception cannot be said and are
 * refused. @present: devices.list of a cgroup that is in use, whose exceptions are added to first
 * and taken from then; NULL: a new one. */
int cgroup_devices_lines(const struct device_rule *rules, size_t count, const char *present,
			 struct cgroup_plan *plan, struct error *err);

/* A program of type BPF_PROG_TYPE_CGROUP_DEVICE; returns how many instructions. *ret: free(3). */
size_t cgroup_devices_program(const struct device_rule *rules, size_t count, struct bpf_insn **ret);

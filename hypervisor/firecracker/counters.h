/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;
struct hv_metrics;

/*
 * Firecracker writes what it has counted since it last wrote, as a line of JSON each minute and
 * whenever it is asked to. Who watches it adds that up, and keeps the sums in a file of the VM's
 * directory, where everybody finds them.
 */
#define FC_COUNTERS_NAME "counters"
#define FC_COUNTERS_LINE_MAX (256u << 10) /* bytes; seen: 10 KiB for a machine with two disks */

/* Adds a line to @sum, in which only devices and exits count. Devices are called as elsewhere:
 * disks by their drive_id, "net0", "vsock", "rng". -EPROTO. */
int fc_counters_add(struct hv_metrics *sum, const char *line, size_t len, struct error *err);

/* The file of sums; @serial tells one from the next. */
int fc_counters_keep(int dir_fd, uint64_t serial, const struct hv_metrics *sum);
/* The one beside @control. -ENOENT: nothing was told yet. */
int fc_counters_find(const char *control, uint64_t *ret_serial, struct hv_metrics *ret);

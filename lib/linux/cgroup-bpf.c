/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/cgroup-bpf.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

/* The kernel's own limit of programs at one cgroup (BPF_CGROUP_MAX_PROGS). */
#define PROGRAMS_MAX 64

static int bpf(int command, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

/* Up to Linux 5.10 programs count as locked memory of their user. */
static int load_unlimited(union bpf_attr *attr)
{
	static const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit old;
	int r;

	if (getrlimit(RLIMIT_MEMLOCK, &old) < 0 || setrlimit(RLIMIT_MEMLOCK, &unlimited) < 0)
		return -EPERM;
	r = bpf(BPF_PROG_LOAD, attr);
	(void)setrlimit(RLIMIT_MEMLOCK, &old); /* lowering it again is always allowed */
	return r;
}

int cgroup_bpf_load(const struct bpf_insn *insns, size_t count)
{
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uintptr_t) "Apache-2.0";
	memcpy(attr.prog_name, "moat_devices", sizeof("moat_devices"));
	r = bpf(BPF_PROG_LOAD, &attr);
	return r == -EPERM ? load_unlimited(&attr) : r;
}

static int query(int cgroup_fd, uint32_t *ids, size_t *count)
{
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = PROGRAMS_MAX;
	r = bpf(BPF_PROG_QUERY, &attr);
	*count = r < 0 ? 0 : attr.query.prog_cnt;
	return r;
}

static int open_program(uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id;
	return bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

int cgroup_bpf_open(int cgroup_fd)
{
	uint32_t ids[PROGRAMS_MAX];
	size_t count;
	int r = query(cgroup_fd, ids, &count);

	if (r < 0)
		return r;
	return count == 1 ? open_program(ids[0]) : -ENOENT;
}

static int detach(int cgroup_fd, uint32_t id)
{
	cleanup_fd int fd = open_program(id);
	union bpf_attr attr;

	if (fd < 0)
		return fd;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return bpf(BPF_PROG_DETACH, &attr);
}

int cgroup_bpf_attach(int cgroup_fd, int prog_fd, bool is_alone)
{
	uint32_t old[PROGRAMS_MAX];
	size_t count = 0;
	union bpf_attr attr;
	int r = 0;

	if (is_alone)
		r = query(cgroup_fd, old, &count);
	if (r < 0)
		return r;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	r = bpf(BPF_PROG_ATTACH, &attr);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = detach(cgroup_fd, old[i]);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/sk-lookup.h"

#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

static int bpf(int command, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

/* A map with this one socket in it: how a program names it. */
static int make_map(int listen_fd)
{
	uint32_t key = 0;
	uint64_t value = (uint64_t)listen_fd;
	union bpf_attr attr;
	cleanup_fd int fd = -1;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_SOCKMAP;
	attr.key_size = sizeof(key);
	attr.value_size = sizeof(value);
	attr.max_entries = 1;
	fd = bpf(BPF_MAP_CREATE, &attr);
	if (fd < 0)
		return fd;
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)&value;
	r = bpf(BPF_MAP_UPDATE_ELEM, &attr);
	return r < 0 ? r : steal_fd(&fd);
}

/* clang-format off */
#define FIELD(name) offsetof(struct bpf_sk_lookup, name)
#define LOAD(reg, name) { BPF_LDX | BPF_MEM | BPF_W, reg, BPF_REG_6, FIELD(name), 0 }
#define MOVE(to, from) { BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0 }
#define SET(reg, value) { BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value }
#define SKIP_UNLESS(reg, value, count) { BPF_JMP | BPF_JNE | BPF_K, reg, 0, count, value }
#define SKIP_IF(reg, value, count) { BPF_JMP | BPF_JEQ | BPF_K, reg, 0, count, value }
#define CALL(function) { BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##function }

static int load_program(int map_fd)
{
	const struct bpf_insn insns[] = {
		MOVE(BPF_REG_6, BPF_REG_1),
		LOAD(BPF_REG_2, family),
		SKIP_UNLESS(BPF_REG_2, AF_INET, 19),
		LOAD(BPF_REG_2, protocol),
		SKIP_UNLESS(BPF_REG_2, IPPROTO_TCP, 17),
		LOAD(BPF_REG_2, local_ip4),
		{ BPF_ALU | BPF_END | BPF_TO_BE, BPF_REG_2, 0, 0, 32 },
		SKIP_UNLESS(BPF_REG_2, INADDR_LOOPBACK, 14),
		{ BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0 },
		MOVE(BPF_REG_2, BPF_REG_10),
		{ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4 },
		{ BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd },
		{ 0, 0, 0, 0, 0 },
		CALL(map_lookup_elem),
		SKIP_IF(BPF_REG_0, 0, 7),
		MOVE(BPF_REG_7, BPF_REG_0),
		MOVE(BPF_REG_1, BPF_REG_6),
		MOVE(BPF_REG_2, BPF_REG_0),
		SET(BPF_REG_3, 0),
		CALL(sk_assign),
		MOVE(BPF_REG_1, BPF_REG_7),
		CALL(sk_release),
		SET(BPF_REG_0, SK_PASS),
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SK_LOOKUP;
	attr.expected_attach_type = BPF_SK_LOOKUP;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = ARRAY_SIZE(insns);
	attr.license = (uintptr_t)"Apache-2.0";
	memcpy(attr.prog_name, "moat_loopback", sizeof("moat_loopback"));
	return bpf(BPF_PROG_LOAD, &attr);
}
/* clang-format on */

int sk_lookup_loopback(int netns_fd, int listen_fd)
{
	cleanup_fd int map_fd = make_map(listen_fd), prog_fd = -1;
	union bpf_attr attr;

	if (map_fd < 0)
		return map_fd;
	prog_fd = load_program(map_fd);
	if (prog_fd < 0)
		return prog_fd;
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)prog_fd;
	attr.link_create.target_fd = (uint32_t)netns_fd;
	attr.link_create.attach_type = BPF_SK_LOOKUP;
	return bpf(BPF_LINK_CREATE, &attr);
}

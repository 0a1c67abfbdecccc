/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/filter-enosys.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/linux/seccomp-program.h"
#include "lib/linux/seccomp.h"
#include "oci/config.h"

/*
 * Where the calls that all architectures get under one number end, for those that have something
 * else above: newer calls appear below. x86_64 and x32 are one token, told apart by bit 30 of the
 * number; x32 has had calls of its own from 512 on since its first day, ARM from 0xf0000 on.
 */
#define X32_BIT UINT32_C(0x40000000)

/* clang-format off */
static const struct {
	const char *name;
	uint32_t end;
} ends[] = {
	{ "x86_64", X32_BIT },
	{ "x32",    X32_BIT + 512 },
	{ "arm",    0xf0000 },
};
/* clang-format on */

bool enosys_is_wanted(const struct oci_seccomp *seccomp)
{
	switch (seccomp->default_action) {
	case OCI_SECCOMP_ALLOW:
	case OCI_SECCOMP_LOG:
	case OCI_SECCOMP_TRACE: /* the tracer knows better */
		return false;
	case OCI_SECCOMP_ERRNO:
		return !seccomp->default_errno_ret.is_set ||
		       seccomp->default_errno_ret.value != ENOSYS;
	default:
		return true;
	}
}

/* -1, which a tracer uses to skip a call, is never in a range. */
static uint32_t end_of(const char *arch)
{
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (streq(ends[i].name, arch))
			return ends[i].end;
	return UINT32_MAX;
}

/* One more than the highest number below @end; 0: none. */
static uint32_t first_unknown(const struct oci_seccomp *seccomp, uint32_t arch, uint32_t end)
{
	uint32_t first = 0;

	for (size_t i = 0; i < seccomp->syscalls_count; i++) {
		strv_each(name, seccomp->syscalls[i].names) {
			int number = seccomp_call_number(arch, name);

			if (number >= 0 && (uint32_t)number < end && (uint32_t)number >= first)
				first = (uint32_t)number + 1;
		}
	}
	return first;
}

size_t enosys_ranges(const struct oci_seccomp *seccomp, const char *arch, uint32_t number,
		     struct enosys_range *ret)
{
	uint32_t token = streq(arch, "x32") ? AUDIT_ARCH_X86_64 : number;
	uint32_t end = end_of(arch);
	uint32_t first = first_unknown(seccomp, number, end);
	size_t count = 0;

	if (!first)
		return 0;
	/* s390 passes high numbers in a register, and the kernel shows 0 for those it does not
	 * know. The call that 0 once was is not there any more. */
	if (streq(arch, "s390") || streq(arch, "s390x"))
		ret[count++] = (struct enosys_range){ token, 0, 1 };
	ret[count++] = (struct enosys_range){ token, first, end };
	return count;
}

/* What has 64 bits first: it is what most calls come from. */
static int by_token(const void *a, const void *b)
{
	uint32_t x = ((const struct enosys_range *)a)->token;
	uint32_t y = ((const struct enosys_range *)b)->token;

	return (x < y) - (x > y);
}

static size_t count_same_token(const struct enosys_range *ranges, size_t count)
{
	size_t n = 1;

	while (n < count && ranges[n].token == ranges[0].token)
		n++;
	return n;
}

/* Begins with the token in the accumulator, and leaves it there when it is another one. */
static struct sock_filter *add_section(struct sock_filter *p, const struct enosys_range *ranges,
				       size_t count)
{
	const unsigned int nr = offsetof(struct seccomp_data, nr);

	*p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ranges[0].token, 0,
					    (uint8_t)(3 * count + 2));
	*p++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr);
	for (size_t i = 0; i < count; i++) {
		*p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ranges[i].from, 0,
						    2);
		*p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ranges[i].to, 1, 0);
		*p++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	}
	*p = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0); /* its target comes later */
	return p + 1;
}

int enosys_prepend(struct enosys_range *ranges, size_t count, struct sock_fprog *program)
{
	const unsigned int arch = offsetof(struct seccomp_data, arch);
	cleanup_free struct sock_filter *insns =
		xcalloc(1 + 6 * count + program->len, sizeof(*insns));
	struct sock_fprog whole;
	struct sock_filter *p = insns;
	int r;

	if (!count)
		return 0;
	qsort(ranges, count, sizeof(*ranges), by_token);
	*p++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arch);
	for (size_t i = 0, n; i < count; i += n) {
		n = count_same_token(ranges + i, count - i);
		p = add_section(p, ranges + i, n);
	}
	for (struct sock_filter *jump = insns; jump < p; jump++)
		if (jump->code == (BPF_JMP | BPF_JA))
			jump->k = (uint32_t)(p - jump - 1);
	memcpy(p, program->filter, program->len * sizeof(*p));
	r = seccomp_program_copy(insns, (size_t)(p - insns) + program->len, &whole);
	if (r < 0)
		return r;
	seccomp_program_done(program);
	*program = whole;
	return 0;
}

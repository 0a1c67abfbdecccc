/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/seccomp-program.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

int seccomp_program_read(int fd, struct sock_fprog *ret)
{
	cleanup_free struct sock_filter *insns = NULL;
	struct stat st;
	size_t size;

	if (fstat(fd, &st) < 0)
		return -errno;
	size = (size_t)st.st_size;
	if (size == 0 || size % sizeof(*insns) || size / sizeof(*insns) > BPF_MAXINSNS)
		return -EINVAL;
	insns = xmalloc(size);
	if (pread(fd, insns, size, 0) != (ssize_t)size)
		return -EIO;
	ret->len = (unsigned short)(size / sizeof(*insns));
	ret->filter = steal_ptr(&insns);
	return 0;
}

int seccomp_program_write(const struct sock_fprog *program)
{
	cleanup_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, program->filter, program->len * sizeof(*program->filter));
	return r < 0 ? r : steal_fd(&fd);
}

int seccomp_program_copy(const struct sock_filter *insns, size_t count, struct sock_fprog *ret)
{
	if (count == 0)
		return -EINVAL;
	if (count > BPF_MAXINSNS)
		return -E2BIG;
	ret->len = (unsigned short)count;
	ret->filter = xmemdup(insns, count * sizeof(*insns));
	return 0;
}

void seccomp_program_done(struct sock_fprog *program)
{
	free(program->filter);
	*program = (struct sock_fprog){ 0 };
}

/* @left: how many instructions follow. */
static bool is_sound(const struct sock_filter *insn, size_t left)
{
	switch (insn->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return insn->k % 4 == 0 && insn->k < sizeof(struct seccomp_data);
	case BPF_ALU | BPF_AND | BPF_K:
		return true;
	case BPF_JMP | BPF_JA:
		return insn->k < left;
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_K:
		return insn->jt < left && insn->jf < left;
	case BPF_RET | BPF_K:
		return true;
	default:
		return false;
	}
}

int seccomp_program_check(const struct sock_fprog *program)
{
	size_t count = program->len;

	if (count == 0 || count > BPF_MAXINSNS)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (!is_sound(&program->filter[i], count - 1 - i))
			return -EINVAL;
	return program->filter[count - 1].code == (BPF_RET | BPF_K) ? 0 : -EINVAL;
}

/* clang-format off */
static const struct {
	const char *name;
	unsigned int flag;
} flag_names[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC",              SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG",                SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW",         SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};
/* clang-format on */

int seccomp_flag(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++)
		if (streq(flag_names[i].name, name))
			return (int)flag_names[i].flag;
	return -EINVAL;
}

/* Flags are looked at before the program, which is nowhere. This one means something to a listener
 * only. */
bool seccomp_has_flag(unsigned int flag)
{
	if (flag & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		flag |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag, NULL) < 0 && errno == EFAULT;
}

int seccomp_program_load(const struct sock_fprog *program, unsigned int flags)
{
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);

	return r < 0 ? -errno : (int)r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* struct seccomp_builder is libseccomp's filter context under a name of ours. */
static scmp_filter_ctx context(const struct seccomp_builder *builder)
{
	return (scmp_filter_ctx)builder;
}

int seccomp_builder_new(uint32_t default_action, struct seccomp_builder **ret)
{
	scmp_filter_ctx ctx = seccomp_init(default_action);

	if (!ctx)
		return -EINVAL;
	*ret = ctx;
	return 0;
}

void seccomp_builder_free(struct seccomp_builder *builder)
{
	seccomp_release(context(builder));
}

int seccomp_builder_add_arch(struct seccomp_builder *builder, const char *name)
{
	uint32_t arch = seccomp_arch_resolve_name(name);
	int r;

	if (!arch)
		return -EINVAL;
	r = seccomp_arch_add(context(builder), arch);
	return r == -EEXIST ? 0 : r;
}

static const enum scmp_compare ops[] = {
	[SECCOMP_OP_NE] = SCMP_CMP_NE,
	[SECCOMP_OP_LT] = SCMP_CMP_LT,
	[SECCOMP_OP_LE] = SCMP_CMP_LE,
	[SECCOMP_OP_EQ] = SCMP_CMP_EQ,
	[SECCOMP_OP_GE] = SCMP_CMP_GE,
	[SECCOMP_OP_GT] = SCMP_CMP_GT,
	[SECCOMP_OP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
};

int seccomp_builder_add(struct seccomp_builder *builder, uint32_t action, const char *syscall_name,
			const struct seccomp_compare *compares, size_t count)
{
	struct scmp_arg_cmp args[SECCOMP_ARGS_MAX];
	int number = seccomp_syscall_resolve_name(syscall_name);

	if (number == __NR_SCMP_ERROR)
		return -ENOENT;
	if (count > ARRAY_SIZE(args))
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		args[i] = (struct scmp_arg_cmp){
			.arg = compares[i].arg,
			.op = ops[compares[i].op],
			.datum_a = compares[i].value,
			.datum_b = compares[i].value_two,
		};
	return seccomp_rule_add_array(context(builder), action, number, (unsigned int)count, args);
}

int seccomp_builder_export(const struct seccomp_builder *builder)
{
	cleanup_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(context(builder), fd);
	return r < 0 ? r : steal_fd(&fd);
}

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

void seccomp_program_done(struct sock_fprog *program)
{
	free(program->filter);
	*program = (struct sock_fprog){ 0 };
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

int seccomp_program_load(const struct sock_fprog *program, unsigned int flags)
{
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program) < 0)
		return -errno;
	return 0;
}

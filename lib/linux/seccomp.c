/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/seccomp.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>

#include "lib/base/str.h"
#include "lib/linux/seccomp-program.h"

/* struct seccomp_builder is libseccomp's filter context under a name of ours. */
static scmp_filter_ctx context(const struct seccomp_builder *builder)
{
	return (scmp_filter_ctx)builder;
}

uint32_t seccomp_arch(const char *name)
{
	return seccomp_arch_resolve_name(name);
}

uint32_t seccomp_arch_own(void)
{
	return seccomp_arch_native();
}

/* The library has negative numbers for calls that an architecture does not have. */
int seccomp_call_number(uint32_t arch, const char *call)
{
	int number = seccomp_syscall_resolve_name_arch(arch, call);

	return number < 0 ? -ENOENT : number;
}

const char *seccomp_library_version(void)
{
	static char text[48];
	const struct scmp_version *version = seccomp_version();

	(void)snprintf(text, sizeof(text), "%u.%u.%u", version->major, version->minor,
		       version->micro);
	return text;
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

int seccomp_builder_add_arch(struct seccomp_builder *builder, uint32_t arch)
{
	int r = seccomp_arch_add(context(builder), arch);

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

int seccomp_builder_add(struct seccomp_builder *builder, uint32_t action, const char *call,
			const struct seccomp_compare *compares, size_t count)
{
	struct scmp_arg_cmp args[SECCOMP_ARGS_MAX];
	int number = seccomp_syscall_resolve_name(call);

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

int seccomp_builder_use_tree(struct seccomp_builder *builder)
{
	return seccomp_attr_set(context(builder), SCMP_FLTATR_CTL_OPTIMIZE, 2);
}

int seccomp_builder_export(const struct seccomp_builder *builder, struct sock_fprog *ret)
{
	cleanup_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(context(builder), fd);
	return r < 0 ? r : seccomp_program_read(fd, ret);
}

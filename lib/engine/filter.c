/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/filter.h"

#include <ctype.h>
#include <errno.h>
#include <linux/seccomp.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/linux/seccomp.h"
#include "oci/config.h"

/* clang-format off */
static const uint32_t actions[OCI_SECCOMP_ACTION_COUNT] = {
	[OCI_SECCOMP_KILL]         = SECCOMP_RET_KILL_THREAD,
	[OCI_SECCOMP_KILL_PROCESS] = SECCOMP_RET_KILL_PROCESS,
	[OCI_SECCOMP_KILL_THREAD]  = SECCOMP_RET_KILL_THREAD,
	[OCI_SECCOMP_TRAP]         = SECCOMP_RET_TRAP,
	[OCI_SECCOMP_ERRNO]        = SECCOMP_RET_ERRNO,
	[OCI_SECCOMP_TRACE]        = SECCOMP_RET_TRACE,
	[OCI_SECCOMP_ALLOW]        = SECCOMP_RET_ALLOW,
	[OCI_SECCOMP_LOG]          = SECCOMP_RET_LOG,
	[OCI_SECCOMP_NOTIFY]       = SECCOMP_RET_USER_NOTIF,
};

static const enum seccomp_op ops[OCI_SECCOMP_OP_COUNT] = {
	[OCI_SECCOMP_NE] = SECCOMP_OP_NE, [OCI_SECCOMP_LT] = SECCOMP_OP_LT,
	[OCI_SECCOMP_LE] = SECCOMP_OP_LE, [OCI_SECCOMP_EQ] = SECCOMP_OP_EQ,
	[OCI_SECCOMP_GE] = SECCOMP_OP_GE, [OCI_SECCOMP_GT] = SECCOMP_OP_GT,
	[OCI_SECCOMP_MASKED_EQ] = SECCOMP_OP_MASKED_EQ,
};
/* clang-format on */

static int check_action(int action, const struct opt_u32 *errno_ret, const char *where,
			struct error *err)
{
	if (action < 0 || action >= OCI_SECCOMP_ACTION_COUNT)
		return error_set(err, -EINVAL, "%s.action: missing", where);
	if (action == OCI_SECCOMP_NOTIFY)
		return error_set(err, -EOPNOTSUPP, "%s.action: SCMP_ACT_NOTIFY is not supported",
				 where);
	if (!errno_ret->is_set)
		return 0;
	if (action != OCI_SECCOMP_ERRNO && action != OCI_SECCOMP_TRACE)
		return error_set(err, -EINVAL, "%s.errnoRet: only for SCMP_ACT_ERRNO and _TRACE",
				 where);
	if (errno_ret->value > 4095)
		return error_set(err, -ERANGE, "%s.errnoRet: %u is not an error number", where,
				 errno_ret->value);
	return 0;
}

static int check_rule(const struct oci_syscall *rule, size_t index, struct error *err)
{
	cleanup_free char *where = xasprintf("linux.seccomp.syscalls[%zu]", index);
	int r = check_action(rule->action, &rule->errno_ret, where, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < rule->args_count; i++) {
		if (rule->args[i].index >= SECCOMP_ARGS_MAX)
			return error_set(err, -EINVAL, "%s.args[%zu].index: over %d", where, i,
					 SECCOMP_ARGS_MAX - 1);
		if (rule->args[i].op < 0 || rule->args[i].op >= OCI_SECCOMP_OP_COUNT)
			return error_set(err, -EINVAL, "%s.args[%zu].op: missing", where, i);
	}
	return 0;
}

int filter_plan(const struct oci_seccomp *seccomp, struct filter_plan *ret, struct error *err)
{
	struct filter_plan plan = { 0, 0 };
	int r = check_action(seccomp->default_action, &seccomp->default_errno_ret,
			     "linux.seccomp.default", err);

	for (size_t i = 0; r == 0 && i < seccomp->syscalls_count; i++)
		r = check_rule(&seccomp->syscalls[i], i, err);
	if (r < 0)
		return r;
	if (seccomp->listener_path)
		return error_set(err, -EOPNOTSUPP, "linux.seccomp.listenerPath: not supported");
	/* Filters that cost speculation on every system call are not what anybody means by leaving
	 * the flags out; an empty list says so. */
	if (!seccomp->flags)
		plan.optional_flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	strv_each(name, seccomp->flags) {
		int flag = seccomp_flag(name);

		if (flag < 0)
			return error_set(err, -EINVAL, "linux.seccomp.flags: unknown flag '%s'",
					 name);
		plan.flags |= (unsigned int)flag;
	}
	*ret = plan;
	return 0;
}

static uint32_t action_value(int action, const struct opt_u32 *errno_ret)
{
	if (action != OCI_SECCOMP_ERRNO && action != OCI_SECCOMP_TRACE)
		return actions[action];
	return actions[action] | (errno_ret->is_set ? errno_ret->value : EPERM);
}

static int add_architectures(struct seccomp_builder *builder, const struct oci_seccomp *seccomp,
			     struct error *err)
{
	strv_each(arch, seccomp->architectures) {
		const char *bare = str_after(arch, "SCMP_ARCH_");
		cleanup_free char *name = xstrdup(bare ? bare : arch);
		int r;

		for (char *p = name; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		r = seccomp_builder_add_arch(builder, name);
		if (r < 0)
			return error_sys(err, r, "linux.seccomp.architectures: '%s'", arch);
	}
	return 0;
}

/* Comparisons of one rule must all hold. libseccomp takes an argument only once, so where one is
 * named twice, each comparison makes a rule of its own, as runc and crun do. */
static bool names_twice(const struct oci_syscall *rule)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < rule->args_count; i++) {
		if (seen & 1u << rule->args[i].index)
			return true;
		seen |= 1u << rule->args[i].index;
	}
	return false;
}

static int add_name(struct seccomp_builder *builder, uint32_t action,
		    const struct oci_syscall *rule, const char *name)
{
	struct seccomp_compare compares[SECCOMP_ARGS_MAX];
	bool is_split = names_twice(rule);
	int r = 0;

	if (!rule->args_count)
		return seccomp_builder_add(builder, action, name, NULL, 0);
	for (size_t i = 0; i < rule->args_count && r == 0; i++) {
		compares[is_split ? 0 : i] = (struct seccomp_compare){
			.arg = rule->args[i].index,
			.op = ops[rule->args[i].op],
			.value = rule->args[i].value,
			.value_two = rule->args[i].value_two,
		};
		if (is_split)
			r = seccomp_builder_add(builder, action, name, compares, 1);
	}
	if (is_split)
		return r;
	return seccomp_builder_add(builder, action, name, compares, rule->args_count);
}

static int add_rules(struct seccomp_builder *builder, const struct oci_seccomp *seccomp,
		     uint32_t default_action, struct error *err)
{
	for (size_t i = 0; i < seccomp->syscalls_count; i++) {
		const struct oci_syscall *rule = &seccomp->syscalls[i];
		uint32_t action = action_value(rule->action, &rule->errno_ret);

		if (action == default_action)
			continue; /* libseccomp refuses rules that change nothing */
		strv_each(name, rule->names) {
			int r = add_name(builder, action, rule, name);

			if (r == -ENOENT) {
				log_debug("seccomp: no system call '%s' here", name);
				continue;
			}
			if (r < 0)
				return error_sys(err, r, "linux.seccomp.syscalls[%zu]: '%s'", i,
						 name);
		}
	}
	return 0;
}

int filter_build(const struct oci_seccomp *seccomp, int *ret_fd, struct error *err)
{
	cleanup_seccomp_builder struct seccomp_builder *builder = NULL;
	uint32_t action = action_value(seccomp->default_action, &seccomp->default_errno_ret);
	int r = seccomp_builder_new(action, &builder);

	if (r < 0)
		return error_sys(err, r, "start a seccomp filter");
	r = add_architectures(builder, seccomp, err);
	if (r == 0)
		r = add_rules(builder, seccomp, action, err);
	if (r < 0)
		return r;
	r = seccomp_builder_export(builder);
	if (r < 0)
		return error_sys(err, r, "build seccomp filter");
	*ret_fd = r;
	return 0;
}

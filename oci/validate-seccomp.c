/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/validate.h"

#include "oci/config.h"

/* The rules of linux.seccomp. Names of system calls are not among them: which exist is the
 * library's business, and unknown ones are left out, as by its peers. */

static const struct oci_seccomp *section(const struct checker *c)
{
	return c->config->linux_.seccomp;
}

static bool takes_errno(int action)
{
	return action == OCI_SECCOMP_ERRNO || action == OCI_SECCOMP_TRACE;
}

/* SECCOMP_RET_DATA has 16 bits. */
#define ERRNO_MAX UINT16_MAX

static int check_errno(struct checker *c, const struct opt_u32 *value, int action)
{
	if (!value->is_set)
		return 0;
	if (!takes_errno(action))
		return checker_refuse(c, "has no meaning for the action",
				      names_get(&oci_seccomp_action_names, (size_t)action));
	if (value->value > ERRNO_MAX)
		return checker_refuse_number(c, "number out of range", value->value);
	return 0;
}

static int check_default(struct checker *c)
{
	const struct oci_seccomp *s = section(c);

	if (!s)
		return 0;
	checker_at(c, "linux.seccomp.defaultAction");
	if (s->default_action == OCI_SECCOMP_NOTIFY)
		return checker_refuse(c, "SCMP_ACT_NOTIFY cannot be used as default action", NULL);
	checker_at(c, "linux.seccomp.defaultErrnoRet");
	return check_errno(c, &s->default_errno_ret, s->default_action);
}

static int check_architectures(struct checker *c)
{
	const struct oci_seccomp *s = section(c);

	return s ? check_words(c, "linux.seccomp.architectures", s->architectures,
			       &oci_seccomp_arch_names)
		 : 0;
}

static int check_flags(struct checker *c)
{
	const struct oci_seccomp *s = section(c);

	return s ? check_words(c, "linux.seccomp.flags", s->flags, &oci_seccomp_flag_names) : 0;
}

/* A listenerPath without SCMP_ACT_NOTIFY MUST be ignored, so that it may be there. The other way
 * round nobody would answer. */
static int check_listener(struct checker *c)
{
	const struct oci_seccomp *s = section(c);

	if (!s)
		return 0;
	checker_at(c, "linux.seccomp.listenerPath");
	if (s->listener_path && *s->listener_path != '/')
		return checker_refuse(c, "must be an absolute path", s->listener_path);
	if (!s->listener_path && oci_seccomp_notifies(s))
		return checker_refuse(
			c, "seccomp listenerPath is not set, but SCMP_ACT_NOTIFY is used", NULL);
	if (s->listener_metadata && !s->listener_path)
		return checker_refuse(checker_at(c, "linux.seccomp.listenerMetadata"),
				      "has no meaning without listenerPath", NULL);
	return 0;
}

/* valueTwo is looked at for SCMP_CMP_MASKED_EQ alone; profiles have it everywhere. */
static int check_arg(struct checker *c, size_t call, size_t i, const struct oci_seccomp_arg *arg)
{
	checker_at(c, "linux.seccomp.syscalls[%zu].args[%zu].index", call, i);
	if (arg->index > 5)
		return checker_refuse_number(c, "a system call has arguments 0 to 5", arg->index);
	return 0;
}

static int check_syscall(struct checker *c, size_t i, const struct oci_syscall *call)
{
	int r;

	checker_at(c, "linux.seccomp.syscalls[%zu].action", i);
	/* The runtime itself writes after the filter is in force, before anybody could listen. */
	if (call->action == OCI_SECCOMP_NOTIFY && strv_has(call->names, "write"))
		return checker_refuse(c, "SCMP_ACT_NOTIFY cannot be used for the write syscall",
				      NULL);
	checker_at(c, "linux.seccomp.syscalls[%zu].errnoRet", i);
	r = check_errno(c, &call->errno_ret, call->action);
	for (size_t a = 0; r == 0 && a < call->args_count; a++)
		r = check_arg(c, i, a, &call->args[a]);
	return r;
}

static int check_syscalls(struct checker *c)
{
	const struct oci_seccomp *s = section(c);

	for (size_t i = 0; s && i < s->syscalls_count; i++) {
		int r = check_syscall(c, i, &s->syscalls[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static const struct rule rules[] = {
	{ "config-linux.md#configLinuxSeccomp", check_default },
	{ "config-linux.md#configLinuxSeccomp", check_architectures },
	{ "config-linux.md#configLinuxSeccomp", check_flags },
	{ "config-linux.md#configLinuxSeccomp", check_syscalls },
	{ "config-linux.md#configLinuxSeccomp", check_listener },
};
const struct rules oci_seccomp_rules = RULES(rules);

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/filter.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <linux/seccomp.h>

#include "lib/base/base64.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/filter-cache.h"
#include "lib/engine/filter-enosys.h"
#include "lib/engine/sync.h"
#include "lib/linux/seccomp-program.h"
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

/* What goes into the low bits: an error number the library takes, or a message to a tracer. */
static const uint32_t data_max[OCI_SECCOMP_ACTION_COUNT] = {
	[OCI_SECCOMP_ERRNO] = 4094,
	[OCI_SECCOMP_TRACE] = SECCOMP_RET_DATA,
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
	if (!errno_ret->is_set)
		return 0;
	if (!data_max[action])
		return error_set(err, -EINVAL, "%s.errnoRet: only for SCMP_ACT_ERRNO and _TRACE",
				 where);
	if (errno_ret->value > data_max[action])
		return error_set(err, -ERANGE, "%s.errnoRet: %u is over %u", where,
				 errno_ret->value, data_max[action]);
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

static int plan_listener(const struct oci_seccomp *seccomp, struct filter_plan *plan,
			 struct error *err)
{
	if (seccomp->default_action == OCI_SECCOMP_NOTIFY)
		return error_set(err, -EINVAL, "SCMP_ACT_NOTIFY cannot be used as default action");
	for (size_t i = 0; i < seccomp->syscalls_count; i++) {
		const struct oci_syscall *rule = &seccomp->syscalls[i];

		if (rule->action != OCI_SECCOMP_NOTIFY)
			continue;
		/* Init writes to the caller which descriptor the agent has to get. */
		if (strv_has(rule->names, "write"))
			return error_set(err, -EINVAL,
					 "SCMP_ACT_NOTIFY cannot be used for the write syscall");
		plan->has_listener = true;
	}
	if (plan->has_listener && !seccomp->listener_path)
		return error_set(err, -EINVAL,
				 "linux.seccomp.listenerPath: missing, with SCMP_ACT_NOTIFY");
	return 0;
}

static int plan_flags(const struct oci_seccomp *seccomp, struct filter_plan *plan,
		      struct error *err)
{
	/* Filters that cost speculation on every system call are not what anybody means by leaving
	 * the flags out; an empty list says so. */
	if (!seccomp->flags)
		plan->optional_flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	strv_each(name, seccomp->flags) {
		int flag = seccomp_flag(name);

		if (flag < 0)
			return error_set(err, -EINVAL, "linux.seccomp.flags: unknown flag '%s'",
					 name);
		plan->flags |= (unsigned int)flag;
	}
	/* One thread has nobody to synchronise with, and the kernel takes this flag with a listener
	 * in some versions only. */
	plan->flags &= ~(unsigned int)SECCOMP_FILTER_FLAG_TSYNC;
	if (plan->has_listener)
		plan->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	else
		plan->flags &= ~(unsigned int)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	return 0;
}

int filter_plan(const struct oci_seccomp *seccomp, struct filter_plan *ret, struct error *err)
{
	struct filter_plan plan = { 0 };
	int r;

	if (seccomp->raw_filter) {
		*ret = plan;
		return 0;
	}
	r = check_action(seccomp->default_action, &seccomp->default_errno_ret,
			 "linux.seccomp.default", err);

	for (size_t i = 0; r == 0 && i < seccomp->syscalls_count; i++)
		r = check_rule(&seccomp->syscalls[i], i, err);
	if (r < 0)
		return r;
	strv_each(arch, seccomp->architectures)
		if (names_find(&oci_seccomp_arch_names, arch) < 0)
			return error_set(err, -EINVAL,
					 "linux.seccomp.architectures: unknown value '%s'", arch);
	r = plan_listener(seccomp, &plan, err);
	if (r == 0)
		r = plan_flags(seccomp, &plan, err);
	if (r == 0)
		*ret = plan;
	return r;
}

static uint32_t action_value(int action, const struct opt_u32 *errno_ret)
{
	if (!data_max[action])
		return actions[action];
	return actions[action] | (errno_ret->is_set ? errno_ret->value : EPERM);
}

/* A list of so many calls is as good as a tree. Besides, the library's (2.5.4) trees are wrong for
 * very few. */
#define TREE_MIN 32

#define ARCHS_MAX 32 /* the specification has 23 */

/* What a program is made of. */
struct build {
	const struct oci_seccomp *seccomp;
	bool is_kept;
	struct seccomp_builder *builder;
	uint32_t default_action;
	size_t calls_count; /* that have a rule */
	struct enosys_range ranges[ENOSYS_RANGES_PER_ARCH * ARCHS_MAX];
	size_t ranges_count;
	bool has_arch[ARCHS_MAX];
};

/* The library's name of "SCMP_ARCH_X86_64": "x86_64". */
static char *arch_name(size_t index)
{
	char *name = xstrdup(str_after(names_get(&oci_seccomp_arch_names, index), "SCMP_ARCH_"));

	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

/* Whatever cannot run on this machine needs no place in the filter, which kills the calls of every
 * architecture that it does not have. */
static int add_architecture(struct build *b, size_t index, struct error *err)
{
	cleanup_free char *name = arch_name(index);
	uint32_t arch = seccomp_arch(name);
	int r = arch ? seccomp_builder_add_arch(b->builder, arch) : -EDOM;

	if (r == -EDOM) {
		log_debug("linux.seccomp.architectures: '%s' is not one of this machine", name);
		return 0;
	}
	if (r < 0)
		return error_sys(err, r, "linux.seccomp.architectures: '%s'", name);
	if (!b->has_arch[index] && enosys_is_wanted(b->seccomp))
		b->ranges_count +=
			enosys_ranges(b->seccomp, name, arch, &b->ranges[b->ranges_count]);
	b->has_arch[index] = true;
	return 0;
}

static bool is_own_arch(size_t index)
{
	cleanup_free char *name = arch_name(index);

	return seccomp_arch(name) == seccomp_arch_own();
}

static int add_architectures(struct build *b, struct error *err)
{
	int r = 0;

	assert(oci_seccomp_arch_names.count <= ARCHS_MAX);
	for (size_t i = 0; r == 0 && i < oci_seccomp_arch_names.count; i++)
		if (is_own_arch(i))
			r = add_architecture(b, i, err);
	strv_each(word, b->seccomp->architectures)
		if (r == 0)
			r = add_architecture(b, (size_t)names_find(&oci_seccomp_arch_names, word),
					     err);
	return r;
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

static int add_rule(struct build *b, size_t index, struct error *err)
{
	const struct oci_syscall *rule = &b->seccomp->syscalls[index];
	uint32_t action = action_value(rule->action, &rule->errno_ret);

	if (action == b->default_action)
		return 0; /* libseccomp refuses rules that change nothing */
	strv_each(name, rule->names) {
		int r = add_name(b->builder, action, rule, name);

		if (r == -ENOENT && !b->seccomp->is_strict) {
			log_debug("seccomp: no system call '%s' here", name);
			continue;
		}
		if (r == -ENOENT)
			return error_set(err, -EINVAL,
					 "linux.seccomp.syscalls[%zu]: '%s': unknown system call",
					 index, name);
		if (r == -EEXIST)
			return error_set(
				err, r,
				"linux.seccomp.syscalls[%zu]: '%s': another rule with the same args has another action",
				index, name);
		if (r < 0)
			return error_sys(err, r, "linux.seccomp.syscalls[%zu]: '%s'", index, name);
		b->calls_count++;
	}
	return 0;
}

static int build(struct build *b, struct sock_fprog *program, struct error *err)
{
	int r = seccomp_builder_new(b->default_action, &b->builder);

	if (r < 0)
		return error_sys(err, r, "start a seccomp filter");
	r = add_architectures(b, err);
	for (size_t i = 0; r == 0 && i < b->seccomp->syscalls_count; i++)
		r = add_rule(b, i, err);
	if (r < 0)
		return r;
	if (b->is_kept && b->calls_count > TREE_MIN)
		r = seccomp_builder_use_tree(b->builder);
	if (r == 0)
		r = seccomp_builder_export(b->builder, program);
	if (r == 0)
		r = enosys_prepend(b->ranges, b->ranges_count, program);
	return r < 0 ? error_sys(err, r, "build seccomp filter") : 0;
}

static int decode(const char *text, struct sock_fprog *ret, struct error *err)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;
	int r = base64_decode(text, &bytes);

	if (r == 0 && bytes.len % sizeof(struct sock_filter))
		r = -EINVAL;
	if (r == 0)
		r = seccomp_program_copy((const struct sock_filter *)(const void *)bytes.buf,
					 bytes.len / sizeof(struct sock_filter), &program);
	if (r == 0)
		r = seccomp_program_check(&program);
	if (r < 0)
		return error_set(
			err, r,
			"annotation run.oci.seccomp_bpf_data: not a filter's program in base64");
	*ret = program;
	program = (struct sock_fprog){ 0 };
	return 0;
}

int filter_build(const struct oci_seccomp *seccomp, bool is_kept, struct sock_fprog *ret,
		 struct error *err)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };
	struct build b = {
		.seccomp = seccomp,
		.is_kept = is_kept,
		.default_action =
			action_value(seccomp->default_action, &seccomp->default_errno_ret),
	};
	int r;

	if (seccomp->raw_filter)
		return decode(seccomp->raw_filter, ret, err);
	r = build(&b, &program, err);
	if (b.builder)
		seccomp_builder_free(b.builder);
	if (r < 0)
		return r;
	*ret = program;
	program = (struct sock_fprog){ 0 };
	return 0;
}

void filter_done(struct filter *filter)
{
	seccomp_program_done(&filter->program);
	strbuf_done(&filter->key);
}

void filter_find(struct filter *filter)
{
	int r;

	if (!filter->seccomp || !filter->cache_dir)
		return;
	filter_cache_key(filter->seccomp, &filter->key);
	r = filter_cache_get(filter->cache_dir, &filter->key, &filter->program);
	filter->is_inherited = r == 0;
	if (r < 0 && r != -ENOENT)
		log_debug("seccomp: cached filter: %s", strerror(-r));
}

int filter_make(struct filter *filter, struct error *err)
{
	if (!filter->seccomp || filter->is_inherited)
		return 0;
	return filter_build(filter->seccomp, filter->cache_dir, &filter->program, err);
}

int filter_send(const struct filter *filter, struct sync *sync, struct error *err)
{
	cleanup_fd int fd = -1;
	int r;

	if (!filter->seccomp || filter->is_inherited)
		return 0;
	fd = seccomp_program_write(&filter->program);
	if (fd < 0)
		return error_sys(err, fd, "write seccomp filter");
	r = sync_send_fd(sync, SYNC_FILTER, fd, err);
	if (r < 0 || !filter->cache_dir)
		return r;
	r = filter_cache_put(filter->cache_dir, &filter->key, &filter->program);
	if (r < 0)
		log_debug("seccomp: filter is not cached: %s", strerror(-r));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/filter-enosys.h"
#include "lib/engine/filter.h"
#include "lib/linux/seccomp-program.h"
#include "lib/linux/seccomp.h"
#include "oci/config.h"
#include "tests/unit/engine/bpf.h"
#include "tests/unit/engine/profile.h"

/* Programs for x86_64, which they are built on; elsewhere these tests have nothing to look at. */
#if !defined(__x86_64__)
#define NEEDS_X86_64() skip()
#else
#define NEEDS_X86_64()
#endif

#define X32_BIT 0x40000000
#define KILLED SECCOMP_RET_KILL_THREAD
#define REFUSED(errnum) (SECCOMP_RET_ERRNO | (errnum))
/* More than any kernel has. */
#define FUTURE 900

static void build(const char *seccomp, struct sock_fprog *ret)
{
	cleanup_oci_config struct oci_config *config = profile_parse(seccomp);
	struct error err = ERROR_INIT;

	if (filter_build(config->linux_.seccomp, false, ret, &err) < 0)
		fail_msg("%s", err.msg);
}

static uint32_t judge_args(const struct sock_fprog *program, uint32_t arch, int nr,
			   const uint64_t args[6])
{
	struct seccomp_data data = { .nr = nr, .arch = arch };

	memcpy(data.args, args, sizeof(data.args));
	return bpf_run(program, &data);
}

static uint32_t judge(const struct sock_fprog *program, uint32_t arch, int nr)
{
	static const uint64_t zeros[6];

	return judge_args(program, arch, nr, zeros);
}

/* --- the plan --- */

static void absent_flags_differ_from_none(void **state)
{
	char *none[] = { NULL };
	char *unknown[] = { (char *)"SECCOMP_FILTER_FLAG_FOO", NULL };
	struct oci_seccomp seccomp = { .default_action = OCI_SECCOMP_ALLOW };
	struct filter_plan plan;

	assert_int_equal(filter_plan(&seccomp, &plan, NULL), 0);
	assert_int_equal(plan.optional_flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	seccomp.flags = none;
	assert_int_equal(filter_plan(&seccomp, &plan, NULL), 0);
	assert_int_equal(plan.optional_flags, 0);
	seccomp.flags = unknown;
	assert_int_equal(filter_plan(&seccomp, &plan, NULL), -EINVAL);
}

static void flags_that_only_hold_with_a_listener_go_without_one(void **state)
{
	char *flags[] = { (char *)"SECCOMP_FILTER_FLAG_TSYNC", (char *)"SECCOMP_FILTER_FLAG_LOG",
			  (char *)"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL };
	struct oci_syscall rule = { .action = OCI_SECCOMP_NOTIFY };
	struct oci_seccomp seccomp = {
		.default_action = OCI_SECCOMP_ALLOW,
		.flags = flags,
		.listener_path = (char *)"/run/agent.sock",
	};
	struct filter_plan plan;

	assert_int_equal(filter_plan(&seccomp, &plan, NULL), 0);
	assert_int_equal(plan.flags, SECCOMP_FILTER_FLAG_LOG);
	assert_false(plan.has_listener);
	seccomp.syscalls = &rule;
	seccomp.syscalls_count = 1;
	assert_int_equal(filter_plan(&seccomp, &plan, NULL), 0);
	assert_int_equal(plan.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_NEW_LISTENER |
					     SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	assert_true(plan.has_listener);
}

static void expect_refusal(const struct oci_seccomp *seccomp, const char *message)
{
	struct filter_plan plan;
	struct error err = ERROR_INIT;

	assert_true(filter_plan(seccomp, &plan, &err) < 0);
	assert_string_equal(err.msg, message);
}

static void what_makes_no_sense_is_refused(void **state)
{
	char *write_name[] = { (char *)"write", NULL };
	char *archs[] = { (char *)"SCMP_ARCH_X86", (char *)"SCMP_ARCH_PDP11", NULL };
	struct oci_syscall rule = { .action = OCI_SECCOMP_NOTIFY };
	struct oci_seccomp seccomp = {
		.default_action = OCI_SECCOMP_ALLOW,
		.syscalls = &rule,
		.syscalls_count = 1,
	};

	expect_refusal(&seccomp, "linux.seccomp.listenerPath: missing, with SCMP_ACT_NOTIFY");
	rule.names = write_name;
	expect_refusal(&seccomp, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	seccomp.default_action = OCI_SECCOMP_NOTIFY;
	expect_refusal(&seccomp, "SCMP_ACT_NOTIFY cannot be used as default action");
	seccomp.default_action = OCI_SECCOMP_ERRNO;
	rule.action = OCI_SECCOMP_ALLOW;
	seccomp.architectures = archs;
	expect_refusal(&seccomp, "linux.seccomp.architectures: unknown value 'SCMP_ARCH_PDP11'");
	seccomp.architectures = NULL;
	rule.errno_ret = (struct opt_u32){ 1, true };
	expect_refusal(&seccomp,
		       "linux.seccomp.syscalls[0].errnoRet: only for SCMP_ACT_ERRNO and _TRACE");
	rule.action = OCI_SECCOMP_ERRNO;
	rule.errno_ret.value = 4095;
	expect_refusal(&seccomp, "linux.seccomp.syscalls[0].errnoRet: 4095 is over 4094");
}

/* --- verdicts --- */

static void every_action_has_its_verdict(void **state)
{
	static const struct {
		const char *action, *rest;
		uint32_t verdict;
	} samples[] = {
		{ "SCMP_ACT_KILL", "", SECCOMP_RET_KILL_THREAD },
		{ "SCMP_ACT_KILL_THREAD", "", SECCOMP_RET_KILL_THREAD },
		{ "SCMP_ACT_KILL_PROCESS", "", SECCOMP_RET_KILL_PROCESS },
		{ "SCMP_ACT_TRAP", "", SECCOMP_RET_TRAP },
		{ "SCMP_ACT_ERRNO", "", REFUSED(EPERM) },
		{ "SCMP_ACT_ERRNO", ",\"errnoRet\":0", REFUSED(0) },
		{ "SCMP_ACT_ERRNO", ",\"errnoRet\":4094", REFUSED(4094) },
		{ "SCMP_ACT_TRACE", "", SECCOMP_RET_TRACE | EPERM },
		{ "SCMP_ACT_TRACE", ",\"errnoRet\":65535", SECCOMP_RET_TRACE | 0xffff },
		{ "SCMP_ACT_LOG", "", SECCOMP_RET_LOG },
		{ "SCMP_ACT_NOTIFY", "", SECCOMP_RET_USER_NOTIF },
	};

	NEEDS_X86_64();
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		cleanup_seccomp_program struct sock_fprog program = { 0 };
		cleanup_free char *text = xasprintf(
			"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\",\"syscalls\":["
			"{\"names\":[\"mkdir\"],\"action\":\"%s\"%s}]}",
			samples[i].action, samples[i].rest);

		build(text, &program);
		assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, SYS_mkdir), samples[i].verdict);
		assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, SYS_rmdir), SECCOMP_RET_ALLOW);
	}
}

static bool compare(const char *op, uint64_t arg, uint64_t value, uint64_t two)
{
	if (streq(op, "NE"))
		return arg != value;
	if (streq(op, "LT"))
		return arg < value;
	if (streq(op, "LE"))
		return arg <= value;
	if (streq(op, "EQ"))
		return arg == value;
	if (streq(op, "GE"))
		return arg >= value;
	if (streq(op, "GT"))
		return arg > value;
	return (arg & value) == two;
}

static void comparisons_hold_for_all_64_bits(void **state)
{
	static const char *const ops[] = { "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };
	static const uint64_t values[] = {
		0,	     1,		  0x7fffffff,	      0xffffffff,
		0x100000000, 0x100000001, 0x7fffffff00000000, UINT64_MAX
	};

	NEEDS_X86_64();
	for (size_t i = 0; i < ARRAY_SIZE(ops) * ARRAY_SIZE(values); i++) {
		const char *op = ops[i % ARRAY_SIZE(ops)];
		uint64_t value = values[i / ARRAY_SIZE(ops)];
		uint64_t two = value & 0x100000001;
		cleanup_seccomp_program struct sock_fprog program = { 0 };
		cleanup_free char *text = xasprintf(
			"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],"
			"\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":5,\"op\":\"SCMP_CMP_%s\","
			"\"value\":%llu,\"valueTwo\":%llu}]}]}",
			op, (unsigned long long)value, (unsigned long long)two);

		build(text, &program);
		for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
			const uint64_t args[6] = { 7, 7, 7, 7, 7, values[k] };
			uint32_t wanted = compare(op, values[k], value, two) ? REFUSED(EPERM)
									     : SECCOMP_RET_ALLOW;

			if (judge_args(&program, AUDIT_ARCH_X86_64, SYS_mkdir, args) != wanted)
				fail_msg("%s %llx with %llx", op, (unsigned long long)value,
					 (unsigned long long)values[k]);
		}
	}
}

/* As runc and crun have it: different arguments must all match, one that is named twice makes each
 * comparison a rule of its own. */
static void an_argument_named_twice_makes_alternatives(void **state)
{
	cleanup_seccomp_program struct sock_fprog both = { 0 };
	cleanup_seccomp_program struct sock_fprog either = { 0 };
	static const uint64_t one[6] = { 1 }, two[6] = { 2 }, one_two[6] = { 1, 2 };

	NEEDS_X86_64();
	build("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],"
	      "\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":"
	      "1},{\"index\":1,\"op\":\"SCMP_CMP_EQ\",\"value\":2}]}]}",
	      &both);
	build("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],"
	      "\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":"
	      "1},{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":2}]}]}",
	      &either);
	assert_int_equal(judge_args(&both, AUDIT_ARCH_X86_64, SYS_mkdir, one), SECCOMP_RET_ALLOW);
	assert_int_equal(judge_args(&both, AUDIT_ARCH_X86_64, SYS_mkdir, one_two), REFUSED(EPERM));
	assert_int_equal(judge_args(&either, AUDIT_ARCH_X86_64, SYS_mkdir, one), REFUSED(EPERM));
	assert_int_equal(judge_args(&either, AUDIT_ARCH_X86_64, SYS_mkdir, two), REFUSED(EPERM));
	assert_int_equal(judge(&either, AUDIT_ARCH_X86_64, SYS_mkdir), SECCOMP_RET_ALLOW);
}

static void unknown_calls_are_left_out(void **state)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };

	NEEDS_X86_64();
	build("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"of_the_future\","
	      "\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\"}]}",
	      &program);
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, SYS_mkdir), REFUSED(EPERM));
}

static void contradictions_are_an_error_that_names_the_rule(void **state)
{
	cleanup_oci_config struct oci_config *config = profile_parse(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],"
		"\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_EQ\","
		"\"value\":1}]},{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_KILL\",\"args\":["
		"{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":1}]}]}");
	struct sock_fprog program = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(filter_build(config->linux_.seccomp, false, &program, &err), -EEXIST);
	assert_string_equal(err.msg, "linux.seccomp.syscalls[1]: 'mkdir': another rule with the "
				     "same args has another action");
	assert_null(program.filter);
}

/* --- architectures --- */

static void architectures_that_are_not_named_are_killed(void **state)
{
	cleanup_seccomp_program struct sock_fprog own = { 0 };
	cleanup_seccomp_program struct sock_fprog both = { 0 };

	NEEDS_X86_64();
	build("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", &own);
	assert_int_equal(judge(&own, AUDIT_ARCH_X86_64, SYS_mkdir), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&own, AUDIT_ARCH_I386, 39), KILLED);
	assert_int_equal(judge(&own, AUDIT_ARCH_X86_64, X32_BIT | SYS_mkdir), KILLED);
	build("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\","
	      "\"SCMP_ARCH_X32\"],\"syscalls\":[{\"names\":[\"mkdir\",\"socketcall\"],"
	      "\"action\":\"SCMP_ACT_ERRNO\"}]}",
	      &both);
	assert_int_equal(judge(&both, AUDIT_ARCH_X86_64, SYS_mkdir), REFUSED(EPERM));
	assert_int_equal(judge(&both, AUDIT_ARCH_I386, 39), REFUSED(EPERM));
	assert_int_equal(judge(&both, AUDIT_ARCH_X86_64, X32_BIT | SYS_mkdir), REFUSED(EPERM));
	assert_int_equal(judge(&both, AUDIT_ARCH_I386, 102), REFUSED(EPERM));	   /* socketcall */
	assert_int_equal(judge(&both, AUDIT_ARCH_X86_64, 102), SECCOMP_RET_ALLOW); /* getuid */
}

/* Of another byte order, or not known to the library: they cannot run here anyway. */
static void architectures_of_other_machines_do_no_harm(void **state)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };

	NEEDS_X86_64();
	build("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_S390X\","
	      "\"SCMP_ARCH_LOONGARCH64\",\"SCMP_ARCH_SHEB\",\"SCMP_ARCH_AARCH64\",\"SCMP_ARCH_PPC\"]}",
	      &program);
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, SYS_mkdir), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&program, AUDIT_ARCH_AARCH64, 34), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&program, AUDIT_ARCH_S390X, 39), KILLED);
}

/* --- calls of the future --- */

#define ALLOWLIST(rest)                                                                            \
	"{\"defaultAction\":\"SCMP_ACT_ERRNO\"" rest ",\"syscalls\":[{\"names\":[\"read\","        \
	"\"openat2\",\"set_tls\"],\"action\":\"SCMP_ACT_ALLOW\"}]}"

static void calls_newer_than_the_profile_do_not_exist(void **state)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };

	NEEDS_X86_64();
	build(ALLOWLIST(""), &program);
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, SYS_openat2), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, SYS_openat2 + 1), REFUSED(ENOSYS));
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, FUTURE), REFUSED(ENOSYS));
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, SYS_openat2 - 1), REFUSED(EPERM));
	assert_int_equal(judge(&program, AUDIT_ARCH_I386, FUTURE), KILLED);
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, X32_BIT | FUTURE), KILLED);
}

static void each_architecture_has_its_own_newest_call(void **state)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };

	NEEDS_X86_64();
	build(ALLOWLIST(",\"architectures\":[\"SCMP_ARCH_X86\",\"SCMP_ARCH_ARM\",\"SCMP_ARCH_X32\","
			"\"SCMP_ARCH_MIPSEL64\",\"SCMP_ARCH_X86\"]"),
	      &program);
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, FUTURE), REFUSED(ENOSYS));
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, SYS_mkdir), REFUSED(EPERM));
	assert_int_equal(judge(&program, AUDIT_ARCH_I386, 438), REFUSED(ENOSYS));
	assert_int_equal(judge(&program, AUDIT_ARCH_I386, 437), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&program, AUDIT_ARCH_I386, 436), REFUSED(EPERM));
	/* x32 has old calls of its own above the new ones. */
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, X32_BIT | 438), REFUSED(ENOSYS));
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, X32_BIT | 511), REFUSED(ENOSYS));
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, X32_BIT | 512), REFUSED(EPERM));
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, X32_BIT | 436), REFUSED(EPERM));
	/* So does ARM, with a number that would hide every new call. */
	assert_int_equal(judge(&program, AUDIT_ARCH_ARM, 0xf0005), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&program, AUDIT_ARCH_ARM, 0xf0002), REFUSED(EPERM));
	assert_int_equal(judge(&program, AUDIT_ARCH_ARM, FUTURE), REFUSED(ENOSYS));
	/* MIPS does not begin at 0. */
	assert_int_equal(judge(&program, AUDIT_ARCH_MIPSEL64, 5437), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&program, AUDIT_ARCH_MIPSEL64, 5438), REFUSED(ENOSYS));
	assert_int_equal(judge(&program, AUDIT_ARCH_MIPSEL64, 5436), REFUSED(EPERM));
	/* A tracer's "skip this call". */
	assert_int_equal(judge(&program, AUDIT_ARCH_I386, -1), REFUSED(EPERM));
}

/* The kernel shows numbers that it does not know as 0 there. Built for a machine of its own, so
 * only the ranges can be looked at. */
static void on_s390_a_call_of_the_future_is_number_0(void **state)
{
	cleanup_oci_config struct oci_config *config = profile_parse(ALLOWLIST(""));
	struct enosys_range ranges[ENOSYS_RANGES_PER_ARCH];
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	cleanup_seccomp_program struct sock_fprog program = { 0 };
	size_t count = enosys_ranges(config->linux_.seccomp, "s390x", AUDIT_ARCH_S390X, ranges);

	assert_int_equal(seccomp_program_copy(&allow, 1, &program), 0);
	assert_int_equal(enosys_prepend(ranges, count, &program), 0);
	assert_int_equal(judge(&program, AUDIT_ARCH_S390X, 0), REFUSED(ENOSYS));
	assert_int_equal(judge(&program, AUDIT_ARCH_S390X, 3), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&program, AUDIT_ARCH_S390X, 437), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&program, AUDIT_ARCH_S390X, 438), REFUSED(ENOSYS));
	assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, FUTURE), SECCOMP_RET_ALLOW);
}

static void defaults_that_allow_or_say_so_themselves_stay_as_they_are(void **state)
{
	static const struct {
		const char *action, *rest;
		uint32_t verdict;
	} samples[] = {
		{ "SCMP_ACT_ALLOW", "", SECCOMP_RET_ALLOW },
		{ "SCMP_ACT_LOG", "", SECCOMP_RET_LOG },
		{ "SCMP_ACT_TRACE", "", SECCOMP_RET_TRACE | EPERM },
		{ "SCMP_ACT_KILL", "", REFUSED(ENOSYS) },
		{ "SCMP_ACT_KILL_PROCESS", "", REFUSED(ENOSYS) },
		{ "SCMP_ACT_TRAP", "", REFUSED(ENOSYS) },
		{ "SCMP_ACT_ERRNO", "", REFUSED(ENOSYS) },
		{ "SCMP_ACT_ERRNO", ",\"defaultErrnoRet\":13", REFUSED(ENOSYS) },
	};

	NEEDS_X86_64();
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		cleanup_seccomp_program struct sock_fprog program = { 0 };
		cleanup_free char *text = xasprintf(
			"{\"defaultAction\":\"%s\"%s,\"syscalls\":[{\"names\":[\"mkdir\"],"
			"\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":2}]}",
			samples[i].action, samples[i].rest);

		build(text, &program);
		assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, FUTURE), samples[i].verdict);
		assert_int_equal(judge(&program, AUDIT_ARCH_X86_64, SYS_mkdir), REFUSED(ENOENT));
	}
}

static void a_default_of_enosys_needs_no_more(void **state)
{
	cleanup_oci_config struct oci_config *config =
		profile_parse("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38}");

	assert_false(enosys_is_wanted(config->linux_.seccomp));
}

/* For real: what the kernel says to a process under the filter. */
static int call_the_future(const struct sock_fprog *program)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_program_load(program, 0) != 0)
		return 1;
	if (syscall(FUTURE) != -1 || errno != ENOSYS)
		return 2;
	if (syscall(SYS_mkdir, "/", 0) != -1 || errno != EPERM)
		return 3;
	return 0;
}

static void the_kernel_sees_it_the_same_way(void **state)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };
	int status;
	pid_t pid;

	build("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\",\"openat2\","
	      "\"exit_group\",\"prctl\",\"seccomp\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
	      &program);
	pid = fork();
	if (pid == 0)
		/* Not by _exit(), in front of which sanitizers make calls of their own. */
		(void)syscall(SYS_exit_group, call_the_future(&program));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* --- profiles of all kinds --- */

struct sample_call {
	const char *name;
	int nr, nr_i386;
};
static const struct sample_call calls[] = {
	{ "read", 0, 3 },	 { "mkdir", 83, 39 },	{ "personality", 135, 136 },
	{ "openat2", 437, 437 }, { "kill", 62, 37 },	{ "uname", 63, 122 },
	{ "chroot", 161, 61 },	 { "acct", 163, 51 },	{ "getcwd", 79, 183 },
	{ "unshare", 272, 310 }, { "setns", 308, 346 }, { "mount", 165, 21 },
};
static const struct {
	const char *word;
	uint32_t verdict;
} acts[] = {
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW },
	{ "SCMP_ACT_ERRNO", REFUSED(EPERM) },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG },
};

/* What a profile of at most one rule a call says, from the specification's text. */
struct profile {
	size_t default_act;
	struct {
		bool is_there;
		size_t act;
		bool has_arg;
		uint32_t value;
	} rules[ARRAY_SIZE(calls)];
};

static char *write_profile(const struct profile *p)
{
	struct strbuf sb = STRBUF_INIT;
	const char *sep = "";

	strbuf_addf(&sb,
		    "{\"defaultAction\":\"%s\",\"architectures\":[\"SCMP_ARCH_X86_64\","
		    "\"SCMP_ARCH_X86\"],\"syscalls\":[",
		    acts[p->default_act].word);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (!p->rules[i].is_there)
			continue;
		strbuf_addf(&sb, "%s{\"names\":[\"%s\"],\"action\":\"%s\"", sep, calls[i].name,
			    acts[p->rules[i].act].word);
		if (p->rules[i].has_arg)
			strbuf_addf(&sb,
				    ",\"args\":[{\"index\":1,\"op\":\"SCMP_CMP_GE\",\"value\":%u}]",
				    p->rules[i].value);
		strbuf_addstr(&sb, "}");
		sep = ",";
	}
	strbuf_addstr(&sb, "]}");
	return strbuf_steal(&sb);
}

static uint32_t expected(const struct profile *p, int nr, bool is_i386, uint64_t arg)
{
	int newest = -1;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		int number = is_i386 ? calls[i].nr_i386 : calls[i].nr;

		if (!p->rules[i].is_there)
			continue;
		if (number > newest)
			newest = number;
		if (number == nr && (!p->rules[i].has_arg || arg >= p->rules[i].value))
			return acts[p->rules[i].act].verdict;
	}
	if (newest >= 0 && nr > newest && acts[p->default_act].verdict != SECCOMP_RET_ALLOW &&
	    acts[p->default_act].verdict != SECCOMP_RET_LOG)
		return REFUSED(ENOSYS);
	return acts[p->default_act].verdict;
}

static void check_profile(const struct profile *p)
{
	cleanup_free char *text = write_profile(p);
	cleanup_seccomp_program struct sock_fprog program = { 0 };

	build(text, &program);
	for (int nr = 0; nr < 460; nr++) {
		for (unsigned int k = 0; k < 4; k++) {
			const uint64_t args[6] = { 0, k % 2 ? 1000 : 2 };
			bool is_i386 = k / 2;
			uint32_t arch = is_i386 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;

			if (judge_args(&program, arch, nr, args) !=
			    expected(p, nr, is_i386, args[1]))
				fail_msg("call %d of %s with %d is 0x%x under %s", nr,
					 is_i386 ? "i386" : "x86_64", (int)args[1],
					 judge_args(&program, arch, nr, args), text);
		}
	}
}

static void any_profile_means_what_it_says(void **state)
{
	NEEDS_X86_64();
	srand(1);
	for (int n = 0; n < 200; n++) {
		struct profile p = { .default_act = (size_t)rand() % ARRAY_SIZE(acts) };

		for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
			p.rules[i].is_there = rand() % 3 != 0;
			p.rules[i].act = (size_t)rand() % ARRAY_SIZE(acts);
			p.rules[i].has_arg = rand() % 4 == 0;
			p.rules[i].value = (uint32_t)(rand() % 1500);
		}
		check_profile(&p);
	}
}

/* A sample of what the engines' profiles name. */
static const char *const many[] = {
	"_newselect",
	"accept",
	"access",
	"alarm",
	"chdir",
	"chown",
	"chown32",
	"clock_adjtime",
	"clock_getres",
	"clock_nanosleep_time64",
	"dup3",
	"execveat",
	"faccessat2",
	"fallocate",
	"fanotify_mark",
	"fchmodat",
	"fcntl64",
	"fdatasync",
	"fremovexattr",
	"fsetxattr",
	"get_mempolicy",
	"getcpu",
	"getcwd",
	"getdents",
	"getgid32",
	"getgroups32",
	"getpid",
	"getresgid32",
	"getrlimit",
	"getsid",
	"getsockname",
	"gettimeofday",
	"getuid",
	"getuid32",
	"getxattr",
	"io_cancel",
	"ioprio_get",
	"landlock_create_ruleset",
	"landlock_restrict_self",
	"llistxattr",
	"lsetxattr",
	"madvise",
	"memfd_secret",
	"mkdir",
	"mlock2",
	"mq_getsetattr",
	"mq_timedsend_time64",
	"msgget",
	"name_to_handle_at",
	"newfstatat",
	"open_tree",
	"pause",
	"pidfd_getfd",
	"pidfd_open",
	"pipe2",
	"pkey_alloc",
	"ppoll_time64",
	"prctl",
	"process_mrelease",
	"process_vm_readv",
	"pselect6_time64",
	"read",
	"readlink",
	"recv",
	"recvmmsg",
	"rename",
	"rseq",
	"rt_sigaction",
	"rt_sigreturn",
	"rt_tgsigqueueinfo",
	"sched_get_priority_max",
	"sched_getattr",
	"sched_getscheduler",
	"sched_rr_get_interval",
	"sched_rr_get_interval_time64",
	"sched_setaffinity",
	"sched_setattr",
	"sched_setparam",
	"sched_yield",
	"seccomp",
	"semctl",
	"semget",
	"send",
	"set_mempolicy",
	"set_robust_list",
	"setfsgid",
	"setfsuid32",
	"setgid",
	"setpriority",
	"setresgid32",
	"setrlimit",
	"setsid",
	"setsockopt",
	"setuid",
	"sigaction",
	"sigaltstack",
	"splice",
	"symlink",
	"syncfs",
	"syscall",
	"syslog",
	"tee",
	"timer_delete",
	"timer_settime",
	"timerfd_settime64",
	"times",
	"ugetrlimit",
	"utime",
	"wait4",
	"write",
};

/* With a rule for about every second one, some with an argument. */
static char *random_giant(void)
{
	struct strbuf sb = STRBUF_INIT;
	const char *sep = "";

	strbuf_addstr(&sb,
		      "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":["
		      "\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\",\"SCMP_ARCH_AARCH64\"],\"syscalls\":[");
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		if (rand() % 2)
			continue;
		strbuf_addf(&sb, "%s{\"names\":[\"%s\"],\"action\":\"%s\"", sep, many[i],
			    rand() % 8 ? "SCMP_ACT_ALLOW" : "SCMP_ACT_TRAP");
		if (rand() % 16 == 0)
			strbuf_addstr(&sb, ",\"args\":[{\"index\":1,\"op\":\"SCMP_CMP_GE\","
					   "\"value\":500}]");
		strbuf_addstr(&sb, "}");
		sep = ",";
	}
	strbuf_addstr(&sb, "]}");
	return strbuf_steal(&sb);
}

static void compare_programs(const struct sock_fprog *a, const struct sock_fprog *b)
{
	static const uint32_t archs[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64,
					  AUDIT_ARCH_ARM };
	static const int bases[] = { 0, X32_BIT };

	for (unsigned int n = 0; n < ARRAY_SIZE(archs) * ARRAY_SIZE(bases) * 2 * 600; n++) {
		int nr = bases[n % 2] | (int)(n / 16 % 600);
		const uint64_t args[6] = { 0, n / 2 % 2 ? 1000 : 2 };
		uint32_t arch = archs[n / 4 % 4];

		if (judge_args(a, arch, nr, args) != judge_args(b, arch, nr, args))
			fail_msg("call %d of 0x%x", nr, arch);
	}
	assert_int_equal(judge(a, AUDIT_ARCH_X86_64, -1), judge(b, AUDIT_ARCH_X86_64, -1));
}

static void what_is_kept_means_the_same(void **state)
{
	NEEDS_X86_64();
	srand(3);
	for (int n = 0; n < 20; n++) {
		cleanup_free char *text = random_giant();
		cleanup_oci_config struct oci_config *config = profile_parse(text);
		cleanup_seccomp_program struct sock_fprog once = { 0 };
		cleanup_seccomp_program struct sock_fprog kept = { 0 };

		assert_int_equal(filter_build(config->linux_.seccomp, false, &once, NULL), 0);
		assert_int_equal(filter_build(config->linux_.seccomp, true, &kept, NULL), 0);
		assert_int_not_equal(once.len, kept.len);
		compare_programs(&once, &kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_flags_differ_from_none),
		cmocka_unit_test(flags_that_only_hold_with_a_listener_go_without_one),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(every_action_has_its_verdict),
		cmocka_unit_test(comparisons_hold_for_all_64_bits),
		cmocka_unit_test(an_argument_named_twice_makes_alternatives),
		cmocka_unit_test(unknown_calls_are_left_out),
		cmocka_unit_test(contradictions_are_an_error_that_names_the_rule),
		cmocka_unit_test(architectures_that_are_not_named_are_killed),
		cmocka_unit_test(architectures_of_other_machines_do_no_harm),
		cmocka_unit_test(calls_newer_than_the_profile_do_not_exist),
		cmocka_unit_test(each_architecture_has_its_own_newest_call),
		cmocka_unit_test(on_s390_a_call_of_the_future_is_number_0),
		cmocka_unit_test(defaults_that_allow_or_say_so_themselves_stay_as_they_are),
		cmocka_unit_test(a_default_of_enosys_needs_no_more),
		cmocka_unit_test(the_kernel_sees_it_the_same_way),
		cmocka_unit_test(any_profile_means_what_it_says),
		cmocka_unit_test(what_is_kept_means_the_same),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}

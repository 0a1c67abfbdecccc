/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/server/spec.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "oci/config.h"

#define TEXT(s) ((char *)(s))
#define TEXTS(...) ((char *[]){ __VA_ARGS__ })

static struct oci_config *parse(const grpc_Spec *spec)
{
	cleanup_free char *text = spec_config_text(spec);
	struct oci_config *config = NULL;
	struct error err = ERROR_INIT;

	if (oci_config_parse("OCI", text, strlen(text), &config, &err) < 0)
		fail_msg("%s\n%s", err.msg, text);
	return config;
}

static grpc_Spec small_spec(void)
{
	static char *args[] = { TEXT("sh"), TEXT("-c"), TEXT("echo \"hi\"") };

	return (grpc_Spec){
		.version = TEXT("1.0.2"),
		.has_process = true,
		.process = { .cwd = TEXT("/"), .args_count = 3, .args = args },
		.has_root = true,
		.root = { .path = TEXT("/r") },
	};
}

static void a_spec_is_the_json_that_it_was_made_from(void **state)
{
	grpc_Spec spec = small_spec();
	cleanup_free char *text = spec_config_text(&spec);

	assert_string_equal(text,
			    "{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\",\"-c\","
			    "\"echo \\\"hi\\\"\"],\"cwd\":\"/\"},\"root\":{\"path\":\"/r\"}}");
}

static void a_spec_without_a_version_has_the_oldest(void **state)
{
	grpc_Spec spec = small_spec();
	cleanup_oci_config struct oci_config *config = NULL;

	spec.version = NULL;
	config = parse(&spec);
	assert_string_equal(config->oci_version, OCI_VERSION_MIN);
}

static void process_and_user_arrive_whole(void **state)
{
	uint32_t gids[] = { 5, 0, 7 };
	grpc_POSIXRlimit limit = { TEXT("RLIMIT_NOFILE"), 2048, 1024 };
	grpc_Spec spec = small_spec();
	cleanup_oci_config struct oci_config *config = NULL;
	const struct oci_process *p;

	spec.process.terminal = true;
	spec.process.has_user = true;
	spec.process.user = (grpc_User){ .uid = 1000, .gid = 100, 3, gids, TEXT("me") };
	spec.process.has_capabilities = true;
	spec.process.capabilities.bounding = TEXTS(TEXT("CAP_KILL"));
	spec.process.capabilities.bounding_count = 1;
	spec.process.rlimits = &limit;
	spec.process.rlimits_count = 1;
	spec.process.no_new_privileges = true;
	spec.process.oom_score_adj = -5;
	config = parse(&spec);
	p = config->process;
	assert_true(p->terminal && p->no_new_privileges);
	assert_int_equal(p->user.uid, 1000);
	assert_int_equal(p->user.gid, 100);
	assert_int_equal(p->user.additional_gids_count, 3);
	assert_int_equal(p->user.additional_gids[1], 0);
	assert_string_equal(p->capabilities->bounding[0], "CAP_KILL");
	assert_int_equal(p->rlimits[0].type, OCI_RLIMIT_NOFILE);
	assert_int_equal(p->rlimits[0].hard, 2048);
	assert_int_equal(p->rlimits[0].soft, 1024);
	assert_int_equal(p->oom_score_adj.value, -5);
}

static void what_is_zero_was_not_given(void **state)
{
	grpc_Spec spec = small_spec();
	cleanup_oci_config struct oci_config *config = NULL;

	spec.has_linux_ = spec.linux_.has_resources = true;
	spec.linux_.resources.has_memory = spec.linux_.resources.has_cpu = true;
	spec.linux_.resources.memory.limit = 1 << 20;
	spec.linux_.resources.cpu.quota = -1;
	config = parse(&spec);
	assert_int_equal(config->linux_.resources.memory.limit.value, 1 << 20);
	assert_false(config->linux_.resources.memory.swap.is_set);
	assert_int_equal(config->linux_.resources.cpu.quota.value, -1);
	assert_false(config->linux_.resources.cpu.shares.is_set);
	assert_false(config->process->oom_score_adj.is_set);
}

static void a_rule_without_numbers_means_every_device(void **state)
{
	grpc_LinuxDeviceCgroup rules[] = {
		{ .allow = false, .access = TEXT("rwm") },
		{ .allow = true, .type = TEXT("c"), .major = 5, .minor = 0, .access = TEXT("rw") },
	};
	grpc_LinuxDevice device = { TEXT("/dev/x"), TEXT("c"), 1, 0, 0600, 0, 7 };
	grpc_Spec spec = small_spec();
	cleanup_oci_config struct oci_config *config = NULL;
	const struct oci_device_rule *r;

	spec.has_linux_ = spec.linux_.has_resources = true;
	spec.linux_.resources.devices = rules;
	spec.linux_.resources.devices_count = 2;
	spec.linux_.devices = &device;
	spec.linux_.devices_count = 1;
	config = parse(&spec);
	r = config->linux_.resources.devices;
	assert_false(r[0].allow || r[0].major.is_set || r[0].minor.is_set);
	assert_true(r[1].allow && r[1].minor.is_set);
	assert_int_equal(r[1].major.value, 5);
	assert_int_equal(r[1].minor.value, 0);
	assert_int_equal(config->linux_.devices[0].file_mode.value, 0600);
	assert_int_equal(config->linux_.devices[0].gid.value, 7);
}

static void maps_and_lists_of_objects_keep_their_order(void **state)
{
	grpc_Spec_AnnotationsEntry notes[] = { { TEXT("b"), TEXT("1") }, { TEXT("a"), NULL } };
	grpc_Linux_SysctlEntry sysctl = { TEXT("net.ipv4.ip_forward"), TEXT("1") };
	grpc_LinuxNamespace namespaces[] = { { TEXT("pid"), NULL }, { TEXT("mount"), TEXT("") } };
	grpc_Mount mount = { TEXT("/proc"), TEXT("proc"), TEXT("proc"), 1, TEXTS(TEXT("ro")) };
	grpc_Spec spec = small_spec();
	cleanup_oci_config struct oci_config *config = NULL;

	spec.annotations = notes;
	spec.annotations_count = 2;
	spec.has_linux_ = true;
	spec.linux_.sysctl = &sysctl;
	spec.linux_.sysctl_count = 1;
	spec.linux_.namespaces = namespaces;
	spec.linux_.namespaces_count = 2;
	spec.mounts = &mount;
	spec.mounts_count = 1;
	config = parse(&spec);
	assert_string_equal(string_map_get(&config->annotations, "b"), "1");
	assert_string_equal(string_map_get(&config->annotations, "a"), "");
	assert_string_equal(string_map_get(&config->linux_.sysctl, "net.ipv4.ip_forward"), "1");
	assert_int_equal(config->linux_.namespaces[1].type, OCI_NS_MOUNT);
	assert_null(config->linux_.namespaces[1].path);
	assert_string_equal(config->mounts[0].options[0], "ro");
}

static void a_seccomp_rule_may_return_no_error_at_all(void **state)
{
	grpc_LinuxSeccompArg arg = { 1, UINT64_MAX, 2, TEXT("SCMP_CMP_MASKED_EQ") };
	grpc_LinuxSyscall calls[] = {
		{ .names_count = 1,
		  .names = TEXTS(TEXT("read")),
		  .action = TEXT("SCMP_ACT_ERRNO"),
		  .which_errno_ret = grpc_LinuxSyscall_errnoret_tag,
		  .errno_ret.errnoret = 0 },
		{ .names_count = 1,
		  .names = TEXTS(TEXT("write")),
		  .action = TEXT("SCMP_ACT_ALLOW"),
		  .args_count = 1,
		  .args = &arg },
	};
	grpc_Spec spec = small_spec();
	cleanup_oci_config struct oci_config *config = NULL;
	const struct oci_syscall *c;

	spec.has_linux_ = spec.linux_.has_seccomp = true;
	spec.linux_.seccomp = (grpc_LinuxSeccomp){
		.default_action = TEXT("SCMP_ACT_KILL"),
		.syscalls_count = 2,
		.syscalls = calls,
	};
	config = parse(&spec);
	c = config->linux_.seccomp->syscalls;
	assert_true(c[0].errno_ret.is_set);
	assert_int_equal(c[0].errno_ret.value, 0);
	assert_false(c[1].errno_ret.is_set);
	assert_true(c[1].args[0].value == UINT64_MAX);
	assert_int_equal(c[1].args[0].op, OCI_SECCOMP_MASKED_EQ);
}

static void what_the_configuration_may_not_say_is_refused_the_same_way(void **state)
{
	grpc_Spec spec = small_spec();
	cleanup_free char *text = NULL;
	struct oci_config *config = NULL;
	struct error err = ERROR_INIT;

	spec.has_root = false;
	text = spec_config_text(&spec);
	assert_int_equal(oci_config_parse("OCI", text, strlen(text), &config, &err), -22);
	assert_non_null(strstr(err.msg, "root.path: missing"));
}

static void parts_have_texts_of_their_own(void **state)
{
	grpc_LinuxHugepageLimit huge = { TEXT("2MB"), 4096 };
	grpc_LinuxResources resources = {
		.has_pids = true,
		.pids = { 42 },
		.hugepage_limits_count = 1,
		.hugepage_limits = &huge,
		.has_block_io = true,
		.block_io = { .weight = 100 },
	};
	grpc_Process process = { .cwd = TEXT("/tmp"),
				 .has_console_size = true,
				 .console_size = { 24, 80 } };
	cleanup_free char *r = spec_resources_text(&resources);
	cleanup_free char *p = spec_process_text(&process);

	assert_string_equal(r, "{\"pids\":{\"limit\":42},\"blockIO\":{\"weight\":100},"
			       "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4096}]}");
	assert_string_equal(p, "{\"consoleSize\":{\"height\":24,\"width\":80},\"cwd\":\"/tmp\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spec_is_the_json_that_it_was_made_from),
		cmocka_unit_test(a_spec_without_a_version_has_the_oldest),
		cmocka_unit_test(process_and_user_arrive_whole),
		cmocka_unit_test(what_is_zero_was_not_given),
		cmocka_unit_test(a_rule_without_numbers_means_every_device),
		cmocka_unit_test(maps_and_lists_of_objects_keep_their_order),
		cmocka_unit_test(a_seccomp_rule_may_return_no_error_at_all),
		cmocka_unit_test(what_the_configuration_may_not_say_is_refused_the_same_way),
		cmocka_unit_test(parts_have_texts_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

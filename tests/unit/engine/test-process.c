/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/environment.h"
#include "lib/engine/process-plan.h"
#include "lib/engine/program.h"

/* What is decided about a process, and how its program is found. */

static void the_last_of_several_variables_wins(void **state)
{
	char *env[] = { (char *)"A=1", (char *)"AB=2", (char *)"A=3=x", (char *)"E=", NULL };
	cleanup_strv char **planned = NULL;
	cleanup_free char *joined = NULL;

	assert_int_equal(environment_plan(env, &planned, NULL), 0);
	joined = strv_join(planned, " ");
	assert_string_equal(joined, "A=3=x AB=2 E=");
	assert_string_equal(environment_get(planned, "AB"), "2");
	assert_string_equal(environment_get(planned, "E"), "");
	assert_null(environment_get(planned, "B"));
}

static void an_empty_environment_is_one(void **state)
{
	cleanup_strv char **planned = NULL;

	assert_int_equal(environment_plan(NULL, &planned, NULL), 0);
	assert_non_null(planned);
	assert_null(planned[0]);
}

static void variables_need_a_name_and_a_value(void **state)
{
	char *without[] = { (char *)"A", NULL };
	char *nameless[] = { (char *)"=A", NULL };
	struct error err = ERROR_INIT;
	char **planned = NULL;

	assert_int_equal(environment_plan(without, &planned, &err), -EINVAL);
	assert_string_equal(err.msg, "invalid environment variable: missing '=': 'A'");
	assert_int_equal(environment_plan(nameless, &planned, &err), -EINVAL);
	assert_string_equal(err.msg, "invalid environment variable: name cannot be empty: '=A'");
	assert_null(planned);
}

static const struct {
	const char *passwd;
	uid_t uid;
	const char *home;
} passwds[] = {
	{ "root:x:0:0:root:/root:/bin/sh\napp:x:7:7::/srv:/bin/false\n", 7, "/srv" },
	{ "root:x:0:0:root:/root:/bin/sh", 0, "/root" },
	{ "root:x:0:0:root:/root:/bin/sh\n", 1, NULL },
	{ "first:x:5:5::/a:\nsecond:x:5:5::/b:\n", 5, "/a" },
	{ "short:x:5\nlong:x:5:5::/a:/b:/c\nbad:x:-5:5::/a:\nx:x:5 :5::/a:\n\n::::::\n", 5, NULL },
	{ "rel:x:5:5::home:\n", 5, NULL },
	{ "", 0, NULL },
};

static void homes_are_found_in_passwd_files_of_any_quality(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(passwds); i++) {
		cleanup_free char *home = environment_find_home(passwds[i].passwd, passwds[i].uid);

		if (!streq_null(home, passwds[i].home))
			fail_msg("case %zu: %s", i, home ? home : "none");
	}
}

/* Programs. */

static char dir[] = "/tmp/moat-program-XXXXXX";

static void make(const char *name, mode_t mode)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	cleanup_fd int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static int make_dir(void **state)
{
	cleanup_free char *sub = NULL;

	if (!mkdtemp(dir))
		return -1;
	make("good", 0755);
	make("plain", 0644);
	sub = xasprintf("%s/sub", dir);
	return mkdir(sub, 0755);
}

static int remove_dir(void **state)
{
	return remove_tree_at(AT_FDCWD, dir);
}

static void expect_found(const char *name, const char *path_list, const char *want)
{
	cleanup_free char *found = NULL;
	struct error err = ERROR_INIT;

	if (program_find(name, path_list, &found, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(found, want);
}

static void expect_missing(const char *name, const char *path_list, int code, const char *msg)
{
	char *found = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(program_find(name, path_list, &found, &err), code);
	assert_null(found);
	assert_string_equal(err.msg, msg);
}

static void programs_are_looked_for_in_path_in_its_order(void **state)
{
	cleanup_free char *list = xasprintf("/nowhere::.:%s:/bin", dir);
	cleanup_free char *good = xasprintf("%s/good", dir);

	expect_found("good", list, good);
	expect_found(good, "/nowhere", good);
	expect_missing("good", "/nowhere", -ENOENT,
		       "exec: \"good\": executable file not found in $PATH");
	expect_missing("", list, -ENOENT, "exec: \"\": executable file not found in $PATH");
}

static void a_relative_directory_of_path_is_passed_over(void **state)
{
	assert_int_equal(chdir(dir), 0);
	expect_missing("good", ".:", -ENOENT, "exec: \"good\": executable file not found in $PATH");
	expect_found("./good", ".", "./good");
	assert_int_equal(chdir("/"), 0);
}

static void what_is_no_program_is_said_to_be_denied(void **state)
{
	cleanup_free char *sub = xasprintf("%s/sub", dir);
	cleanup_free char *msg = xasprintf("exec: \"%s\": permission denied", sub);
	cleanup_free char *below = xasprintf("%s/good/x", dir);
	cleanup_free char *not_dir =
		xasprintf("exec: \"%s\": stat %s: not a directory", below, below);

	expect_missing(sub, NULL, -EACCES, msg);
	expect_missing("plain", dir, -EACCES, "exec: \"plain\": permission denied");
	expect_missing(below, NULL, -ENOTDIR, not_dir);
}

/* Plans. */

static char *args[] = { (char *)"sh", NULL };

static int plan_process(const struct oci_process *process, uint64_t available,
			struct process_plan *ret, struct error *err)
{
	static const struct oci_linux linux_;
	const struct process_request request = {
		.process = process,
		.linux_ = &linux_,
		.available = available,
	};

	return process_plan(&request, ret, err);
}

static void capabilities_that_do_not_exist_are_left_out(void **state)
{
	char *names[] = { (char *)"CAP_CHOWN", (char *)"CAP_NO_SUCH", (char *)"5",
			  (char *)"CAP_SYS_ADMIN", NULL };
	struct oci_capabilities caps = { .bounding = names, .permitted = names };
	struct oci_process process = { .args = args, .cwd = (char *)"/", .capabilities = &caps };
	struct process_plan plan;

	/* Only CAP_CHOWN may be given away here. */
	assert_int_equal(plan_process(&process, 1, &plan, NULL), 0);
	assert_true(plan.has_caps);
	assert_int_equal(plan.bounding, 1);
	assert_int_equal(plan.permitted, 1);
	assert_int_equal(plan.effective, 0);
	process_plan_done(&plan);
}

static void ambient_capabilities_that_are_not_inheritable_are_left_out(void **state)
{
	char *names[] = { (char *)"CAP_CHOWN", NULL };
	struct oci_capabilities caps = { .permitted = names, .ambient = names };
	struct oci_process process = { .args = args, .cwd = (char *)"/", .capabilities = &caps };
	struct process_plan plan;
	struct error err = ERROR_INIT;

	assert_int_equal(plan_process(&process, ~0ULL, &plan, &err), 0);
	assert_int_equal(plan.permitted, 1);
	assert_int_equal(plan.ambient, 0);
	process_plan_done(&plan);
}

static void a_process_needs_arguments_and_an_absolute_directory(void **state)
{
	char *none[] = { NULL };
	struct oci_process process = { .args = none, .cwd = (char *)"/" };
	struct process_plan plan;
	struct error err = ERROR_INIT;

	assert_int_equal(plan_process(&process, 0, &plan, &err), -EINVAL);
	assert_string_equal(err.msg, "process.args: args must not be empty");
	process = (struct oci_process){ .args = args, .cwd = (char *)"tmp" };
	assert_int_equal(plan_process(&process, 0, &plan, &err), -EINVAL);
	assert_string_equal(err.msg, "process.cwd: Cwd must be an absolute path");
}

static void limits_given_twice_are_refused(void **state)
{
	struct oci_rlimit limits[] = { { OCI_RLIMIT_CORE, 0, 1 }, { OCI_RLIMIT_CORE, 0, 2 } };
	struct oci_process process = {
		.args = args, .cwd = (char *)"/", .rlimits = limits, .rlimits_count = 2
	};
	struct process_plan plan;
	struct error err = ERROR_INIT;

	assert_int_equal(plan_process(&process, 0, &plan, &err), -EINVAL);
	assert_string_equal(err.msg, "process.rlimits[1]: given twice");
}

static void what_a_document_does_not_say_is_taken_from_the_container(void **state)
{
	struct oci_capabilities caps = { 0 };
	struct oci_rlimit limits[] = { { OCI_RLIMIT_CORE, 0, 1 } };
	struct oci_scheduler scheduler = { .policy = OCI_SCHED_IDLE };
	struct oci_process own = {
		.capabilities = &caps,
		.rlimits = limits,
		.rlimits_count = 1,
		.apparmor_profile = (char *)"own",
		.selinux_label = (char *)"own",
		.oom_score_adj = { .is_set = true, .value = 7 },
		.scheduler = &scheduler,
		.no_new_privileges = true,
		.cwd = (char *)"/own",
		.user.umask = { .is_set = true, .value = 077 },
	};
	struct oci_process document = {
		.args = args,
		.cwd = (char *)"/",
		.apparmor_profile = (char *)"other",
	};
	struct oci_process merged;

	process_inherit(&document, &own, &merged);
	assert_ptr_equal(merged.capabilities, &caps);
	assert_ptr_equal(merged.rlimits, limits);
	assert_string_equal(merged.apparmor_profile, "other");
	assert_string_equal(merged.selinux_label, "own");
	assert_int_equal(merged.oom_score_adj.value, 7);
	assert_ptr_equal(merged.scheduler, &scheduler);
	assert_int_equal(merged.user.umask.value, 077);
	/* These it does say. */
	assert_string_equal(merged.cwd, "/");
	assert_false(merged.no_new_privileges);
	process_inherit(&document, NULL, &merged);
	assert_null(merged.capabilities);
}

static void sockets_are_announced_to_the_process_itself(void **state)
{
	cleanup_strv char **env = strv_copy((char *[]){ (char *)"LISTEN_PID=1", NULL });
	cleanup_free char *pid = xasprintf("%d", (int)getpid());

	environment_add_listen(&env, 0, "a");
	assert_int_equal(strv_len(env), 1);
	environment_add_listen(&env, 2, NULL);
	assert_string_equal(environment_get(env, "LISTEN_FDS"), "2");
	assert_string_equal(environment_get(env, "LISTEN_PID"), pid);
	assert_null(environment_get(env, "LISTEN_FDNAMES"));
	environment_add_listen(&env, 2, "web:admin");
	assert_string_equal(environment_get(env, "LISTEN_FDNAMES"), "web:admin");
}

/* Labels. */

static void without_apparmor_a_profile_is_left_out_and_without_selinux_a_label_refused(void **state)
{
	struct oci_process process = { .apparmor_profile = (char *)"web" };
	struct labels_plan plan;
	struct error err = ERROR_INIT;

	assert_int_equal(labels_plan(&process, false, false, &plan, NULL), 0);
	assert_null(plan.apparmor);
	assert_null(plan.selinux);
	process.selinux_label = (char *)"u:r:t:s0";
	assert_int_equal(labels_plan(&process, true, false, &plan, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg,
			    "process.selinuxLabel: 'u:r:t:s0' given, but SELinux is not enabled");
	process.selinux_label = NULL;
	assert_int_equal(labels_plan(&process, true, false, &plan, NULL), 0);
	assert_string_equal(plan.apparmor, "web");
}

static void no_label_opens_nothing(void **state)
{
	const struct labels_plan plan = { NULL, NULL };
	struct labels labels = LABELS_INIT;

	assert_int_equal(labels_open(&plan, -1, &labels, NULL), 0);
	assert_int_equal(labels_begin_keys(&plan, &labels, NULL), 0);
	assert_int_equal(labels_end_keys(&labels, NULL), 0);
	assert_int_equal(labels_apply(&plan, &labels, NULL), 0);
}

/* Only a security module in force takes it: here it must be an error, and never be ignored. */
static void a_profile_that_cannot_be_set_is_an_error_with_the_path_podman_looks_for(void **state)
{
	const struct labels_plan plan = { .apparmor = "no-such-profile" };
	struct labels labels = LABELS_INIT;
	struct error err = ERROR_INIT;
	cleanup_fd int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	labels.apparmor_fd = fcntl(null_fd, F_DUPFD_CLOEXEC, 3);
	assert_true(labels_apply(&plan, &labels, &err) < 0);
	assert_non_null(strstr(err.msg, "`/proc/thread-self/attr/apparmor/exec`"));
	assert_int_equal(labels.apparmor_fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_of_several_variables_wins),
		cmocka_unit_test(an_empty_environment_is_one),
		cmocka_unit_test(variables_need_a_name_and_a_value),
		cmocka_unit_test(homes_are_found_in_passwd_files_of_any_quality),
		cmocka_unit_test(programs_are_looked_for_in_path_in_its_order),
		cmocka_unit_test(a_relative_directory_of_path_is_passed_over),
		cmocka_unit_test(what_is_no_program_is_said_to_be_denied),
		cmocka_unit_test(capabilities_that_do_not_exist_are_left_out),
		cmocka_unit_test(ambient_capabilities_that_are_not_inheritable_are_left_out),
		cmocka_unit_test(a_process_needs_arguments_and_an_absolute_directory),
		cmocka_unit_test(limits_given_twice_are_refused),
		cmocka_unit_test(what_a_document_does_not_say_is_taken_from_the_container),
		cmocka_unit_test(sockets_are_announced_to_the_process_itself),
		cmocka_unit_test(
			without_apparmor_a_profile_is_left_out_and_without_selinux_a_label_refused),
		cmocka_unit_test(no_label_opens_nothing),
		cmocka_unit_test(
			a_profile_that_cannot_be_set_is_an_error_with_the_path_podman_looks_for),
	};

	return cmocka_run_group_tests_name("process", tests, make_dir, remove_dir);
}

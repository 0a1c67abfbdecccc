/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "oci/config.h"

static struct oci_config *parse(const char *text)
{
	struct oci_config *config = NULL;
	struct error err = ERROR_INIT;

	if (oci_config_parse("config.json", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

/* A config with @more (members in front, ending in a comma) and what every config needs. */
static struct oci_config *parse_with(const char *more)
{
	cleanup_free char *text =
		xasprintf("{%s\"ociVersion\": \"1.0.0\", \"root\": {\"path\": \"r\"}}", more);

	return parse(text);
}

static void little_is_required(void **state)
{
	cleanup_oci_config struct oci_config *config = parse_with("");

	assert_string_equal(config->oci_version, "1.0.0");
	assert_string_equal(config->root.path, "r");
	assert_null(config->process);
	assert_null(config->vm);
	assert_null(config->linux_.seccomp);
	assert_null(oci_namespace_find(config, OCI_NS_PID));
	assert_false(config->linux_.resources.memory.limit.is_set);
}

static int64_t pids_limit(const char *version)
{
	cleanup_free char *text =
		xasprintf("{\"ociVersion\": \"%s\", \"root\": {\"path\": \"r\"}, "
			  "\"linux\": {\"resources\": {\"pids\": {\"limit\": 0}}}}",
			  version);
	cleanup_oci_config struct oci_config *config = parse(text);

	assert_true(config->linux_.resources.pids.limit.is_set);
	return config->linux_.resources.pids.limit.value;
}

static void no_processes_are_no_limit_before_1_3(void **state)
{
	assert_int_equal(pids_limit("1.0.2-dev"), -1);
	assert_int_equal(pids_limit("1.2.1"), -1);
	assert_int_equal(pids_limit("1.3.0"), 0);
	assert_int_equal(pids_limit("1.10.0"), 0);
	assert_int_equal(pids_limit("2.0.0"), 0);
}

static void versions_to_come_are_accepted(void **state)
{
	static const char *const versions[] = { "1.0.2-dev", "1.3.0", "1.1.0+dev",	   "9.9.9",
						"1.0",	     "0.2.0", "1.4.0-rc.1+build.5" };

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		cleanup_free char *text = xasprintf(
			"{\"ociVersion\": \"%s\", \"root\": {\"path\": \"r\"}}", versions[i]);
		cleanup_oci_config struct oci_config *config = parse(text);

		assert_string_equal(config->oci_version, versions[i]);
	}
}

static void a_document_of_mounts_is_an_array_with_places_of_its_own(void **state)
{
	static const char good[] = "[{\"destination\": \"/a\"},\n {\"destination\": \"b\"}]";
	static const char bad[] = "[{\"destination\": \"/a\"},\n {\"source\": \"/b\"}]";
	cleanup_oci_config struct oci_config *config = NULL;
	struct error err = ERROR_INIT;
	struct oci_config *none = NULL;

	assert_int_equal(oci_mounts_parse("f", good, strlen(good), &config, &err), 0);
	assert_int_equal(config->mounts_count, 2);
	assert_string_equal(config->mounts[1].destination, "/b");
	assert_int_equal(oci_mounts_parse("f", bad, strlen(bad), &none, &err), -EINVAL);
	assert_string_equal(err.msg, "f:2: mounts[1].destination: missing");
	assert_int_equal(oci_mounts_parse("f", "{}", 2, &none, &err), -EINVAL);
	assert_string_equal(err.msg, "f:1: mounts: not an array: an object");
	assert_null(none);
}

static void unknown_properties_are_ignored(void **state)
{
	cleanup_oci_config struct oci_config *config = parse_with(
		"\"windows\": {\"layerFolders\": [1, {}]}, \"linux\": {\"future\": {\"a\": []}},");

	assert_non_null(config);
}

static void empty_strings_are_absent(void **state)
{
	cleanup_oci_config struct oci_config *config = parse_with(
		"\"hostname\": \"\", \"domainname\": \"\", \"process\": {\"cwd\": \"/\","
		"\"args\": [\"a\"], \"apparmorProfile\": \"\", \"selinuxLabel\": \"\"},"
		"\"linux\": {\"cgroupsPath\": \"\", \"mountLabel\": \"\", \"rootfsPropagation\": \"\","
		"\"namespaces\": [{\"type\": \"pid\", \"path\": \"\"}],"
		"\"resources\": {\"cpu\": {\"cpus\": \"\"}, \"devices\": [{\"allow\": false,"
		"\"type\": \"\", \"access\": \"\"}]}},");

	assert_null(config->hostname);
	assert_null(config->domainname);
	assert_null(config->process->apparmor_profile);
	assert_null(config->process->selinux_label);
	assert_null(config->linux_.cgroups_path);
	assert_null(config->linux_.mount_label);
	assert_null(config->linux_.rootfs_propagation);
	assert_null(oci_namespace_find(config, OCI_NS_PID)->path);
	assert_null(config->linux_.resources.cpu.cpus);
	assert_null(config->linux_.resources.devices[0].type);
	assert_null(config->linux_.resources.devices[0].access);
}

static void absent_flags_of_seccomp_are_not_no_flags(void **state)
{
	cleanup_oci_config struct oci_config *absent =
		parse_with("\"linux\": {\"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\"}},");
	cleanup_oci_config struct oci_config *none =
		parse_with("\"linux\": {\"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\","
			   "\"flags\": []}},");

	assert_null(absent->linux_.seccomp->flags);
	assert_non_null(none->linux_.seccomp->flags);
}

static void a_relative_destination_is_taken_from_the_root_with_a_warning(void **state)
{
	cleanup_oci_config struct oci_config *config = NULL;
	cleanup_fd int log = memfd_create("log", MFD_CLOEXEC);
	struct log_options options = { .program = "test", .level = LOG_LEVEL_WARNING, .fd = log };
	char text[512] = "";

	log_setup(&options);
	config =
		parse_with("\"mounts\": [{\"destination\": \"/a\"},\n{\"destination\": \"b/c\"}],");
	options.fd = -1;
	log_setup(&options);
	assert_string_equal(config->mounts[0].destination, "/a");
	assert_string_equal(config->mounts[1].destination, "/b/c");
	assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "config.json:2: mounts[1].destination: relative path is taken "
				     "from '/': \\\"b/c\\\""));
}

static void the_vm_section_is_read(void **state)
{
	cleanup_oci_config struct oci_config *config = parse_with(
		"\"vm\": {\"hypervisor\": {\"path\": \"/usr/bin/qemu\", \"parameters\": [\"-s\"]},"
		"\"kernel\": {\"path\": \"/boot/vmlinuz\", \"parameters\": [\"quiet\"],"
		"\"initrd\": \"/boot/initrd\"}, \"image\": {\"path\": \"/i\", \"format\": \"raw\"},"
		"\"hwConfig\": {\"vcpus\": 2, \"memory\": 4294967296, \"irqs\": [1]}},");

	assert_string_equal(config->vm->hypervisor->parameters[0], "-s");
	assert_string_equal(config->vm->kernel->initrd, "/boot/initrd");
	assert_string_equal(config->vm->image->format, "raw");
	assert_int_equal(config->vm->hw_config->vcpus.value, 2);
	assert_true(config->vm->hw_config->memory.value == 4294967296);
}

static char *read_corpus(const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", getenv("CORPUS"), name);
	char *text = NULL;

	if (!getenv("CORPUS")) {
		print_message("skipped: CORPUS does not name tests/fuzz/corpus/config\n");
		skip();
	}
	if (read_file_at(AT_FDCWD, path, OCI_CONFIG_MAX_BYTES, &text, NULL) < 0)
		fail_msg("cannot read '%s'", path);
	return text;
}

static void podmans_config_is_understood(void **state)
{
	cleanup_free char *text = read_corpus("podman.json");
	cleanup_oci_config struct oci_config *config = parse(text);
	const struct oci_seccomp *seccomp = config->linux_.seccomp;
	size_t names = 0;

	assert_int_equal(config->process->user.umask.value, 022);
	assert_int_equal(config->process->rlimits[0].type, OCI_RLIMIT_NOFILE);
	assert_string_equal(config->mounts[0].destination, "/proc");
	assert_non_null(oci_namespace_find(config, OCI_NS_UTS));
	assert_null(oci_namespace_find(config, OCI_NS_USER));
	assert_int_equal(config->linux_.resources.pids.limit.value, 2048);
	assert_int_equal(seccomp->default_action, OCI_SECCOMP_ERRNO);
	for (size_t i = 0; i < seccomp->syscalls_count; i++)
		names += strv_len(seccomp->syscalls[i].names);
	assert_true(names > 400);
}

/* What is written is what was read, and to the byte once it has been through the model. */
static void a_config_survives_being_written(void **state)
{
	static const char *const files[] = { "podman.json", "template.json", "rootless.json",
					     "everything.json" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *text = read_corpus(files[i]);
		cleanup_oci_config struct oci_config *config = parse(text);
		cleanup_free char *first = oci_config_text(config, true);
		cleanup_oci_config struct oci_config *again = parse(first);
		cleanup_free char *second = oci_config_text(again, true);

		assert_string_equal(first, second);
	}
}

/* This one names every property of the model in the model's own order. */
static void nothing_is_lost_in_writing(void **state)
{
	cleanup_free char *text = read_corpus("everything.json");
	cleanup_oci_config struct oci_config *config = parse(text);
	cleanup_free char *written = oci_config_text(config, true);

	assert_string_equal(written, text);
}

/* Loose enough for a busy machine and a sanitizer; it takes about 0.2 ms. */
static void parsing_takes_well_under_a_millisecond(void **state)
{
	cleanup_free char *text = read_corpus("podman.json");
	double best = 1e9;

	for (int i = 0; i < 20; i++) {
		struct timespec from, to;
		double ms;

		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		oci_config_free(parse(text));
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
		ms = (double)(to.tv_sec - from.tv_sec) * 1e3 +
		     (double)(to.tv_nsec - from.tv_nsec) / 1e6;
		best = ms < best ? ms : best;
	}
	print_message("parsed in %.3f ms\n", best);
	assert_true(best < 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(little_is_required),
		cmocka_unit_test(no_processes_are_no_limit_before_1_3),
		cmocka_unit_test(versions_to_come_are_accepted),
		cmocka_unit_test(a_document_of_mounts_is_an_array_with_places_of_its_own),
		cmocka_unit_test(unknown_properties_are_ignored),
		cmocka_unit_test(empty_strings_are_absent),
		cmocka_unit_test(absent_flags_of_seccomp_are_not_no_flags),
		cmocka_unit_test(a_relative_destination_is_taken_from_the_root_with_a_warning),
		cmocka_unit_test(the_vm_section_is_read),
		cmocka_unit_test(podmans_config_is_understood),
		cmocka_unit_test(a_config_survives_being_written),
		cmocka_unit_test(nothing_is_lost_in_writing),
		cmocka_unit_test(parsing_takes_well_under_a_millisecond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

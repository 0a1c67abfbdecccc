/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/hypervisor.h"
#include "lib/sandbox/wishes.h"

#include <errno.h>

#include "lib/settings/settings.h"
#include "tests/unit/sandbox/fixture.h"

static struct settings parse_settings(const char *text)
{
	struct settings settings;
	struct error err = ERROR_INIT;

	settings_init(&settings);
	if (settings_parse("moat.json", text, strlen(text), &settings, &err) < 0)
		fail_msg("%s", err.msg);
	return settings;
}

static void apply(const char *rest, struct settings *settings)
{
	const struct sample sample = { .rest = rest };
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	struct error err = ERROR_INIT;

	if (wishes_apply(config, settings, &err) < 0)
		fail_msg("%s", err.msg);
}

static void assert_refused(const char *rest, const char *moat_json, const char *wanted)
{
	const struct sample sample = { .rest = rest };
	cleanup_oci_config struct oci_config *config = parse_sample(&sample);
	cleanup_settings struct settings settings = parse_settings(moat_json);
	struct error err = ERROR_INIT;

	assert_true(wishes_apply(config, &settings, &err) < 0);
	if (!strstr(err.msg, wanted))
		fail_msg("'%s' does not say '%s'", err.msg, wanted);
}

static void an_annotation_that_is_allowed_goes_before_all(void **state)
{
	cleanup_settings struct settings settings = parse_settings(
		"{\"vm\":{\"memory_mib\":100},\"allow_annotations\":[\"io.moat.vm.memory_mib\","
		"\"io.moat.vm.kernel\",\"io.katacontainers.config.hypervisor.default_vcpus\"]}");

	apply("\"annotations\":{"
	      "\"io.moat.vm.memory_mib\":\"333\",\"io.moat.vm.kernel\":\"/mine\","
	      "\"io.katacontainers.config.hypervisor.default_vcpus\":\"3\"},",
	      &settings);
	assert_int_equal(settings.vm.memory_mib.value, 333);
	assert_int_equal(settings.vm.vcpus.value, 3);
	assert_string_equal(settings.vm.kernel, "/mine");
}

static void an_annotation_that_is_not_allowed_is_left_out(void **state)
{
	cleanup_settings struct settings settings = parse_settings("{}");

	apply("\"annotations\":{\"io.moat.vm.hypervisor\":\"/evil\"},", &settings);
	assert_null(settings.vm.hypervisor);
}

static void katas_words_are_understood(void **state)
{
	static const struct {
		const char *theirs, *ours;
	} words[] = { { "virtio-fs", "virtiofs" }, { "none", "none" } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		cleanup_settings struct settings settings = parse_settings(
			"{\"allow_annotations\":[\"io.katacontainers.config.hypervisor.shared_fs\"]}");
		cleanup_free char *rest = xasprintf(
			"\"annotations\":{\"io.katacontainers.config.hypervisor.shared_fs\":\"%s\"},",
			words[i].theirs);

		apply(rest, &settings);
		assert_string_equal(names_get(&settings_share_names, (size_t)settings.vm.share),
				    words[i].ours);
	}
}

static void an_annotation_that_is_wrong_is_named(void **state)
{
	const char *moat_json =
		"{\"allow_annotations\":[\"io.moat.vm.vcpus\",\"io.moat.vm.share\"]}";

	assert_refused("\"annotations\":{\"io.moat.vm.vcpus\":\"many\"},", moat_json,
		       "annotation io.moat.vm.vcpus: not a number: 'many'");
	assert_refused("\"annotations\":{\"io.moat.vm.vcpus\":\"0\"},", moat_json,
		       "annotation io.moat.vm.vcpus: vm.vcpus: must not be 0");
	assert_refused("\"annotations\":{\"io.moat.vm.share\":\"nfs\"},", moat_json,
		       "annotation io.moat.vm.share");
}

/* moat.json is read without knowledge of virtual machines. */
static void words_are_the_hypervisors(void **state)
{
	const struct {
		const struct names *ours, *theirs;
	} pairs[] = {
		{ &settings_accelerator_names, &hv_accel_names },
		{ &settings_share_names, &hv_share_names },
		{ &settings_guest_arch_names, &hv_arch_names },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		for (size_t j = 0; j < pairs[i].theirs->count; j++)
			assert_true(names_find(pairs[i].ours, names_get(pairs[i].theirs, j)) >= 0);
	assert_string_equal(names_get(&settings_hypervisor_names, 0), HYPERVISOR_AUTO);
	for (size_t i = 0; hypervisor_at(i); i++)
		assert_string_equal(names_get(&settings_hypervisor_names, i + 1),
				    hypervisor_at(i)->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_annotation_that_is_allowed_goes_before_all),
		cmocka_unit_test(an_annotation_that_is_not_allowed_is_left_out),
		cmocka_unit_test(katas_words_are_understood),
		cmocka_unit_test(an_annotation_that_is_wrong_is_named),
		cmocka_unit_test(words_are_the_hypervisors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

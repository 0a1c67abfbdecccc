/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define BOOT "11111111-2222-3333-4444-555555555555"

static void the_probe_gives_a_definite_verdict(void **state)
{
	struct kvm_fitness fitness;

	memset(&fitness, 0xff, sizeof(fitness));
	kvm_probe(NULL, &fitness);
	assert_int_equal(fitness.is_fit, fitness.reason[0] == '\0');
	assert_true(strlen(fitness.reason) < sizeof(fitness.reason) - 1);
	print_message("kvm: %s\n", fitness.is_fit ? "fit" : fitness.reason);
}

static void a_verdict_survives_the_cache(void **state)
{
	struct kvm_fitness fit = { .is_fit = true };
	struct kvm_fitness unfit = { .reason = "popcnt: internal error" };
	struct kvm_fitness back;
	cleanup_free char *fit_text = kvm_verdict_format(BOOT, &fit);
	cleanup_free char *unfit_text = kvm_verdict_format(BOOT, &unfit);

	assert_int_equal(kvm_verdict_parse(fit_text, BOOT, &back), 0);
	assert_true(back.is_fit);
	assert_int_equal(kvm_verdict_parse(unfit_text, BOOT, &back), 0);
	assert_false(back.is_fit);
	assert_string_equal(back.reason, "popcnt: internal error");
}

static void a_verdict_of_another_boot_or_a_broken_one_does_not_count(void **state)
{
	struct kvm_fitness fit = { .is_fit = true };
	struct kvm_fitness back;
	cleanup_free char *text = kvm_verdict_format("other", &fit);

	assert_int_equal(kvm_verdict_parse(text, BOOT, &back), -ESTALE);
	assert_int_equal(kvm_verdict_parse("", BOOT, &back), -ESTALE);
	assert_int_equal(kvm_verdict_parse(BOOT "\n", BOOT, &back), -EINVAL);
	assert_int_equal(kvm_verdict_parse(BOOT "\nfit", BOOT, &back), -EINVAL);
	assert_int_equal(kvm_verdict_parse(BOOT "\nfitter\n", BOOT, &back), 0);
	assert_false(back.is_fit);
}

static void a_cached_verdict_is_taken_without_probing(void **state)
{
	char dir[] = "/tmp/moat-test-XXXXXX";
	struct kvm_fitness wanted = { .reason = "said by the test" };
	struct kvm_fitness fitness;
	cleanup_free char *boot_id = NULL;
	cleanup_free char *text = NULL;
	cleanup_fd int dirfd = -1;
	enum hv_accel accel;
	struct error err = ERROR_INIT;

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		print_message("skipped: no /dev/kvm\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(
		read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 100, &boot_id, NULL), 0);
	boot_id[strcspn(boot_id, "\n")] = '\0';
	text = kvm_verdict_format(boot_id, &wanted);
	assert_int_equal(write_atomic_at(dirfd, "kvm-verdict", text, strlen(text), 0600), 0);

	kvm_probe(dir, &fitness);
	assert_string_equal(fitness.reason, "said by the test");
	assert_int_equal(hv_choose_accel(HV_ACCEL_AUTO, dir, &accel, &err), 0);
	assert_int_equal(accel, HV_ACCEL_TCG);
	assert_int_equal(hv_choose_accel(HV_ACCEL_KVM, dir, &accel, &err), -ENODEV);
	assert_string_equal(err.msg, "accelerator 'kvm': said by the test");

	/* And what the probe finds is stored, but for what is not KVM's fault. */
	assert_int_equal(unlinkat(dirfd, "kvm-verdict", 0), 0);
	kvm_probe(dir, &fitness);
	free(steal_ptr(&text));
	if (str_after(fitness.reason, "the probe ")) {
		assert_int_equal(read_file_at(dirfd, "kvm-verdict", 4096, &text, NULL), -ENOENT);
	} else {
		assert_int_equal(read_file_at(dirfd, "kvm-verdict", 4096, &text, NULL), 0);
		assert_int_equal(kvm_verdict_parse(text, boot_id, &wanted), 0);
		assert_int_equal(wanted.is_fit, fitness.is_fit);
	}
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

static void emulation_is_chosen_without_looking(void **state)
{
	enum hv_accel accel = HV_ACCEL_AUTO;

	assert_int_equal(hv_choose_accel(HV_ACCEL_TCG, NULL, &accel, NULL), 0);
	assert_int_equal(accel, HV_ACCEL_TCG);
}

static void the_tsc_rate_is_measured_the_same_twice(void **state)
{
	uint32_t a = hv_host_tsc_khz(), b = hv_host_tsc_khz();

	if (!a) {
		print_message("skipped: no time stamp counter\n");
		skip();
	}
	assert_true(a > 100000 && a < 20000000);
	assert_in_range(b, a - a / 500, a + a / 500);
	print_message("tsc: %u and %u kHz\n", a, b);
}

static void a_measured_tsc_rate_is_taken_from_the_cache(void **state)
{
	char dir[] = "/tmp/moat-test-XXXXXX";
	cleanup_free char *boot_id = hv_boot_id();
	cleanup_free char *text = NULL;
	cleanup_fd int dirfd = -1;
	uint32_t khz = 7;

	assert_non_null(boot_id);
	assert_non_null(mkdtemp(dir));
	dirfd = hv_cache_open(dir);
	text = tsc_format(boot_id, 1234567);
	assert_int_equal(write_atomic_at(dirfd, "tsc-khz", text, strlen(text), 0600), 0);
	assert_int_equal(hv_cached_tsc_khz(dir), 1234567);

	/* Of another boot, or broken: it is measured again, and kept. */
	assert_int_equal(write_atomic_at(dirfd, "tsc-khz", "other\n5\n", 8, 0600), 0);
	khz = hv_cached_tsc_khz(dir);
	assert_int_not_equal(khz, 5);
	assert_int_equal(hv_cached_tsc_khz(dir), khz);
	assert_int_equal(tsc_parse(BOOT "\n12", BOOT, &khz), -EINVAL);
	assert_int_equal(tsc_parse(BOOT "\n-1\n", BOOT, &khz), -EINVAL);
	assert_int_equal(tsc_parse("x" BOOT "\n1\n", BOOT, &khz), -ESTALE);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_probe_gives_a_definite_verdict),
		cmocka_unit_test(a_verdict_survives_the_cache),
		cmocka_unit_test(a_verdict_of_another_boot_or_a_broken_one_does_not_count),
		cmocka_unit_test(a_cached_verdict_is_taken_without_probing),
		cmocka_unit_test(emulation_is_chosen_without_looking),
		cmocka_unit_test(the_tsc_rate_is_measured_the_same_twice),
		cmocka_unit_test(a_measured_tsc_rate_is_taken_from_the_cache),
	};

	return cmocka_run_group_tests_name("hypervisor-accel", tests, NULL, NULL);
}

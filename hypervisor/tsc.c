/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/hypervisor.h"

#include <errno.h>
#include <time.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/*
 * A guest that runs in software emulation reads the host's time stamp counter as it is, and on a
 * machine without PIT, HPET and PM timer it cannot find out its rate: it has to be told. Measuring
 * takes longer than all else that is done before a launch, so it is done once a boot.
 */
#define CACHE_NAME "tsc-khz"

#if defined(__x86_64__)
#include <x86intrin.h>

struct sample {
	uint64_t tsc;
	uint64_t ns;
};

static uint64_t read_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Clock and counter cannot be read at once; the shortest of some attempts has the least between
 * them (about 30 ns, 3 ppm of the interval below). */
static struct sample take_sample(void)
{
	struct sample best = { 0, 0 };
	uint64_t best_width = UINT64_MAX;

	for (int i = 0; i < 10; i++) {
		uint64_t before = __rdtsc();
		uint64_t ns = read_ns();
		uint64_t after = __rdtsc();

		if (after - before < best_width) {
			best_width = after - before;
			best = (struct sample){ before + best_width / 2, ns };
		}
	}
	return best;
}

uint32_t hv_host_tsc_khz(void)
{
	static const struct timespec interval = { 0, 10 * 1000 * 1000 };
	struct sample a = take_sample(), b;

	/* A sleep cut short by a signal makes it less exact only. */
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, NULL);
	b = take_sample();
	if (b.ns <= a.ns)
		return 0;
	return (uint32_t)((b.tsc - a.tsc) * 1000000u / (b.ns - a.ns));
}
#else
uint32_t hv_host_tsc_khz(void)
{
	return 0;
}
#endif

char *tsc_format(const char *boot_id, uint32_t khz)
{
	return xasprintf("%s\n%u\n", boot_id, khz);
}

int tsc_parse(const char *text, const char *boot_id, uint32_t *ret_khz)
{
	const char *rest = str_after(text, boot_id);
	cleanup_free char *number = NULL;
	size_t len;

	if (!rest || *rest != '\n')
		return -ESTALE;
	rest++;
	len = strcspn(rest, "\n");
	if (rest[len] != '\n')
		return -EINVAL;
	number = xstrndup(rest, len);
	return parse_u32(number, ret_khz);
}

static int read_cached(int dirfd, const char *boot_id, uint32_t *ret_khz)
{
	cleanup_free char *text = NULL;
	int r = read_file_at(dirfd, CACHE_NAME, 4096, &text, NULL);

	return r < 0 ? r : tsc_parse(text, boot_id, ret_khz);
}

uint32_t hv_cached_tsc_khz(const char *cache_dir)
{
	cleanup_fd int dirfd = hv_cache_open(cache_dir);
	cleanup_free char *boot_id = hv_boot_id();
	cleanup_free char *text = NULL;
	uint32_t khz;

	if (dirfd < 0 || !boot_id)
		return hv_host_tsc_khz();
	if (read_cached(dirfd, boot_id, &khz) == 0)
		return khz;
	khz = hv_host_tsc_khz();
	text = tsc_format(boot_id, khz);
	(void)write_atomic_at(dirfd, CACHE_NAME, text, strlen(text), 0644); /* else as before */
	return khz;
}

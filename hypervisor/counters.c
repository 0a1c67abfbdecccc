/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/counters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/str.h"

#define EXITS "exits"
#define DEVICE "device"

void hv_counters_write(const struct hv_metrics *metrics, struct strbuf *text)
{
	for (size_t i = 0; i < HV_EXIT_COUNT; i++)
		strbuf_addf(text, EXITS " %s %" PRIu64 "\n", names_get(&hv_exit_names, i),
			    metrics->exits[i]);
	for (size_t i = 0; i < metrics->devices_count; i++) {
		const struct hv_device_metrics *d = &metrics->devices[i];

		strbuf_addf(text,
			    DEVICE " %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
				   "\n",
			    d->id, d->read_bytes, d->reads, d->written_bytes, d->writes,
			    d->dropped);
	}
}

static int take_exits(char *const *words, struct hv_metrics *metrics)
{
	int kind = names_find(&hv_exit_names, words[1]);

	if (kind < 0)
		return 0;
	return parse_u64(words[2], &metrics->exits[kind]) < 0 ? -EINVAL : 1;
}

static int take_device(char *const *words, struct hv_metrics *metrics)
{
	struct hv_device_metrics *d = &metrics->devices[metrics->devices_count];
	uint64_t *const numbers[] = { &d->read_bytes, &d->reads, &d->written_bytes, &d->writes,
				      &d->dropped };

	if (metrics->devices_count == HV_DEVICES_MAX || hv_check_disk_id(words[1], NULL) < 0)
		return -EINVAL;
	snprintf(d->id, sizeof(d->id), "%s", words[1]);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (parse_u64(words[2 + i], numbers[i]) < 0)
			return -EINVAL;
	metrics->devices_count++;
	return 1;
}

/* clang-format off */
static const struct {
	const char *word;
	size_t words;
	int (*take)(char *const *words, struct hv_metrics *metrics);
} lines[] = {
	{ EXITS, 3, take_exits },
	{ DEVICE, 7, take_device },
};
/* clang-format on */

int hv_counters_take(char *const *words, struct hv_metrics *metrics)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (streq(words[0], lines[i].word))
			return strv_len(words) == lines[i].words ? lines[i].take(words, metrics)
								 : -EINVAL;
	return 0;
}

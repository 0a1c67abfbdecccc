/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "hypervisor/counters.h"
#include "hypervisor/firecracker/counters.h"
#include "hypervisor/hypervisor-internal.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(const char *line, struct hv_metrics *metrics)
{
	cleanup_strv char **words = strv_split(line, ' ');

	if (hv_counters_take(words, metrics) != 1)
		__builtin_trap();
}

/* What a Firecracker writes that its guest took over: what is taken of it reads back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT, again = STRBUF_INIT;
	struct hv_metrics sum = { 0 }, back = { 0 };
	cleanup_strv char **lines = NULL;

	(void)fc_counters_add(&sum, (const char *)data, size, NULL);
	(void)fc_counters_add(&sum, (const char *)data, size, NULL);
	hv_counters_write(&sum, &text);
	lines = strv_split(text.buf, '\n');
	strv_each(line, lines) {
		if (*line)
			take(line, &back);
	}
	hv_counters_write(&back, &again);
	if (!streq(text.buf, again.buf))
		__builtin_trap();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/metrics/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lines that are samples name the sandbox first, and hold nothing that a scrape would trip over. */
static void check(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		if (*line && *line != '#' && !strstr(line, "{sandbox_id=\"own\""))
			abort();
}

/* What a guest answers to GetMetrics. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct metrics_label own[] = { { "sandbox_id", "own" }, { NULL } };
	cleanup_metrics struct metrics *m = metrics_new();
	cleanup_free char *text = xstrndup((const char *)data, size);
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	metrics_set_labels(m, own);
	if (metrics_add_guest(m, text) > METRICS_GUEST_SAMPLES_MAX)
		abort();
	metrics_write(m, &sb);
	if (sb.len && strpbrk(sb.buf, "\033\r\t\177"))
		abort();
	check(sb.buf);
	return 0;
}

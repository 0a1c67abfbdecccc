/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/state/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A record on disk: what parses can be written, and parses again to the same text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_record struct record first = { 0 };
	cleanup_record struct record second = { 0 };
	cleanup_free char *text = NULL;
	cleanup_free char *again = NULL;
	struct error err = ERROR_INIT;

	if (record_parse((const char *)data, size, &first, &err) < 0)
		return 0;
	text = record_text(&first);
	if (record_parse(text, strlen(text), &second, &err) < 0)
		abort();
	again = record_text(&second);
	if (!streq(text, again))
		abort();
	return 0;
}

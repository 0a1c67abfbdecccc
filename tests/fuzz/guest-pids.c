/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/proto/bytes.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/sandbox/guest-pids.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A guest's answer to who its processes are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct agent_bytes text = { data, size };
	cleanup_free pid_t *pids = NULL;
	struct error err = ERROR_INIT;
	size_t count = 0;

	if (guest_pids_parse(&text, &pids, &count, &err) < 0) {
		if (!err.code || strpbrk(err.msg, "\033\n\r\t\177"))
			abort();
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		if (pids[i] < 0)
			abort(); /* to kill(2) that would be a group */
	return 0;
}

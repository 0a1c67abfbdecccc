/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "hypervisor/builtin/builtin-internal.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a VMM answers that its guest took over. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	struct builtin_answer answer;

	if (builtin_answer_parse(text, &answer) < 0)
		return 0;
	if (answer.metrics.devices_count > HV_DEVICES_MAX || answer.status.state >= HV_STATE_COUNT)
		__builtin_trap();
	for (size_t i = 0; i < answer.metrics.devices_count; i++)
		if (hv_check_disk_id(answer.metrics.devices[i].id, NULL) < 0)
			__builtin_trap();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/criu/message.h"

/* What CRIU says: it reads files that anybody may have made, and tells of what stands in them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_criu_answer struct criu_answer answer = { 0 };
	struct error err = ERROR_INIT;
	int r = criu_message_answer(data, size, &answer, &err);

	if (r < 0 && !err.code)
		abort(); /* a failure has a reason */
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/qemu/answers.h"
#include "hypervisor/qemu/qmp.h"
#include "lib/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As whatever answer is waited for. */
static void parse_answers(const char *line, size_t len)
{
	for (const struct fields *const *answer = qmp_answers; *answer; answer++) {
		void *result = calloc(1, (*answer)->size);
		struct error err = ERROR_INIT;

		if (fields_parse(*answer, "qmp", line, len, &qmp_limits, result, &err) < 0 &&
		    !err.code)
			__builtin_trap();
		fields_release(*answer, result);
		free(result);
	}
}

/* One line of QEMU's control protocol: a QEMU that its guest took over chooses its bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qmp_message message = { 0 };
	struct error err = ERROR_INIT;

	if (qmp_message_parse((const char *)data, size, &message, &err) == 0) {
		/* An event and an error have their text; nothing else has. */
		if ((message.kind == QMP_EVENT || message.kind == QMP_ERROR) != !!message.text)
			__builtin_trap();
		qmp_message_done(&message);
	} else if (!err.code || strlen(err.msg) >= sizeof(err.msg)) {
		__builtin_trap();
	}
	parse_answers((const char *)data, size);
	return 0;
}

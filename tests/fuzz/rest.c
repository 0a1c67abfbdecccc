/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/cloud-hypervisor/answers.h"
#include "hypervisor/firecracker/answers.h"
#include "hypervisor/rest.h"
#include "lib/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As whatever answer is waited for. */
static void parse_answers(const struct fields *const *answers, const char *text, size_t len)
{
	for (const struct fields *const *answer = answers; *answer; answer++) {
		void *result = calloc(1, (*answer)->size);
		struct error err = ERROR_INIT;

		if (fields_parse(*answer, "answer", text, len, &rest_limits, result, &err) < 0 &&
		    !err.code)
			__builtin_trap();
		fields_release(*answer, result);
		free(result);
	}
}

/* An answer of a VMM's REST interface, or its body: one that its guest took over chooses its
 * bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct error err = ERROR_INIT;
	struct rest_head head;
	char *words;

	if (rest_head_parse(text, size, &head, &err) == 0) {
		if (head.body_len > REST_BODY_MAX || head.status > 999)
			__builtin_trap();
	} else if (!err.code) {
		__builtin_trap();
	}
	words = rest_words(text, size);
	if (!*words && size && *text)
		__builtin_trap();
	free(words);
	parse_answers(ch_answers, text, size);
	parse_answers(fc_answers, text, size);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/container/caller.h"
#include "lib/state/process-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Texts of the kernel's with words in them that a process chose: its name, its command line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *stat = xstrndup((const char *)data, size);
	cleanup_free char *cmdline = xcalloc(1, size + 1); /* is read with a NUL behind it */
	cleanup_strv char **dirs = NULL;

	memcpy(cmdline, data, size);
	dirs = caller_oom_dirs_parse(cmdline, size);
	for (char **dir = dirs; dir && *dir; dir++)
		if (**dir != '/')
			abort(); /* files are made there */
	(void)process_parse_start(stat);
	return 0;
}

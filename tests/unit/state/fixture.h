/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

/* A directory of the test's own, at *state: the root in which containers are recorded. */
static inline int make_root(void **state)
{
	char name[] = "/tmp/moat-test-XXXXXX";

	if (!mkdtemp(name))
		return -1;
	*state = xstrdup(name);
	return 0;
}

static inline int remove_root(void **state)
{
	cleanup_fd int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = remove_tree_at(tmp, (char *)*state + strlen("/tmp/"));

	free(*state);
	return r;
}

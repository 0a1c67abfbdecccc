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

/* A directory of the test's own: its path, at *state. */
static inline int make_dir(void **state)
{
	char name[] = "/tmp/moat-test-XXXXXX";

	if (!mkdtemp(name))
		return -1;
	*state = xstrdup(name);
	return 0;
}

static inline int remove_dir(void **state)
{
	int r = remove_tree_at(AT_FDCWD, *state);

	free(*state);
	return r;
}

static inline int open_dir(void *const *state)
{
	int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

#define test_in_dir(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"
#include "oci/config.h"

/*
 * Cgroups against this machine's kernel, as root: in its own layout, then, in a mount namespace of
 * the test's own, as v1 alone and as v2 alone, where the machine can show these. A test's state is
 * a new cgroup, or NULL where that cannot be; it begins with live_need_able().
 */
#define SET(v)                                                                                     \
	{                                                                                          \
		.value = (v), .is_set = true                                                       \
	}
#define TIMEOUT_MS 10000

#define LIVE(fn) cmocka_unit_test_setup_teardown(fn, live_make_cgroup, live_remove_cgroup)
int live_make_cgroup(void **state);
int live_remove_cgroup(void **state);
char *live_path(void); /* of that cgroup */

/* Whether this machine can show @layout; it does from then on. */
bool live_show(enum cgroup_layout layout);
/* Runs @tests in each layout; the sum of the failures. */
int live_run(const struct CMUnitTest *tests, size_t count);

/* These skip the test, with the reason. */
void live_need_able(void);
void live_need_controller(const struct cgroup *cg, const char *controller);

struct cgroup *open_cgroup(const char *path);
void assert_ok(int r, const struct error *err);
/* A child that joined @cg by itself and runs @fn, then waits to be killed. */
pid_t spawn(const struct cgroup *cg, int (*fn)(void));
/* Reaps it. */
int wait_status(pid_t *pid);
char *read_knob(const struct cgroup *cg, const char *controller, const char *file);

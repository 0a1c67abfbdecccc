/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"
#include "lib/sandbox/guest-points.h"

/* What an agent says of its own times, turned into the host's. */

#define POINT(name, seconds) "moat_agent_point_seconds{point=\"" name "\"} " seconds "\n"

static void check(const char *metrics, const char *wanted)
{
	cleanup_fd int fd = memfd_create("timing", MFD_CLOEXEC);
	cleanup_free char *text = xstrdup(metrics);
	char got[1024] = "";

	timing_setup(fd, "shim");
	guest_points_take(text, 5000000000);
	timing_setup(-1, "");
	assert_true(pread(fd, got, sizeof(got) - 1, 0) >= 0);
	assert_string_equal(got, wanted);
}

static void points_are_counted_from_when_the_agent_was_heard(void **state)
{
	check("# HELP x\n" POINT("agent started", "1.000000000")
		      POINT("channel opened", "1.500000001") POINT("program ended", "2.000000000"),
	      "3499999999 guest kernel entered\n"
	      "4499999999 guest agent started\n"
	      "5000000000 guest channel opened\n"
	      "5499999999 guest program ended\n");
}

static void without_that_there_is_nothing_to_count_from(void **state)
{
	check(POINT("agent started", "1.000000000"), "");
	check("", "");
}

static void what_is_no_point_is_left_out(void **state)
{
	check(POINT("channel opened", "1.0") POINT("channel opened", "1")
		      POINT("channel opened", "-1.000000000") POINT("channel opened", "1.00000000x")
			      POINT("channel opened", "99999999999.000000000"),
	      "");
	check(POINT("a\x1b[2J", "1.000000000") POINT("", "1.000000000")
		      POINT("a name that is longer than any that a table has room for",
			    "1.000000000") POINT("channel opened", "0.000000000"),
	      "5000000000 guest kernel entered\n"
	      "5000000000 guest channel opened\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_are_counted_from_when_the_agent_was_heard),
		cmocka_unit_test(without_that_there_is_nothing_to_count_from),
		cmocka_unit_test(what_is_no_point_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/sandbox/fixture.h"

#include "lib/base/fd.h"
#include "lib/base/progress.h"
#include "lib/base/str.h"
#include "lib/sandbox/rendezvous.h"

struct ends {
	int moat, shim;
};

static struct ends make_ends(void)
{
	struct ends e;

	assert_int_equal(rendezvous_pair(&e.moat, &e.shim), 0);
	return e;
}

static void close_ends(struct ends *e)
{
	close_fdp(&e->moat);
	close_fdp(&e->shim);
}
#define cleanup_ends CLEANUP(close_ends)

static void note(void *ctx, const char *what, int percent)
{
	strbuf_addf(ctx, "%s %d,", what, percent);
}

static void progress_is_shown_and_waited_through(void **state)
{
	cleanup_ends struct ends e = make_ends();
	cleanup_strbuf struct strbuf shown = STRBUF_INIT;
	struct error err = ERROR_INIT;
	static const char *const wrong[] = { "", "12", "x y", "-2 y", "101 y" };

	progress_relay(note, &shown);
	rendezvous_send_progress(&e.shim, "saving", 40);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(rendezvous_send(e.shim, RENDEZVOUS_PROGRESS, wrong[i]), 0);
	rendezvous_send_progress(&e.shim, "saving it", PROGRESS_UNKNOWN);
	assert_int_equal(rendezvous_send(e.shim, RENDEZVOUS_CREATED, NULL), 0);
	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 1000, "moat-shim", NULL, &err),
			 0);
	progress_relay(NULL, NULL);
	assert_string_equal(shown.buf, "saving 40,saving it -1,");
}

static void a_message_arrives_with_its_text(void **state)
{
	cleanup_ends struct ends e = make_ends();
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(rendezvous_send(e.shim, RENDEZVOUS_CREATED, "unix:///x"), 0);
	assert_int_equal(
		rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 1000, "moat-shim", &text, &err), 0);
	assert_string_equal(text, "unix:///x");
}

static void two_messages_in_a_row_stay_two(void **state)
{
	cleanup_ends struct ends e = make_ends();
	struct error err = ERROR_INIT;

	assert_int_equal(rendezvous_send(e.shim, RENDEZVOUS_CREATED, "x"), 0);
	assert_int_equal(rendezvous_send(e.shim, RENDEZVOUS_STARTED, NULL), 0);
	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 1000, "moat-shim", NULL, &err),
			 0);
	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_STARTED, 1000, "moat-shim", NULL, &err),
			 0);
}

static void the_end_of_the_channel_is_never_success(void **state)
{
	cleanup_ends struct ends e = make_ends();
	struct error err = ERROR_INIT;

	close(steal_fd(&e.shim));
	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 1000, "moat-shim", NULL, &err),
			 -EPIPE);
	assert_string_equal(err.msg, "moat-shim died before 'created'");
	e.shim = dup(e.moat);
}

static void a_failure_becomes_the_receivers_error(void **state)
{
	cleanup_ends struct ends e = make_ends();
	struct error failure = ERROR_INIT, err = ERROR_INIT;

	error_sys(&failure, ENOENT, "open '/x'");
	assert_int_equal(rendezvous_send_failure(e.shim, &failure), 0);
	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 1000, "moat-shim", NULL, &err),
			 -ENOENT);
	assert_string_equal(err.msg, "open '/x': No such file or directory");
	assert_int_equal(err.code, -ENOENT);
}

static void a_failure_of_any_length_fits(void **state)
{
	cleanup_ends struct ends e = make_ends();
	struct error failure = ERROR_INIT, err = ERROR_INIT;

	memset(failure.msg, 'x', sizeof(failure.msg)); /* not even terminated */
	failure.code = -EIO;
	assert_int_equal(rendezvous_send_failure(e.shim, &failure), 0);
	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 1000, "moat-shim", NULL, &err),
			 -EIO);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void another_message_than_the_one_waited_for_is_an_error(void **state)
{
	cleanup_ends struct ends e = make_ends();
	struct error err = ERROR_INIT;

	assert_int_equal(rendezvous_send(e.shim, RENDEZVOUS_STARTED, NULL), 0);
	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 1000, "moat-shim", NULL, &err),
			 -EBADMSG);
	assert_string_equal(err.msg, "moat-shim sent 'started' instead of 'created'");
}

static void silence_ends_with_a_time_out(void **state)
{
	cleanup_ends struct ends e = make_ends();
	struct error err = ERROR_INIT;

	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 20, "moat-shim", NULL, &err),
			 -ETIMEDOUT);
}

static void half_a_message_is_not_one(void **state)
{
	cleanup_ends struct ends e = make_ends();
	struct error err = ERROR_INIT;

	assert_int_equal(write(e.shim, "\0\0\0\0", 4), 4);
	close(steal_fd(&e.shim));
	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 1000, "moat-shim", NULL, &err),
			 -EBADMSG);
	e.shim = dup(e.moat);
}

static void half_a_message_is_not_waited_for(void **state)
{
	cleanup_ends struct ends e = make_ends();
	struct error err = ERROR_INIT;

	assert_int_equal(write(e.shim, "\0\0\0\0", 4), 4);
	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 1000, "moat-shim", NULL, &err),
			 -EBADMSG);
}

static void a_failures_text_can_be_printed(void **state)
{
	cleanup_ends struct ends e = make_ends();
	struct error failure = { -EIO, "a\033[2J\xff\nb" }, err = ERROR_INIT;

	assert_int_equal(rendezvous_send_failure(e.shim, &failure), 0);
	assert_int_equal(rendezvous_wait(e.moat, RENDEZVOUS_CREATED, 1000, "moat-shim", NULL, &err),
			 -EIO);
	assert_string_equal(err.msg, "a?[2J? b");
}

static void a_reader_that_is_gone_is_reported(void **state)
{
	cleanup_ends struct ends e = make_ends();

	close(steal_fd(&e.moat));
	assert_int_equal(rendezvous_send(e.shim, RENDEZVOUS_CREATED, "x"), -EPIPE);
	e.moat = dup(e.shim);
}

static void a_text_that_does_not_fit_is_refused(void **state)
{
	cleanup_ends struct ends e = make_ends();
	char text[RENDEZVOUS_TEXT_MAX + 1];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(rendezvous_send(e.shim, RENDEZVOUS_CREATED, text), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_with_its_text),
		cmocka_unit_test(progress_is_shown_and_waited_through),
		cmocka_unit_test(two_messages_in_a_row_stay_two),
		cmocka_unit_test(the_end_of_the_channel_is_never_success),
		cmocka_unit_test(a_failure_becomes_the_receivers_error),
		cmocka_unit_test(a_failure_of_any_length_fits),
		cmocka_unit_test(another_message_than_the_one_waited_for_is_an_error),
		cmocka_unit_test(silence_ends_with_a_time_out),
		cmocka_unit_test(half_a_message_is_not_one),
		cmocka_unit_test(half_a_message_is_not_waited_for),
		cmocka_unit_test(a_failures_text_can_be_printed),
		cmocka_unit_test(a_reader_that_is_gone_is_reported),
		cmocka_unit_test(a_text_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

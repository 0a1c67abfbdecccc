/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/fd.h"
#include "lib/base/progress.h"
#include "lib/base/str.h"

/* Longer than what is quick. */
#define LONG_MS 1100

static int set_stderr(int fd)
{
	int old = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	assert_true(old >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	return old;
}

static void restore_stderr(int old)
{
	assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
	close(old);
	progress_show(NULL, PROGRESS_ON_TERMINALS);
}

static void work(int fd, enum progress_lines where, int delay_ms)
{
	int old = set_stderr(fd);

	progress_show("prog", where);
	poll(NULL, 0, delay_ms);
	progress_at("reading", 0, 0);
	progress_at("packing", 1, 100);
	progress_at("packing", 19, 100);
	progress_at("packing", 20, 100);
	progress_at("packing", 61, 100);
	progress_at("packing", 3, 100); /* as when it begins again */
	progress_at("packing", 100, 100);
	progress_clear();
	restore_stderr(old);
}

static void check_file(enum progress_lines where, int delay_ms, const char *wanted)
{
	cleanup_fd int fd = memfd_create("stderr", MFD_CLOEXEC);
	char got[512] = "";

	work(fd, where, delay_ms);
	assert_true(pread(fd, got, sizeof(got) - 1, 0) >= 0);
	assert_string_equal(got, wanted);
}

static void without_a_terminal_there_is_a_line_for_each_fifth_where_lines_are_wanted(void **state)
{
	check_file(PROGRESS_EVERYWHERE, LONG_MS,
		   "prog: reading\n"
		   "prog: packing\n"
		   "prog: packing: 20 %\n"
		   "prog: packing: 60 %\n"
		   "prog: packing: 100 %\n");
}

static void without_a_terminal_nothing_is_said_where_engines_listen(void **state)
{
	check_file(PROGRESS_ON_TERMINALS, LONG_MS, "");
}

static void what_is_quick_says_nothing(void **state)
{
	long long begin = now_ms();
	cleanup_fd int fd = memfd_create("stderr", MFD_CLOEXEC);
	char got[512] = "";

	work(fd, PROGRESS_EVERYWHERE, 0);
	if (now_ms() - begin >= 1000)
		skip(); /* it was not quick: the machine had other things to do */
	assert_true(pread(fd, got, sizeof(got) - 1, 0) >= 0);
	assert_string_equal(got, "");
}

#define SCREEN_BYTES 1024

/* What came by the terminal; the kernel may hand it over in pieces. */
static void read_screen(int master, const char *end, char *ret)
{
	struct pollfd pfd = { .fd = master, .events = POLLIN };
	size_t len = 0;

	*ret = '\0';
	while (!str_ends_with(ret, end) && poll(&pfd, 1, 10000) > 0) {
		ssize_t n = read(master, ret + len, SCREEN_BYTES - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
		ret[len] = '\0';
	}
}

static void on_a_terminal_there_is_a_bar_which_goes_in_the_end(void **state)
{
	cleanup_fd int master = -1, slave = -1;
	char got[SCREEN_BYTES];

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	work(slave, PROGRESS_ON_TERMINALS, LONG_MS);
	read_screen(master, "100 %\r\x1b[K", got);
	assert_non_null(strstr(got, "\r\x1b[Kprog: reading "));
	assert_non_null(strstr(got, "\r\x1b[Kprog: packing [###############          ]  61 %"));
	assert_true(str_ends_with(got, "100 %\r\x1b[K"));
}

#define BAR_AT_50 "\r\x1b[Kprog: packing [############             ]  50 %"

static void a_bar_makes_room_for_other_words_and_comes_back(void **state)
{
	cleanup_fd int master = -1, slave = -1;
	char got[SCREEN_BYTES];
	int old;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	old = set_stderr(slave);
	progress_show("prog", PROGRESS_ON_TERMINALS);
	poll(NULL, 0, LONG_MS);
	progress_at("packing", 1, 2);
	progress_hide();
	progress_hide();
	progress_tick();
	progress_clear();
	progress_tick();
	restore_stderr(old);
	read_screen(master, BAR_AT_50 "\r\x1b[K" BAR_AT_50 "\r\x1b[K", got);
	assert_string_equal(got, BAR_AT_50 "\r\x1b[K" BAR_AT_50 "\r\x1b[K");
}

static void note(void *ctx, const char *what, int percent)
{
	strbuf_addf(ctx, "%s %d,", what, percent);
}

static void another_process_may_show_it(void **state)
{
	cleanup_strbuf struct strbuf got = STRBUF_INIT;

	assert_false(progress_is_wanted());
	progress_at("nobody", 1, 2);
	progress_relay(note, &got);
	assert_true(progress_is_wanted());
	progress_at("reading", 0, 0);
	progress_at("packing", UINT64_MAX / 2, UINT64_MAX);
	progress_relay(NULL, NULL);
	progress_at("nobody", 1, 2);
	assert_string_equal(got.buf, "reading -1,packing 50,");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			without_a_terminal_there_is_a_line_for_each_fifth_where_lines_are_wanted),
		cmocka_unit_test(without_a_terminal_nothing_is_said_where_engines_listen),
		cmocka_unit_test(what_is_quick_says_nothing),
		cmocka_unit_test(on_a_terminal_there_is_a_bar_which_goes_in_the_end),
		cmocka_unit_test(a_bar_makes_room_for_other_words_and_comes_back),
		cmocka_unit_test(another_process_may_show_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

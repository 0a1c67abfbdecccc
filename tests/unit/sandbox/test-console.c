/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/sandbox/fixture.h"

#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/sandbox/console.h"

struct fixture {
	char dir[32];
	int dirfd;
	int guest; /* what the guest writes to */
	struct loop *loop;
	struct console *console;
};

static int set_up(void **state)
{
	static struct fixture f;
	int pair[2];

	snprintf(f.dir, sizeof(f.dir), "/tmp/moat-console.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	f.dirfd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(loop_new(&f.loop), 0);
	f.console = console_new(f.loop, f.dirfd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(console_add(f.console, pair[0], JOURNAL_CONSOLE), 0);
	f.guest = pair[1];
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	console_free(f->console);
	loop_free(f->loop);
	close(f->guest);
	close(f->dirfd);
	return remove_tree_at(AT_FDCWD, f->dir);
}

static void assert_tail(struct fixture *f, unsigned int max, const char *wanted)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	console_drain(f->console);
	console_tail(f->console, &sb, max);
	assert_string_equal(sb.buf ? sb.buf : "", wanted);
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(write_all(f->guest, text, strlen(text)), 0);
}

static void lines_become_one_printable_line(void **state)
{
	struct fixture *f = *state;

	say(f, "first\r\nsecond\n\n\033[31mred\001\r\n");
	assert_tail(f, 600, "first | second | ?[31mred?");
}

static void an_empty_console_has_no_tail(void **state)
{
	assert_tail(*state, 600, "");
}

static void the_tail_is_the_last_that_was_said(void **state)
{
	struct fixture *f = *state;

	say(f, "0123456789abcdefghij");
	assert_tail(f, 20, "abcdefghij");
}

static void what_a_crash_begins_with_is_kept(void **state)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;
	struct fixture *f = *state;

	console_crash(f->console, &sb);
	assert_int_equal(sb.len, 0);
	say(f, "[    0.1] usual\n[    0.2] BUG: no page\033[1m\n[    0.3] Oops: 0002 [#1] SMP\n");
	for (int i = 0; i < 200; i++)
		say(f, "[    0.4] RAX: 0000000000000000 RBX: 0000000000000000\n");
	say(f, "RIP: 0010:where+0x1/0x2\n[    0.5] Kernel panic - not syncing: one too many\n");
	console_drain(f->console);
	console_crash(f->console, &sb);
	assert_string_equal(sb.buf,
			    "BUG: no page?[1m | Oops: 0002 [#1] SMP | RIP: 0010:where+0x1/0x2");
}

static void however_much_is_said_the_files_stay_bounded(void **state)
{
	struct fixture *f = *state;
	char block[4096];
	bool never = false;
	struct stat st;

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 500; i++) {
		assert_int_equal(write_all(f->guest, block, sizeof(block)), 0);
		(void)loop_run_until(f->loop, &never, 1);
	}
	say(f, "end");
	console_drain(f->console);
	assert_int_equal(fstatat(f->dirfd, "log/console", &st, 0), 0);
	assert_true(st.st_size <= 128 << 10);
	assert_int_equal(fstatat(f->dirfd, "log/console.1", &st, 0), 0);
	assert_true(st.st_size <= 128 << 10);
	assert_tail(f, 6, "end");
}

static void note(void *ctx, const struct journal_entry *entry)
{
	strbuf_addf(ctx, "%s %s %s\n", names_get(&journal_source_names, (size_t)entry->source),
		    names_get(&log_level_names, (size_t)entry->level), entry->msg);
}

static void the_agents_lines_are_told_from_the_kernels(void **state)
{
	cleanup_journal_reader struct journal_reader *reader = journal_reader_new();
	cleanup_strbuf struct strbuf all = STRBUF_INIT;
	struct fixture *f = *state;

	say(f,
	    "[    0.1] kernel\r\n{\"level\":\"WARN\",\"msg\":\"a\\n\\u001b[1m\",\"time\":\"x\"}\n"
	    "{\"level\":\"LOUD\",\"msg\":\"b\"}\n\n{\nmoat-agent: debug: c\nmoat-agent: d\n\033[31mhalf");
	console_drain(f->console);
	for (int i = 0; i < JOURNAL_SOURCE_COUNT; i++)
		journal_reader_add(reader, f->dirfd, (enum journal_source)i);
	journal_read(reader, note, &all);
	assert_string_equal(all.buf, "console info [    0.1] kernel\nagent warning a ?[1m\n"
				     "console info {\"level\":\"LOUD\",\"msg\":\"b\"}\n"
				     "console info {\nagent debug c\nagent error d\n");
	say(f, " a line\n");
	console_drain(f->console);
	all.len = 0;
	journal_read(reader, note, &all);
	assert_string_equal(all.buf, "console info ?[31mhalf a line\n");
}

static void a_guest_that_goes_away_ends_the_watching(void **state)
{
	struct fixture *f = *state;
	bool never = false;

	say(f, "bye");
	assert_int_equal(shutdown(f->guest, SHUT_RDWR), 0);
	(void)loop_run_until(f->loop, &never, 20);
	assert_tail(f, 600, "bye");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_become_one_printable_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_agents_lines_are_told_from_the_kernels, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_empty_console_has_no_tail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_tail_is_the_last_that_was_said, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_a_crash_begins_with_is_kept, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(however_much_is_said_the_files_stay_bounded, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_guest_that_goes_away_ends_the_watching, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

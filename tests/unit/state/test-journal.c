/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/state/journal.h"

struct fixture {
	char dir[32];
	int dirfd;
};

static int set_up(void **state)
{
	static struct fixture f;

	snprintf(f.dir, sizeof(f.dir), "/tmp/moat-journal.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	f.dirfd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->dirfd);
	return remove_tree_at(AT_FDCWD, f->dir);
}

static void note(void *ctx, const struct journal_entry *entry)
{
	strbuf_addf(ctx, "%s:%s:%s\n", names_get(&journal_source_names, (size_t)entry->source),
		    names_get(&log_level_names, (size_t)entry->level), entry->msg);
}

static void check(struct journal_reader *reader, const char *wanted)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	journal_read(reader, note, &sb);
	assert_string_equal(sb.buf ? sb.buf : "", wanted);
}

static void sources_are_joined_in_the_order_of_time(void **state)
{
	struct fixture *f = *state;
	struct journal *shim = journal_new(f->dirfd, JOURNAL_SHIM);
	struct journal *runtime = journal_new(f->dirfd, JOURNAL_RUNTIME);
	cleanup_journal_reader struct journal_reader *reader = journal_reader_new();

	journal_reader_add(reader, f->dirfd, JOURNAL_SHIM);
	journal_reader_add(reader, f->dirfd, JOURNAL_RUNTIME);
	check(reader, "");
	journal_write(shim, LOG_LEVEL_INFO, "one");
	journal_write(runtime, LOG_LEVEL_ERROR, "two\n\033[1m");
	journal_write(shim, LOG_LEVEL_DEBUG, "three");
	check(reader, "shim:info:one\nruntime:error:two ?[1m\nshim:debug:three\n");
	check(reader, "");
	journal_write(runtime, LOG_LEVEL_WARNING, "four");
	check(reader, "runtime:warning:four\n");
	journal_free(shim);
	journal_free(runtime);
}

static off_t size_of(const struct fixture *f, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(f->dirfd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_size;
}

static void two_writers_stay_within_two_files_and_a_reader_misses_nothing(void **state)
{
	struct fixture *f = *state;
	struct journal *writers[] = { journal_new(f->dirfd, JOURNAL_SHIM),
				      journal_new(f->dirfd, JOURNAL_SHIM) };
	cleanup_journal_reader struct journal_reader *reader = journal_reader_new();

	journal_reader_add(reader, f->dirfd, JOURNAL_SHIM);
	for (int i = 0; i < 5000; i++) {
		cleanup_free char *msg = xasprintf("line %d of many that fill the files", i);
		cleanup_free char *wanted = xasprintf("shim:info:%s\n", msg);

		journal_write(writers[i % 2], LOG_LEVEL_INFO, msg);
		check(reader, wanted);
	}
	assert_true(size_of(f, "log/shim") <= JOURNAL_FILE_BYTES);
	assert_true(size_of(f, "log/shim.1") <= JOURNAL_FILE_BYTES);
	assert_true(size_of(f, "log/shim.1") > JOURNAL_FILE_BYTES / 2);
	journal_free(writers[0]);
	journal_free(writers[1]);
}

static void what_is_no_entry_is_left_out(void **state)
{
	struct fixture *f = *state;
	static const char text[] =
		"{\"time\":\"t\",\"level\":\"info\",\"msg\":\"a\"}\n"
		"not JSON\n{}\n{\"time\":\"t\",\"level\":\"loud\",\"msg\":\"b\"}\n"
		"\0\n{\"time\":\"u\",\"level\":\"info\",\"msg\":\"c\"}\n{\"time\"";
	cleanup_journal_reader struct journal_reader *reader = journal_reader_new();
	cleanup_fd int fd = -1;

	assert_int_equal(mkdirat(f->dirfd, JOURNAL_DIR, 0700), 0);
	fd = openat(f->dirfd, JOURNAL_DIR "/vmm", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write_all(fd, text, sizeof(text) - 1), 0);
	journal_reader_add(reader, f->dirfd, JOURNAL_VMM);
	check(reader, "vmm:info:a\nvmm:info:c\n");
}

static void a_file_that_is_no_file_is_not_written(void **state)
{
	struct fixture *f = *state;
	struct journal *journal = journal_new(f->dirfd, JOURNAL_SHIM);

	assert_int_equal(mkdirat(f->dirfd, JOURNAL_DIR, 0700), 0);
	assert_int_equal(symlinkat("/dev/full", f->dirfd, JOURNAL_DIR "/shim"), 0);
	journal_write(journal, LOG_LEVEL_INFO, "text");
	journal_free(journal);
	journal_write(NULL, LOG_LEVEL_INFO, "text");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sources_are_joined_in_the_order_of_time, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			two_writers_stay_within_two_files_and_a_reader_misses_nothing, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_entry_is_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_is_no_file_is_not_written, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

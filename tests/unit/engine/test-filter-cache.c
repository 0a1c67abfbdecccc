/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/filter-cache.h"
#include "lib/engine/filter.h"
#include "lib/linux/seccomp-program.h"
#include "oci/config.h"
#include "tests/unit/engine/profile.h"

static void key_of(const char *seccomp, struct strbuf *ret)
{
	cleanup_oci_config struct oci_config *config = profile_parse(seccomp);

	filter_cache_key(config->linux_.seccomp, ret);
}

static bool same(const struct strbuf *a, const struct strbuf *b)
{
	return a->len == b->len && memcmp(a->buf, b->buf, a->len) == 0;
}

/* --- keys --- */

#define CALL(rest) "\"syscalls\":[{\"names\":[\"mkdir\",\"rmdir\"]," rest "}]"
#define ARGS(rest) CALL("\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{" rest "}]")

static void profiles_that_differ_in_one_thing_have_different_keys(void **state)
{
	static const char *const profiles[] = {
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
		"{\"defaultAction\":\"SCMP_ACT_LOG\"}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\"}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":0}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X32\"]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\","
		"\"SCMP_ARCH_X32\"]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"," CALL("\"action\":\"SCMP_ACT_KILL\"") "}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"," CALL("\"action\":\"SCMP_ACT_ERRNO\"") "}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"," CALL(
			"\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":0") "}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"," CALL(
			"\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":2") "}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"," ARGS(
			"\"index\":0,\"value\":0,\"op\":\"SCMP_CMP_EQ\"") "}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"," ARGS(
			"\"index\":1,\"value\":0,\"op\":\"SCMP_CMP_EQ\"") "}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"," ARGS(
			"\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"") "}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"," ARGS(
			"\"index\":0,\"value\":4294967296,\"op\":\"SCMP_CMP_EQ\"") "}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"," ARGS(
			"\"index\":0,\"value\":0,\"valueTwo\":1,\"op\":\"SCMP_CMP_EQ\"") "}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\"," ARGS(
			"\"index\":0,\"value\":0,\"op\":\"SCMP_CMP_NE\"") "}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\"],"
		"\"action\":\"SCMP_ACT_KILL\"},{\"names\":[\"rmdir\"],\"action\":\"SCMP_ACT_KILL\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"rmdir\"],"
		"\"action\":\"SCMP_ACT_KILL\"},{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_KILL\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdirrmdir\"],"
		"\"action\":\"SCMP_ACT_KILL\"}]}",
	};
	struct strbuf keys[ARRAY_SIZE(profiles)];

	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		keys[i] = (struct strbuf)STRBUF_INIT;
		key_of(profiles[i], &keys[i]);
		for (size_t k = 0; k < i; k++)
			if (same(&keys[i], &keys[k]))
				fail_msg("%s is taken for %s", profiles[i], profiles[k]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
		strbuf_done(&keys[i]);
}

static void where_a_listener_is_sent_does_not_matter(void **state)
{
	cleanup_strbuf struct strbuf plain = STRBUF_INIT;
	cleanup_strbuf struct strbuf listened = STRBUF_INIT;

	key_of("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", &plain);
	key_of("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/run/x\","
	       "\"listenerMetadata\":\"y\"}",
	       &listened);
	assert_true(same(&plain, &listened));
}

/* Of few words, whose pieces make other ones, so that many look alike. */
static void add_word(struct strbuf *sb)
{
	static const char *const words[] = { "a", "b", "ab", "ba", "aba", "" };

	json_quote(sb, words[(size_t)rand() % ARRAY_SIZE(words)]);
}

static void add_words(struct strbuf *sb, const char *name, int least)
{
	int count = least + rand() % 3;

	strbuf_addf(sb, "\"%s\":[", name);
	for (int i = 0; i < count; i++) {
		strbuf_addstr(sb, i ? "," : "");
		add_word(sb);
	}
	strbuf_addstr(sb, "]");
}

static void add_call(struct strbuf *sb)
{
	strbuf_addstr(sb, "{");
	add_words(sb, "names", 1);
	strbuf_addf(sb, ",\"action\":\"%s\"", rand() % 2 ? "SCMP_ACT_ERRNO" : "SCMP_ACT_TRACE");
	if (rand() % 2)
		strbuf_addf(sb, ",\"errnoRet\":%d", rand() % 2);
	if (rand() % 2)
		strbuf_addf(sb,
			    ",\"args\":[{\"index\":%d,\"value\":%d,\"valueTwo\":%d,"
			    "\"op\":\"SCMP_CMP_%s\"}]",
			    rand() % 2, rand() % 2, rand() % 2, rand() % 2 ? "EQ" : "NE");
	strbuf_addstr(sb, "}");
}

static char *random_profile(void)
{
	struct strbuf sb = STRBUF_INIT;
	int count = rand() % 3;

	strbuf_addstr(&sb, "{\"defaultAction\":\"SCMP_ACT_ERRNO\"");
	if (rand() % 2)
		strbuf_addf(&sb, ",\"defaultErrnoRet\":%d", rand() % 2);
	if (rand() % 2) {
		strbuf_addf(&sb, ",\"architectures\":[%s]", rand() % 2 ? "\"SCMP_ARCH_X86\"" : "");
	}
	strbuf_addstr(&sb, ",\"syscalls\":[");
	for (int i = 0; i < count; i++) {
		strbuf_addstr(&sb, i ? "," : "");
		add_call(&sb);
	}
	strbuf_addstr(&sb, "]}");
	return strbuf_steal(&sb);
}

/* What is read from the text, written again: equal for profiles that say the same. */
static char *canonical(const struct oci_config *config)
{
	return oci_config_text(config, false);
}

static void keys_are_equal_only_for_equal_profiles(void **state)
{
	enum { COUNT = 300 };
	static struct strbuf keys[COUNT];
	static char *texts[COUNT];
	size_t equal = 0;

	srand(2);
	for (size_t i = 0; i < COUNT; i++) {
		cleanup_free char *text = random_profile();
		cleanup_oci_config struct oci_config *config = profile_parse(text);

		texts[i] = canonical(config);
		filter_cache_key(config->linux_.seccomp, &keys[i]);
		for (size_t k = 0; k < i; k++) {
			bool is_same = same(&keys[i], &keys[k]);

			if (is_same && !streq(texts[i], texts[k]))
				fail_msg("%s is taken for %s", texts[i], texts[k]);
			equal += is_same;
		}
	}
	assert_true(equal > 0); /* else nothing was tried */
	for (size_t i = 0; i < COUNT; i++) {
		strbuf_done(&keys[i]);
		free(texts[i]);
	}
}

/* --- files --- */

struct shelf {
	char *root;
	char *cache; /* <root>/@cache */
	struct strbuf key;
	struct sock_fprog program;
};

static int make_shelf(void **state)
{
	static struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 39, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	char name[] = "/tmp/moat-filter-XXXXXX";
	struct shelf *s = xcalloc(1, sizeof(*s));

	assert_non_null(mkdtemp(name));
	s->root = xstrdup(name);
	s->cache = xasprintf("%s/@cache", name);
	strbuf_addstr(&s->key, "the profile");
	assert_int_equal(seccomp_program_copy(insns, ARRAY_SIZE(insns), &s->program), 0);
	*state = s;
	return 0;
}

static int remove_shelf(void **state)
{
	struct shelf *s = *state;

	assert_int_equal(remove_tree_at(AT_FDCWD, s->root), 0);
	seccomp_program_done(&s->program);
	strbuf_done(&s->key);
	free(s->cache);
	free(s->root);
	free(s);
	return 0;
}

static int get(const struct shelf *s)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };
	int r = filter_cache_get(s->cache, &s->key, &program);

	if (r == 0) {
		assert_int_equal(program.len, s->program.len);
		assert_memory_equal(program.filter, s->program.filter,
				    program.len * sizeof(*program.filter));
	}
	return r;
}

static int put(const struct shelf *s)
{
	return filter_cache_put(s->cache, &s->key, &s->program);
}

/* The names of the files on the shelf. */
static char **files(const struct shelf *s)
{
	cleanup_free char *path = xasprintf("%s/seccomp", s->cache);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	char **names = NULL;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_REG)
			strv_push(&names, xasprintf("%s/%s", path, entry->d_name));
	return names;
}

static char *only_file(const struct shelf *s)
{
	cleanup_strv char **names = files(s);

	assert_int_equal(strv_len(names), 1);
	return xstrdup(names[0]);
}

static void what_was_put_there_is_found(void **state)
{
	struct shelf *s = *state;
	cleanup_strbuf struct strbuf other = STRBUF_INIT;
	struct sock_fprog program;
	struct stat st;

	assert_int_equal(get(s), -ENOENT);
	assert_int_equal(put(s), 0);
	assert_int_equal(get(s), 0);
	assert_int_equal(stat(s->cache, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	strbuf_addstr(&other, "the profilf");
	assert_int_equal(filter_cache_get(s->cache, &other, &program), -ENOENT);
}

/* As a collision of the names would have it. */
static void a_file_with_another_profile_is_not_used(void **state)
{
	struct shelf *s = *state;
	cleanup_free char *path = NULL;
	cleanup_free char *own = NULL;

	assert_int_equal(put(s), 0);
	own = only_file(s);
	assert_int_equal(unlink(own), 0);
	s->key.buf[0] = 'T';
	assert_int_equal(put(s), 0);
	path = only_file(s);
	assert_int_equal(rename(path, own), 0);
	s->key.buf[0] = 't';
	assert_int_equal(get(s), -ENOENT);
	assert_int_equal(put(s), 0);
	assert_int_equal(get(s), 0);
}

static void damage_is_noticed_wherever_it_is(void **state)
{
	struct shelf *s = *state;
	cleanup_free char *path = NULL;
	cleanup_free char *data = NULL;
	size_t len;

	assert_int_equal(put(s), 0);
	path = only_file(s);
	assert_int_equal(read_file_at(AT_FDCWD, path, 1u << 20, &data, &len), 0);
	for (size_t i = 0; i < len; i++) {
		cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
		char bad = (char)(data[i] ^ 0x40);

		assert_int_equal(pwrite(fd, &bad, 1, (off_t)i), 1);
		assert_true(get(s) < 0);
		assert_int_equal(pwrite(fd, &data[i], 1, (off_t)i), 1);
	}
	assert_int_equal(get(s), 0);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(truncate(path, (off_t)i), 0);
		assert_true(get(s) < 0);
		assert_int_equal(put(s), 0);
	}
	assert_int_equal(get(s), 0);
	assert_int_equal(truncate(path, (off_t)len + 8), 0);
	assert_true(get(s) < 0);
}

/* A sound file whose program the kernel would refuse, or worse. */
static void programs_that_are_none_are_not_used(void **state)
{
	struct shelf *s = *state;

	s->program.filter[1].jt = 200;
	assert_int_equal(put(s), 0);
	assert_int_equal(get(s), -EINVAL);
}

static void what_others_can_write_is_not_read(void **state)
{
	struct shelf *s = *state;
	cleanup_free char *dir = xasprintf("%s/seccomp", s->cache);
	cleanup_free char *path = NULL;

	assert_int_equal(put(s), 0);
	path = only_file(s);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(get(s), -EPERM);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(get(s), -EPERM);
	assert_int_equal(put(s), -EPERM);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(chmod(s->cache, 0720), 0);
	assert_int_equal(get(s), -EPERM);
	assert_int_equal(chmod(s->cache, 0700), 0);
	assert_int_equal(get(s), 0);
}

static void what_belongs_to_others_is_not_read(void **state)
{
	struct shelf *s = *state;
	cleanup_free char *path = NULL;

	if (geteuid() != 0) {
		print_message("skipped: needs root to give files away\n");
		skip();
	}
	assert_int_equal(put(s), 0);
	path = only_file(s);
	assert_int_equal(chown(path, 1000, 1000), 0);
	assert_int_equal(get(s), -EPERM);
	assert_int_equal(put(s), 0);
	assert_int_equal(get(s), 0);
	assert_int_equal(chown(s->cache, 1000, 1000), 0);
	assert_int_equal(get(s), -EPERM);
	assert_int_equal(put(s), -EPERM);
}

static void links_are_not_followed(void **state)
{
	struct shelf *s = *state;
	cleanup_free char *dir = xasprintf("%s/seccomp", s->cache);
	cleanup_free char *aside = xasprintf("%s/aside", s->root);
	cleanup_free char *path = NULL;

	assert_int_equal(put(s), 0);
	path = only_file(s);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(symlink(aside, path), 0);
	assert_int_equal(get(s), -ELOOP);
	assert_int_equal(put(s), 0); /* replaces the link */
	assert_int_equal(get(s), 0);
	assert_int_equal(unlink(aside), 0);
	assert_int_equal(rename(dir, aside), 0);
	assert_int_equal(symlink(aside, dir), 0);
	assert_true(get(s) < 0);
	assert_true(put(s) < 0);
}

static void a_fifo_in_the_place_of_a_file_stops_nobody(void **state)
{
	struct shelf *s = *state;
	cleanup_free char *path = NULL;

	assert_int_equal(put(s), 0);
	path = only_file(s);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(get(s), -EPERM);
}

static void the_oldest_make_room(void **state)
{
	struct shelf *s = *state;

	for (int i = 0; i < FILTER_CACHE_MAX + 5; i++) {
		cleanup_strv char **names = NULL;

		strbuf_addch(&s->key, 'x');
		assert_int_equal(put(s), 0);
		names = files(s);
		assert_true(strv_len(names) <= FILTER_CACHE_MAX);
	}
	assert_int_equal(get(s), 0);
	s->key.buf[--s->key.len] = '\0';
	assert_int_equal(get(s), 0);
	s->key.len = strlen("the profile") + 1;
	assert_int_equal(get(s), -ENOENT);
}

static void giants_are_not_kept(void **state)
{
	struct shelf *s = *state;

	while (s->key.len <= FILTER_CACHE_KEY_MAX)
		strbuf_addstr(&s->key, "0123456789abcdef");
	assert_int_equal(put(s), -E2BIG);
	assert_int_equal(get(s), -ENOENT);
}

#define SHELVED(test) cmocka_unit_test_setup_teardown(test, make_shelf, remove_shelf)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_that_differ_in_one_thing_have_different_keys),
		cmocka_unit_test(where_a_listener_is_sent_does_not_matter),
		cmocka_unit_test(keys_are_equal_only_for_equal_profiles),
		SHELVED(what_was_put_there_is_found),
		SHELVED(a_file_with_another_profile_is_not_used),
		SHELVED(damage_is_noticed_wherever_it_is),
		SHELVED(programs_that_are_none_are_not_used),
		SHELVED(what_others_can_write_is_not_read),
		SHELVED(what_belongs_to_others_is_not_read),
		SHELVED(links_are_not_followed),
		SHELVED(a_fifo_in_the_place_of_a_file_stops_nobody),
		SHELVED(the_oldest_make_room),
		SHELVED(giants_are_not_kept),
	};

	return cmocka_run_group_tests_name("filter-cache", tests, NULL, NULL);
}

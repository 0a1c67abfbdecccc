/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/sandbox/template-store.h"

/* A store in a directory of the test's own, whose templates are of three files there. */
struct place {
	char dir[32];
	char *store, *kernel;
};

static void write_file(const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

static void arrive(struct place *p)
{
	strcpy(p->dir, "/tmp/moat-test-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->store = xasprintf("%s/store", p->dir);
	p->kernel = xasprintf("%s/kernel", p->dir);
	write_file(p->kernel, "kernel");
}

static void leave(struct place *p)
{
	assert_int_equal(remove_tree_at(AT_FDCWD, p->dir), 0);
	free(p->store);
	free(p->kernel);
}

static void describe(const struct place *p, uint32_t memory_mib, struct template_info *ret)
{
	*ret = (struct template_info){
		.memory_mib = memory_mib,
		.vcpus = 1,
		.accelerator = xstrdup("tcg"),
		.hypervisor = xstrdup("/proc/self/exe"),
		.kernel = xstrdup(p->kernel),
		.command = strv_copy((char *[]){ (char *)"qemu", (char *)"-M", NULL }),
	};
	assert_int_equal(template_info_complete(ret, HV_ACCEL_TCG, NULL), 0);
}

static void make(const struct place *p, const struct template_info *info)
{
	struct template_draft draft;

	assert_int_equal(template_begin(p->store, info, true, &draft, NULL), 0);
	assert_int_equal(write_all(draft.state_fd, "state", 5), 0);
	assert_int_equal(pwrite(draft.memory.fd, "m", 1, 4096), 1);
	assert_int_equal(template_commit(&draft, info, NULL), 0);
	template_abandon(&draft);
}

static int try_open(const struct place *p, const struct template_info *info, struct error *err)
{
	struct template t;
	int r = template_open(p->store, info, &t, err);

	if (r == 0)
		template_close(&t);
	return r;
}

static size_t count_entries(const struct place *p)
{
	cleanup_dir DIR *dir = opendir(p->store);
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	return count - 2;
}

static void one_that_was_made_is_opened_with_what_was_written(void **state)
{
	cleanup_template_info struct template_info info;
	struct template t;
	struct place p;
	struct stat st;
	char text[8] = "";

	arrive(&p);
	describe(&p, 2, &info);
	assert_int_equal(try_open(&p, &info, NULL), -ENOENT);
	make(&p, &info);
	assert_int_equal(template_open(p.store, &info, &t, NULL), 0);
	assert_true(t.memory.is_private);
	assert_int_equal(pread(t.memory.fd, text, 1, 4096), 1);
	assert_int_equal(read(t.state_fd, text, sizeof(text)), 5);
	assert_string_equal(text, "state");
	assert_int_equal(fstat(t.memory.fd, &st), 0);
	assert_int_equal(st.st_size, 2 << 20);
	assert_int_equal(st.st_mode & 0777, 0600);
	template_close(&t);
	assert_int_equal(count_entries(&p), 1);
	leave(&p);
}

static void another_shape_has_another_name_and_another_kernel_makes_it_stale(void **state)
{
	cleanup_template_info struct template_info info, other, newer;
	struct error err = ERROR_INIT;
	struct place p;

	arrive(&p);
	describe(&p, 2, &info);
	describe(&p, 3, &other);
	make(&p, &info);
	assert_string_not_equal(info.name, other.name);
	assert_int_equal(try_open(&p, &other, NULL), -ENOENT);
	write_file(p.kernel, "another kernel");
	describe(&p, 2, &newer);
	assert_string_equal(info.name, newer.name);
	assert_int_equal(try_open(&p, &newer, &err), -ESTALE);
	assert_non_null(strstr(err.msg, "made of something else than there is now"));
	make(&p, &newer);
	assert_int_equal(try_open(&p, &newer, NULL), 0);
	assert_int_equal(count_entries(&p), 1);
	leave(&p);
}

/* Whoever changes them, and whatever of them. */
static void files_that_were_changed_are_not_used(void **state)
{
	static const char *const names[] = { "memory", "state", "template.json" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_template_info struct template_info info;
		cleanup_free char *path = NULL;
		cleanup_fd int fd = -1;
		struct place p;

		arrive(&p);
		describe(&p, 2, &info);
		make(&p, &info);
		path = xasprintf("%s/%s/%s", p.store, info.name, names[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		assert_int_equal(pwrite(fd, "x", 1, 2), 1);
		assert_true(try_open(&p, &info, NULL) < 0);
		leave(&p);
	}
}

static void what_others_may_write_to_is_not_used(void **state)
{
	cleanup_template_info struct template_info info;
	cleanup_free char *memory = NULL;
	struct error err = ERROR_INIT;
	struct place p;

	arrive(&p);
	describe(&p, 2, &info);
	make(&p, &info);
	memory = xasprintf("%s/%s/memory", p.store, info.name);
	assert_int_equal(chmod(memory, 0640), 0);
	assert_int_equal(try_open(&p, &info, NULL), -EPERM);
	assert_int_equal(chmod(memory, 0600), 0);
	assert_int_equal(try_open(&p, &info, NULL), 0);
	assert_int_equal(chmod(p.store, 0775), 0);
	assert_int_equal(try_open(&p, &info, &err), -EPERM);
	assert_non_null(strstr(err.msg, "others may write to it"));
	leave(&p);
}

static void a_good_one_is_not_made_again_unless_asked_for(void **state)
{
	cleanup_template_info struct template_info info;
	struct template_draft draft;
	struct place p;

	arrive(&p);
	describe(&p, 2, &info);
	make(&p, &info);
	assert_int_equal(template_begin(p.store, &info, false, &draft, NULL), 1);
	assert_int_equal(count_entries(&p), 1);
	assert_int_equal(template_begin(p.store, &info, true, &draft, NULL), 0);
	assert_int_equal(try_open(&p, &info, NULL), 0);
	template_abandon(&draft);
	assert_int_equal(try_open(&p, &info, NULL), 0);
	assert_int_equal(count_entries(&p), 1);
	leave(&p);
}

/* A draft whose maker is gone, as kill -9 leaves it, and one whose maker works on it. */
static void rests_are_cleared_away_and_work_is_not(void **state)
{
	cleanup_template_info struct template_info info, other;
	cleanup_free char *rest = NULL, *file = NULL, *gone = NULL;
	struct template_info *infos;
	struct template_draft draft;
	struct place p;
	size_t count;

	arrive(&p);
	describe(&p, 2, &info);
	describe(&p, 3, &other);
	assert_int_equal(template_begin(p.store, &info, false, &draft, NULL), 0);
	rest = xasprintf("%s/.%s.part", p.store, other.name);
	file = xasprintf("%s/memory", rest);
	gone = xasprintf("%s/.x.7.gone", p.store);
	assert_int_equal(mkdir(rest, 0700), 0);
	write_file(file, "rest");
	assert_int_equal(mkdir(gone, 0700), 0);
	assert_int_equal(template_list(p.store, &infos, &count, NULL), 0);
	assert_int_equal(count, 0);
	template_list_free(infos, count);
	assert_int_equal(access(rest, F_OK), -1);
	assert_int_equal(access(gone, F_OK), -1);
	assert_int_equal(access(draft.dir, F_OK), 0);
	template_abandon(&draft);
	assert_int_equal(count_entries(&p), 0);

	/* Nor does a rest stand in the way of the next. */
	assert_int_equal(mkdir(rest, 0700), 0);
	write_file(file, "rest");
	make(&p, &other);
	assert_int_equal(try_open(&p, &other, NULL), 0);
	leave(&p);
}

static void a_list_says_what_is_wrong_with_each(void **state)
{
	cleanup_template_info struct template_info good, bad;
	cleanup_free char *manifest = NULL;
	struct template_info *infos;
	struct place p;
	size_t count;

	arrive(&p);
	assert_int_equal(template_list(p.store, &infos, &count, NULL), 0);
	assert_int_equal(count, 0);
	describe(&p, 2, &good);
	describe(&p, 3, &bad);
	make(&p, &good);
	make(&p, &bad);
	manifest = xasprintf("%s/%s/template.json", p.store, bad.name);
	write_file(manifest, "{ nonsense");
	assert_int_equal(template_list(p.store, &infos, &count, NULL), 0);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++)
		if (streq(infos[i].name, bad.name))
			assert_string_equal(infos[i].problem, "damaged");
		else
			assert_null(infos[i].problem);
	template_list_free(infos, count);
	write_file(p.kernel, "another kernel");
	assert_int_equal(template_list(p.store, &infos, &count, NULL), 0);
	for (size_t i = 0; i < count; i++)
		if (streq(infos[i].name, good.name))
			assert_string_equal(infos[i].problem, "stale");
	template_list_free(infos, count);
	assert_int_equal(template_remove(p.store, bad.name, NULL), 0);
	assert_int_equal(template_remove(p.store, bad.name, NULL), -ENOENT);
	assert_int_equal(template_remove(p.store, "..", NULL), -EINVAL);
	assert_int_equal(count_entries(&p), 1);
	leave(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_was_made_is_opened_with_what_was_written),
		cmocka_unit_test(another_shape_has_another_name_and_another_kernel_makes_it_stale),
		cmocka_unit_test(files_that_were_changed_are_not_used),
		cmocka_unit_test(what_others_may_write_to_is_not_used),
		cmocka_unit_test(a_good_one_is_not_made_again_unless_asked_for),
		cmocka_unit_test(rests_are_cleared_away_and_work_is_not),
		cmocka_unit_test(a_list_says_what_is_wrong_with_each),
	};

	return cmocka_run_group_tests_name("sandbox-template-store", tests, NULL, NULL);
}

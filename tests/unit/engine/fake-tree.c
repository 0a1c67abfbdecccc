/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/fake-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"

void fake_tree_new(struct fake_tree *tree)
{
	char path[] = "/tmp/moat-fake-XXXXXX";

	assert_non_null(mkdtemp(path));
	tree->dir = xstrdup(path);
}

void fake_tree_done(struct fake_tree *tree)
{
	assert_int_equal(remove_tree_at(AT_FDCWD, tree->dir), 0);
	free(tree->dir);
	tree->dir = NULL;
}

static char *path_in(const struct fake_tree *tree, const char *path)
{
	return xasprintf("%s/%s", tree->dir, path);
}

void fake_dir(const struct fake_tree *tree, const char *path)
{
	cleanup_free char *whole = path_in(tree, path);

	assert_int_equal(mkdir_parents(whole, 0755), 0);
}

void fake_file(const struct fake_tree *tree, const char *path, const char *text)
{
	cleanup_free char *whole = path_in(tree, path);
	char *slash = strrchr(whole, '/');
	cleanup_fd int fd = -1;

	*slash = '\0';
	assert_int_equal(mkdir_parents(whole, 0755), 0);
	*slash = '/';
	fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

char *fake_read(const struct fake_tree *tree, const char *path)
{
	cleanup_free char *whole = path_in(tree, path);
	char *text = NULL;

	(void)read_file_at(AT_FDCWD, whole, 1u << 20, &text, NULL);
	return text;
}

struct cgroup *fake_cgroup(const struct fake_tree *tree, const char *path,
			   const char *const *hierarchies)
{
	struct cgroupfs_mount *mounts = NULL;
	size_t count = 0;
	struct stat st;

	assert_int_equal(stat(tree->dir, &st), 0);
	for (; hierarchies[count]; count++) {
		const char *name = hierarchies[count];

		fake_dir(tree, name);
		mounts = xrealloc(mounts, count + 1, sizeof(*mounts));
		mounts[count] = (struct cgroupfs_mount){
			.mount_point = path_in(tree, name),
			.root = xstrdup("/"),
			.options = strv_split(name, ','),
			.dev = st.st_dev,
			.is_v2 = streq(name, "unified"),
		};
	}
	return cgroup_new(path, mounts, count);
}

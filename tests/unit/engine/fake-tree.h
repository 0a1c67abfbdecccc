/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct cgroup;

/*
 * A directory of the test's own that looks like a kernel's file system: for what this machine's
 * kernel does not show. Everything fails the test by itself.
 */
struct fake_tree {
	char *dir;
};

void fake_tree_new(struct fake_tree *tree);
void fake_tree_done(struct fake_tree *tree);

/* Makes or replaces a file, with the directories above it. */
void fake_file(const struct fake_tree *tree, const char *path, const char *text);
void fake_dir(const struct fake_tree *tree, const char *path);
/* The content; NULL: there is no such file. free(3) it. */
char *fake_read(const struct fake_tree *tree, const char *path);

/* A cgroup on hierarchies below the tree: "unified" is v2's, all others are v1's and named by their
 * controllers ("cpu,cpuacct"). NULL ends them. cgroup_free() it. */
struct cgroup *fake_cgroup(const struct fake_tree *tree, const char *path,
			   const char *const *hierarchies);

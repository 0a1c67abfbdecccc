/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/mount-plan.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/path.h"
#include "lib/base/str.h"

/* clang-format off */
enum word_kind {
	WORD_NOTHING,     /* accepted, without an effect on mounts made by descriptor */
	WORD_SET,         /* attribute of this mount */
	WORD_CLEAR,
	WORD_SET_ALL,     /* attribute of this mount and those below */
	WORD_CLEAR_ALL,
	WORD_ATIME,       /* one of a group, so the others are cleared */
	WORD_ATIME_ALL,
	WORD_SB_SET,      /* flag of the file system */
	WORD_SB_CLEAR,
	WORD_PROPAGATION,
	WORD_PROPAGATION_ALL,
	WORD_BIND,
	WORD_RBIND,
	WORD_REMOUNT,
	WORD_COPY_UP,
	WORD_LINK,        /* what a symbolic link as source or destination means */
};

struct word {
	const char *name;
	enum word_kind kind;
	uint64_t value;
};

/* Sorted by name. */
static const struct word words[] = {
	{ "async",          WORD_SB_CLEAR,        MS_SYNCHRONOUS },
	{ "atime",          WORD_ATIME,           MOUNT_ATTR_RELATIME },
	{ "bind",           WORD_BIND,            0 },
	{ "copy-symlink",   WORD_LINK,            MOUNT_LINK_COPIED },
	{ "defaults",       WORD_NOTHING,         0 },
	{ "dest-nofollow",  WORD_LINK,            MOUNT_LINK_COVERED },
	{ "dev",            WORD_CLEAR,           MOUNT_ATTR_NODEV },
	{ "diratime",       WORD_CLEAR,           MOUNT_ATTR_NODIRATIME },
	{ "dirsync",        WORD_SB_SET,          MS_DIRSYNC },
	{ "exec",           WORD_CLEAR,           MOUNT_ATTR_NOEXEC },
	{ "idmap",          WORD_NOTHING,         0 }, /* these two: see mount-idmap.h */
	{ "iversion",       WORD_SB_SET,          MS_I_VERSION },
	{ "lazytime",       WORD_SB_SET,          MS_LAZYTIME },
	{ "loud",           WORD_NOTHING,         0 },
	{ "mand",           WORD_SB_SET,          MS_MANDLOCK },
	{ "noatime",        WORD_ATIME,           MOUNT_ATTR_NOATIME },
	{ "nodev",          WORD_SET,             MOUNT_ATTR_NODEV },
	{ "nodiratime",     WORD_SET,             MOUNT_ATTR_NODIRATIME },
	{ "noexec",         WORD_SET,             MOUNT_ATTR_NOEXEC },
	{ "noiversion",     WORD_SB_CLEAR,        MS_I_VERSION },
	{ "nolazytime",     WORD_SB_CLEAR,        MS_LAZYTIME },
	{ "nomand",         WORD_SB_CLEAR,        MS_MANDLOCK },
	{ "norelatime",     WORD_NOTHING,         0 },
	{ "nostrictatime",  WORD_NOTHING,         0 },
	{ "nosuid",         WORD_SET,             MOUNT_ATTR_NOSUID },
	{ "nosymfollow",    WORD_SET,             MOUNT_ATTR_NOSYMFOLLOW },
	{ "private",        WORD_PROPAGATION,     MS_PRIVATE },
	{ "rasync",         WORD_SB_CLEAR,        MS_SYNCHRONOUS },
	{ "ratime",         WORD_ATIME_ALL,       MOUNT_ATTR_RELATIME },
	{ "rbind",          WORD_RBIND,           0 },
	{ "rdev",           WORD_CLEAR_ALL,       MOUNT_ATTR_NODEV },
	{ "rdiratime",      WORD_CLEAR_ALL,       MOUNT_ATTR_NODIRATIME },
	{ "rdirsync",       WORD_SB_SET,          MS_DIRSYNC },
	{ "relatime",       WORD_ATIME,           MOUNT_ATTR_RELATIME },
	{ "remount",        WORD_REMOUNT,         0 },
	{ "rexec",          WORD_CLEAR_ALL,       MOUNT_ATTR_NOEXEC },
	{ "ridmap",         WORD_NOTHING,         0 },
	{ "rmand",          WORD_SB_SET,          MS_MANDLOCK },
	{ "rnoatime",       WORD_ATIME_ALL,       MOUNT_ATTR_NOATIME },
	{ "rnodev",         WORD_SET_ALL,         MOUNT_ATTR_NODEV },
	{ "rnodiratime",    WORD_SET_ALL,         MOUNT_ATTR_NODIRATIME },
	{ "rnoexec",        WORD_SET_ALL,         MOUNT_ATTR_NOEXEC },
	{ "rnomand",        WORD_SB_CLEAR,        MS_MANDLOCK },
	{ "rnorelatime",    WORD_NOTHING,         0 },
	{ "rnostrictatime", WORD_NOTHING,         0 },
	{ "rnosuid",        WORD_SET_ALL,         MOUNT_ATTR_NOSUID },
	{ "rnosymfollow",   WORD_SET_ALL,         MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro",             WORD_SET,             MOUNT_ATTR_RDONLY },
	{ "rprivate",       WORD_PROPAGATION_ALL, MS_PRIVATE },
	{ "rrelatime",      WORD_ATIME_ALL,       MOUNT_ATTR_RELATIME },
	{ "rro",            WORD_SET_ALL,         MOUNT_ATTR_RDONLY },
	{ "rrw",            WORD_CLEAR_ALL,       MOUNT_ATTR_RDONLY },
	{ "rshared",        WORD_PROPAGATION_ALL, MS_SHARED },
	{ "rslave",         WORD_PROPAGATION_ALL, MS_SLAVE },
	{ "rstrictatime",   WORD_ATIME_ALL,       MOUNT_ATTR_STRICTATIME },
	{ "rsuid",          WORD_CLEAR_ALL,       MOUNT_ATTR_NOSUID },
	{ "rsymfollow",     WORD_CLEAR_ALL,       MOUNT_ATTR_NOSYMFOLLOW },
	{ "rsync",          WORD_SB_SET,          MS_SYNCHRONOUS },
	{ "runbindable",    WORD_PROPAGATION_ALL, MS_UNBINDABLE },
	{ "rw",             WORD_CLEAR,           MOUNT_ATTR_RDONLY },
	{ "shared",         WORD_PROPAGATION,     MS_SHARED },
	{ "silent",         WORD_NOTHING,         0 },
	{ "slave",          WORD_PROPAGATION,     MS_SLAVE },
	{ "src-nofollow",   WORD_LINK,            MOUNT_LINK_SOURCE },
	{ "strictatime",    WORD_ATIME,           MOUNT_ATTR_STRICTATIME },
	{ "suid",           WORD_CLEAR,           MOUNT_ATTR_NOSUID },
	{ "symfollow",      WORD_CLEAR,           MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync",           WORD_SB_SET,          MS_SYNCHRONOUS },
	{ "tmpcopyup",      WORD_COPY_UP,         0 },
	{ "unbindable",     WORD_PROPAGATION,     MS_UNBINDABLE },
};

static const struct {
	const char *type;
	enum mount_kind kind;
	bool has_device; /* "ro" must reach the file system, which would write to its device else */
} types[] = {
	{ "cgroup",  MOUNT_CGROUP, false },
	{ "cgroup2", MOUNT_CGROUP, false },
	{ "devpts",  MOUNT_FS,     false },
	{ "mqueue",  MOUNT_FS,     false },
	{ "proc",    MOUNT_KERNEL, false },
	{ "sysfs",   MOUNT_KERNEL, false },
	{ "tmpfs",   MOUNT_TMPFS,  false },
};
/* clang-format on */

static int compare_word(const void *key, const void *entry)
{
	return strcmp(key, ((const struct word *)entry)->name);
}

static const struct word *find_word(const char *name)
{
	return bsearch(name, words, ARRAY_SIZE(words), sizeof(words[0]), compare_word);
}

/* A later word wins over an earlier one that says the opposite. */
static void set_attr(struct mount_change *change, uint64_t attr)
{
	change->set |= attr;
	change->clear &= ~attr;
}

static void clear_attr(struct mount_change *change, uint64_t attr)
{
	change->clear |= attr;
	change->set &= ~attr;
}

static void set_atime(struct mount_change *change, uint64_t mode)
{
	change->clear |= MOUNT_ATTR__ATIME;
	change->set = (change->set & ~(uint64_t)MOUNT_ATTR__ATIME) | mode;
}

static void apply_word(struct mount_plan *plan, const struct word *word)
{
	switch (word->kind) {
	case WORD_NOTHING:
		break;
	case WORD_SET:
		set_attr(&plan->change, word->value);
		break;
	case WORD_CLEAR:
		clear_attr(&plan->change, word->value);
		break;
	case WORD_SET_ALL:
		set_attr(&plan->recursive, word->value);
		break;
	case WORD_CLEAR_ALL:
		clear_attr(&plan->recursive, word->value);
		break;
	case WORD_ATIME:
		set_atime(&plan->change, word->value);
		break;
	case WORD_ATIME_ALL:
		set_atime(&plan->recursive, word->value);
		break;
	case WORD_SB_SET:
		plan->sb_flags |= word->value;
		break;
	case WORD_SB_CLEAR:
		plan->sb_flags &= ~word->value;
		break;
	case WORD_PROPAGATION:
		plan->change.propagation = word->value;
		break;
	case WORD_PROPAGATION_ALL:
		plan->recursive.propagation = word->value;
		break;
	case WORD_BIND:
	case WORD_RBIND:
		/* "bind,remount" changes the flags of a mount that is there, in either order. */
		if (plan->kind != MOUNT_REMOUNT)
			plan->kind = MOUNT_BIND;
		plan->is_recursive |= word->kind == WORD_RBIND;
		break;
	case WORD_REMOUNT:
		plan->kind = MOUNT_REMOUNT;
		break;
	case WORD_COPY_UP:
		plan->copies_up = true;
		break;
	case WORD_LINK:
		plan->links |= (unsigned int)word->value;
		break;
	}
}

static void choose_kind(struct mount_plan *plan)
{
	const char *type = plan->mount->type;

	plan->may_have_device = true;
	plan->kind = MOUNT_FS;
	if (type && (streq(type, "bind") || streq(type, "rbind"))) {
		plan->kind = MOUNT_BIND;
		plan->is_recursive = streq(type, "rbind");
		return;
	}
	for (size_t i = 0; type && i < ARRAY_SIZE(types); i++) {
		if (!streq(type, types[i].type))
			continue;
		plan->kind = types[i].kind;
		plan->may_have_device = types[i].has_device;
	}
}

static int check_plan(const struct mount_plan *plan, struct error *err)
{
	const struct oci_mount *m = plan->mount;

	if (!m->destination || !*m->destination)
		return error_set(err, -EINVAL, "mounts[%zu].destination: missing", plan->index);
	if (mount_is_on_root(m->destination))
		return error_set(err, -EINVAL,
				 "mounts[%zu].destination: '%s' is on the top of rootfs",
				 plan->index, m->destination);
	/* mount(2) does not look at them either, and callers were never told. */
	if (plan->kind == MOUNT_BIND && plan->data)
		log_warning(
			"mounts[%zu].options: '%s': ignored, a bind has no options of a file system",
			plan->index, plan->data[0]);
	if (plan->kind == MOUNT_BIND && (!m->source || !*m->source))
		return error_set(err, -EINVAL, "mounts[%zu].source: missing", plan->index);
	if (plan->kind != MOUNT_BIND && plan->kind != MOUNT_REMOUNT && (!m->type || !*m->type))
		return error_set(err, -EINVAL, "mounts[%zu].type: missing", plan->index);
	if (plan->kind != MOUNT_BIND && plan->idmap.is_wanted)
		return error_set(err, -EINVAL,
				 "mounts[%zu]: id-mapped mounts are only supported for bind-mounts",
				 plan->index);
	if (plan->kind != MOUNT_TMPFS && plan->copies_up)
		return error_set(err, -EINVAL,
				 "mounts[%zu].options: 'tmpcopyup' is only for a tmpfs",
				 plan->index);
	return 0;
}

/* Words become flags; the last of idmap's forms that is given is returned. */
static const char *read_options(struct mount_plan *plan)
{
	const char *idmap = NULL;

	strv_each(option, plan->mount->options) {
		const struct word *word = find_word(option);

		if (mount_idmap_is_option(option)) {
			idmap = option;
			plan->idmap.is_wanted = true;
		} else if (word) {
			apply_word(plan, word);
		} else {
			strv_push(&plan->data, xstrdup(option));
		}
	}
	if (plan->mount->uid_mappings_count || plan->mount->gid_mappings_count)
		plan->idmap.is_wanted = true;
	return idmap;
}

/* Files of a message queue's file system can be labelled, but it takes no option for that; those of
 * proc, sysfs and cgroups have labels of the policy's choice. */
static void add_label(struct mount_plan *plan, const struct mount_context *context)
{
	if (!context->label || (plan->kind != MOUNT_FS && plan->kind != MOUNT_TMPFS))
		return;
	if (streq(plan->mount->type, "mqueue"))
		plan->xattr_label = context->label;
	else
		strv_pushf(&plan->data, "%s=%s", context->label_option, context->label);
}

static void place_read_only(struct mount_plan *plan)
{
	if (!(plan->change.set & MOUNT_ATTR_RDONLY))
		return;
	if (plan->kind == MOUNT_FS && plan->may_have_device)
		plan->sb_flags |= MS_RDONLY;
	if (plan->kind == MOUNT_TMPFS) {
		plan->change.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		plan->is_read_only_late = true;
	}
}

int mount_plan(const struct mount_context *context, const struct oci_mount *mount, size_t index,
	       struct mount_plan *ret, struct error *err)
{
	struct mount_plan plan = { .mount = mount, .index = index };
	const char *idmap;
	int r;

	choose_kind(&plan);
	idmap = read_options(&plan);
	r = check_plan(&plan, err);
	if (r == 0 && plan.idmap.is_wanted)
		r = mount_idmap_plan(mount, idmap, context->linux_, index, &plan.idmap, err);
	if (r < 0) {
		mount_plan_done(&plan);
		return r;
	}
	add_label(&plan, context);
	place_read_only(&plan);
	*ret = plan;
	return 0;
}

void mount_plan_done(struct mount_plan *plan)
{
	mount_idmap_done(&plan->idmap);
	strv_free(plan->data);
	plan->data = NULL;
}

/* clang-format off */
static const struct {
	const char *name;
	struct propagation_plan plan;
} propagations[] = {
	{ "private",     { MS_PRIVATE, 0,             false } },
	{ "rprivate",    { MS_PRIVATE, 0,             false } },
	{ "slave",       { MS_SLAVE,   0,             false } },
	{ "rslave",      { MS_SLAVE,   0,             false } },
	{ "shared",      { 0,          MS_SHARED,     false } },
	{ "rshared",     { 0,          MS_SHARED,     true } },
	{ "unbindable",  { MS_PRIVATE, MS_UNBINDABLE, false } },
	{ "runbindable", { MS_PRIVATE, MS_UNBINDABLE, true } },
};
/* clang-format on */

int propagation_plan(const char *rootfs_propagation, struct propagation_plan *ret,
		     struct error *err)
{
	const char *name = rootfs_propagation ? rootfs_propagation : "rprivate";

	for (size_t i = 0; i < ARRAY_SIZE(propagations); i++) {
		if (!streq(propagations[i].name, name))
			continue;
		*ret = propagations[i].plan;
		return 0;
	}
	return error_set(err, -EINVAL, "linux.rootfsPropagation: unknown value '%s'", name);
}

bool mount_is_on_root(const char *destination)
{
	cleanup_free char *clean = path_clean(destination);

	return streq(clean, "/");
}

const char *const *mount_option_words(void)
{
	static const char *list[ARRAY_SIZE(words) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		list[n++] = words[i].name;
	list[n] = NULL;
	return list;
}

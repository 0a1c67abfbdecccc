/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/mount.h>

#include "agent/server/server-internal.h"
#include "lib/base/str.h"

/* clang-format off */
static const struct {
	const char *name;
	unsigned long set;
	unsigned long clear;
} flags[] = {
	{ "ro", MS_RDONLY, 0 },            { "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },        { "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },          { "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },        { "exec", 0, MS_NOEXEC },
	{ "noatime", MS_NOATIME, 0 },      { "atime", 0, MS_NOATIME },
	{ "relatime", MS_RELATIME, 0 },    { "norelatime", 0, MS_RELATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },{ "diratime", 0, MS_NODIRATIME },
	{ "strictatime", MS_STRICTATIME, 0 }, { "lazytime", MS_LAZYTIME, 0 },
	{ "sync", MS_SYNCHRONOUS, 0 },     { "async", 0, MS_SYNCHRONOUS },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "bind", MS_BIND, 0 },            { "rbind", MS_BIND | MS_REC, 0 },
	{ "defaults", 0, 0 },
};

/* For the agent itself, not for a file system. */
static const char *const own_prefixes[] = { "fsgid=", "io.katacontainers.", "X-kata." };
/* clang-format on */

static bool take_flag(const char *option, unsigned long *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!streq(flags[i].name, option))
			continue;
		*ret = (*ret & ~flags[i].clear) | flags[i].set;
		return true;
	}
	return false;
}

static bool is_own(const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_prefixes); i++)
		if (str_after(option, own_prefixes[i]))
			return true;
	return false;
}

void mount_options_plan(char *const *options, size_t count, struct mount_options *ret)
{
	cleanup_strbuf struct strbuf data = STRBUF_INIT;

	ret->flags = 0;
	for (size_t i = 0; i < count; i++) {
		if (is_own(options[i]) || take_flag(options[i], &ret->flags))
			continue;
		if (data.len)
			strbuf_addch(&data, ',');
		strbuf_addstr(&data, options[i]);
	}
	ret->data = strbuf_steal(&data);
}

void mount_options_done(struct mount_options *options)
{
	free(options->data);
}

const char *mount_option_value(char *const *options, size_t count, const char *prefix)
{
	const char *ret = NULL;

	for (size_t i = 0; i < count; i++) {
		const char *value = str_after(options[i], prefix);

		if (value)
			ret = value;
	}
	return ret;
}

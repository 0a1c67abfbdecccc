/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/caller.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

#define CMDLINE_MAX (1u << 20)

/* conmon(8): both directories get the file; podman looks into the second since its version 5, into
 * the first before, as CRI-O does. */
static const char *const dir_options[] = { "-b", "--bundle", "--persist-dir" };

static char **split(const char *cmdline, size_t len)
{
	char **words = NULL;

	for (const char *p = cmdline; p < cmdline + len; p += strlen(p) + 1)
		strv_push(&words, xstrndup(p, (size_t)(cmdline + len - p)));
	return words;
}

static bool is_conmon(const char *program)
{
	const char *slash = strrchr(program, '/');

	return str_after(slash ? slash + 1 : program, "conmon") != NULL;
}

/* The directory in "OPTION=VALUE", or in the word behind "OPTION"; NULL: another word. */
static const char *find_dir(const char *word, const char *next)
{
	for (size_t i = 0; i < ARRAY_SIZE(dir_options); i++) {
		const char *rest = str_after(word, dir_options[i]);

		if (rest && !*rest)
			return next;
		if (rest && *rest == '=')
			return rest + 1;
	}
	return NULL;
}

char **caller_oom_dirs_parse(const char *cmdline, size_t len)
{
	cleanup_strv char **words = split(cmdline, len);
	char **dirs = NULL;

	if (!words || !is_conmon(words[0]))
		return NULL;
	for (char **word = words + 1; *word; word++) {
		const char *dir = find_dir(*word, word[1]);

		if (dir && *dir == '/' && !strv_has(dirs, dir))
			strv_push(&dirs, xstrdup(dir));
	}
	return dirs;
}

char **caller_oom_dirs(void)
{
	cleanup_free char *path = xasprintf("/proc/%d/cmdline", (int)getppid());
	cleanup_free char *cmdline = NULL;
	size_t len;

	if (read_file_at(AT_FDCWD, path, CMDLINE_MAX, &cmdline, &len) < 0)
		return NULL;
	return caller_oom_dirs_parse(cmdline, len);
}

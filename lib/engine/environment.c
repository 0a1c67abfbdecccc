/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define PASSWD_MAX_BYTES (1u << 20)

/* Length of the name with its '='. */
static size_t name_length(const char *entry)
{
	return strcspn(entry, "=") + 1;
}

static char **find_slot(char **env, const char *entry)
{
	for (char **slot = env; slot && *slot; slot++)
		if (strncmp(*slot, entry, name_length(entry)) == 0)
			return slot;
	return NULL;
}

static void put(char ***env, char *owned)
{
	char **slot = find_slot(*env, owned);

	if (!slot) {
		strv_push(env, owned);
		return;
	}
	free(*slot);
	*slot = owned;
}

int environment_plan(char *const *env, char ***ret, struct error *err)
{
	cleanup_strv char **planned = xcalloc(1, sizeof(char *));

	strv_each(entry, env) {
		if (!strchr(entry, '='))
			return error_set(err, -EINVAL,
					 "invalid environment variable: missing '=': '%s'", entry);
		if (*entry == '=')
			return error_set(err, -EINVAL,
					 "invalid environment variable: name cannot be empty: '%s'",
					 entry);
		put(&planned, xstrdup(entry));
	}
	*ret = steal_ptr(&planned);
	return 0;
}

const char *environment_get(char *const *env, const char *name)
{
	size_t len = strlen(name);

	strv_each(entry, env)
		if (strncmp(entry, name, len) == 0 && entry[len] == '=')
			return entry + len + 1;
	return NULL;
}

static char *find_field(const char *passwd, uid_t uid, size_t index)
{
	cleanup_strv char **lines = strv_split(passwd, '\n');

	strv_each(line, lines) {
		cleanup_strv char **fields = strv_split(line, ':');
		uint32_t number;

		if (strv_len(fields) == 7 && parse_u32(fields[2], &number) == 0 && number == uid)
			return xstrdup(fields[index]);
	}
	return NULL;
}

char *environment_find_home(const char *passwd, uid_t uid)
{
	cleanup_free char *home = find_field(passwd, uid, 5);

	return home && *home == '/' ? steal_ptr(&home) : NULL;
}

char *environment_find_name(const char *passwd, uid_t uid)
{
	return find_field(passwd, uid, 0);
}

/* It may be a FIFO or a device, which must neither block nor do anything when opened. */
static char *read_passwd(void)
{
	cleanup_fd int fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PASSWD_MAX_BYTES)
		return NULL;
	text = xcalloc(1, (size_t)st.st_size + 1);
	if (pread(fd, text, (size_t)st.st_size, 0) < 0)
		return NULL;
	return steal_ptr(&text);
}

void environment_add_home(char ***env, uid_t uid)
{
	const char *given = environment_get(*env, "HOME");
	cleanup_free char *passwd = NULL;
	cleanup_free char *home = NULL;

	if (given && *given)
		return;
	passwd = read_passwd();
	if (passwd)
		home = environment_find_home(passwd, uid);
	put(env, xasprintf("HOME=%s", home ? home : "/"));
}

void environment_add_listen(char ***env, unsigned int count, const char *names)
{
	if (!count)
		return;
	put(env, xasprintf("LISTEN_FDS=%u", count));
	put(env, xasprintf("LISTEN_PID=%d", (int)getpid()));
	if (names)
		put(env, xasprintf("LISTEN_FDNAMES=%s", names));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/virtiofsd.h"

#include <errno.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "hypervisor/spawn.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

static void add_rust_options(char ***argv, const char *shared_dir)
{
	strv_pushf(argv, "--shared-dir=%s", shared_dir);
	strv_push(argv, xstrdup("--cache=auto"));
	strv_push(argv, xstrdup("--sandbox=namespace"));
	strv_push(argv, xstrdup("--announce-submounts"));
}

static void add_c_options(char ***argv, const char *shared_dir)
{
	strv_push(argv, xstrdup("-f"));
	strv_push(argv, xstrdup("-o"));
	strv_pushf(argv, "source=%s", shared_dir);
	strv_push(argv, xstrdup("-o"));
	strv_push(argv, xstrdup("cache=auto,sandbox=namespace,announce_submounts,xattr"));
}

static int plan(const char *shared_dir, int listen_fd, char ***ret, struct error *err)
{
	bool is_rust;
	const char *program = hv_find_virtiofsd("", &is_rust);
	char **argv = NULL;

	if (!program)
		return error_sys(err, ENOENT, "find 'virtiofsd'");
	strv_push(&argv, xstrdup(program));
	strv_pushf(&argv, "--fd=%d", listen_fd);
	if (is_rust)
		add_rust_options(&argv, shared_dir);
	else
		add_c_options(&argv, shared_dir);
	*ret = argv;
	return 0;
}

/* It wants a listening socket and takes one connection. Ours waits in the backlog until it does. */
static int meet(const char *path, int *ret_connected, struct error *err)
{
	int fd = unix_connect(path);
	(void)unlink(path);
	if (fd < 0)
		return error_sys(err, fd, "connect to '%s'", path);
	*ret_connected = fd;
	return 0;
}

int virtiofsd_start(const char *shared_dir, const char *socket_path, int log_fd, struct hv_vm *ret,
		    int *ret_fd, struct error *err)
{
	cleanup_fd int listening = -1, connected = -1;
	cleanup_strv char **argv = NULL;
	int r = 0;

	/* It ends an option of "-o". Ids have none, but the state's root may. */
	if (strchr(shared_dir, ','))
		return error_set(err, -EINVAL, "share '%s': a comma in its path", shared_dir);
	listening = unix_listen(socket_path, 0600);
	if (listening < 0)
		return error_sys(err, listening, "listen on '%s'", socket_path);
	if (ret_fd)
		r = meet(socket_path, &connected, err);
	if (r == 0)
		r = plan(shared_dir, listening, &argv, err);
	if (r == 0)
		r = hv_spawn(argv, &listening, 1, log_fd, ret, err);
	if (r < 0)
		return r;
	if (ret_fd)
		*ret_fd = steal_fd(&connected);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/vm-metrics.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/container/backend.h"
#include "lib/container/vm-agent.h"
#include "lib/linux/process-tree.h"
#include "lib/metrics/guest.h"
#include "lib/metrics/procfs.h"

static int open_process(const char *pid)
{
	cleanup_free char *path = xasprintf("/proc/%s", pid);

	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A shim and a virtiofsd have one thread that starts others. */
static char **read_children(int dirfd, const char *pid)
{
	cleanup_free char *path = xasprintf("task/%s/children", pid);

	return process_children(dirfd, path);
}

/* "PID (NAME) STATE PPID …", where the pid may be another process's by now. */
static char *name_of_child(int dirfd, const char *parent)
{
	cleanup_free char *text = metrics_read(dirfd, "stat");
	char *name = strchr(text, '('), *end = strrchr(text, ')'), *rest = end;
	const char *word = NULL;

	for (int column = 2; rest && column <= 4; column++)
		word = metrics_next_word(&rest);
	if (!name || !word || !streq(word, parent))
		return NULL;
	return xstrndup(name + 1, (size_t)(end - name - 1));
}

/* virtiofsd waits for a process that does its work, in a pid namespace. */
static void add_virtiofsd(struct metrics *m, int dirfd, const char *pid)
{
	cleanup_strv char **children = read_children(dirfd, pid);
	cleanup_fd int worker = children ? open_process(children[0]) : -1;

	metrics_add_process(m, "kata_virtiofsd", "virtiofsd", worker >= 0 ? worker : dirfd);
}

static void add_child(struct metrics *m, const char *pid, const char *shim)
{
	cleanup_fd int dirfd = open_process(pid);
	cleanup_free char *name = dirfd < 0 ? NULL : name_of_child(dirfd, shim);

	if (!name)
		return;
	if (streq(name, "virtiofsd"))
		add_virtiofsd(m, dirfd, pid);
	else
		metrics_add_process(m, "kata_hypervisor", "Hypervisor", dirfd);
}

static bool owns_machine(const struct container *c)
{
	return c->record.sandbox && streq(c->record.sandbox, c->id);
}

void vm_metrics_add_host(const struct container *c, struct metrics *m)
{
	static const struct metrics_family links = {
		"kata_shim_netdev", METRICS_GAUGE,
		"Links of the network namespace that the shim is in: the sandbox's."
	};
	cleanup_free char *pid = xasprintf("%u", c->record.pid);
	cleanup_fd int dirfd = open_process(pid), pidfd = record_pidfd(&c->record);
	cleanup_strv char **children = NULL;

	if (dirfd < 0 || pidfd < 0)
		return;
	metrics_add_process(m, "kata_shim", "Shim", dirfd);
	if (!owns_machine(c))
		return;
	metrics_add_links(m, &links, dirfd, "net/dev");
	children = read_children(dirfd, pid);
	strv_each(child, children)
		add_child(m, child, pid);
}

void vm_metrics_add_guest(const struct container *c, struct metrics *m, bool answers)
{
	static const struct metrics_family up = { "moat_guest_up", METRICS_GAUGE,
						  "Whether the guest's agent answered." };
	struct error err = ERROR_INIT;
	cleanup_free char *text = NULL;

	if (!owns_machine(c))
		return;
	if (answers && vm_agent_metrics(c, &text, &err) < 0)
		log_debug("metrics of '%s': %s", c->id, err.msg);
	if (text)
		(void)metrics_add_guest(m, text); /* a guest may have nothing to say */
	metrics_add_u64(m, &up, NULL, text != NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/vm-sandbox.h"

#include <errno.h>
#include <sched.h>
#include <sys/stat.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/container/backend.h"
#include "lib/linux/netlink.h"
#include "lib/sandbox/member.h"
#include "lib/sandbox/rights.h"
#include "lib/sandbox/sandbox.h"
#include "oci/config.h"

/* A record of a virtual machine's container; false: there is none such. */
static bool read_record(const char *root, const char *id, struct record *ret)
{
	cleanup_state_dir struct state_dir *dir = NULL;

	return state_dir_open(root, id, &dir, NULL) == 0 && record_read(dir, ret, NULL) == 0 &&
	       ret->isolation == ISOLATION_VM && ret->sandbox;
}

/* A name that is no container's of ours is the engine's own affair: podman's pods without an infra
 * container have such names. */
static int find_by_annotation(struct container *c, struct error *err)
{
	const char *wanted = sandbox_wanted(c->id, c->config);
	cleanup_record struct record record = { 0 };
	cleanup_fd int pidfd = -1;

	if (!wanted)
		return 0;
	if (!read_record(c->root, wanted, &record) || !streq(record.sandbox, wanted)) {
		log_debug("sandbox '%s' is none of ours", wanted);
		return 0;
	}
	pidfd = record_pidfd(&record);
	if (pidfd < 0)
		return error_set(err, -ESRCH, "sandbox '%s' has stopped", wanted);
	c->record.sandbox = xstrdup(wanted);
	return 0;
}

static bool is_same_network(const char *path, uint32_t pid)
{
	cleanup_free char *own = xasprintf("/proc/%u/ns/net", pid);
	struct stat a, b;

	return stat(path, &a) == 0 && stat(own, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* Engines know the shim's pid for the container's. Its network is the sandbox's, the rest of its
 * namespaces are not. */
static bool shares_namespace(const struct oci_config *config, const struct record *record)
{
	static const enum oci_namespace_type by_pid[] = { OCI_NS_PID, OCI_NS_IPC, OCI_NS_UTS };
	const struct oci_namespace *net = oci_namespace_find(config, OCI_NS_NETWORK);

	for (size_t i = 0; i < ARRAY_SIZE(by_pid); i++) {
		const struct oci_namespace *ns = oci_namespace_find(config, by_pid[i]);

		if (ns && ns->path && member_pid_in(ns->path) == record->pid)
			return true;
	}
	return net && net->path && is_same_network(net->path, record->pid);
}

static bool names_namespaces(const struct oci_config *config)
{
	for (size_t i = 0; i < config->linux_.namespaces_count; i++)
		if (config->linux_.namespaces[i].path)
			return true;
	return false;
}

static int find_by_namespace(struct container *c, struct error *err)
{
	cleanup_strv char **ids = NULL;
	int r = names_namespaces(c->config) ? state_list(c->root, &ids, err) : 0;

	if (r < 0)
		return r;
	strv_each(id, ids) {
		cleanup_record struct record record = { 0 };
		cleanup_fd int pidfd = -1;

		if (streq(id, c->id) || !read_record(c->root, id, &record))
			continue;
		pidfd = record_pidfd(&record);
		if (pidfd < 0 || !shares_namespace(c->config, &record))
			continue;
		log_debug("joining sandbox '%s', whose namespace it shares", record.sandbox);
		c->record.sandbox = steal_ptr(&record.sandbox);
		return 0;
	}
	return 0;
}

int vm_find_sandbox(struct container *c, struct error *err)
{
	int r = find_by_annotation(c, err);

	return r < 0 || c->record.sandbox ? r : find_by_namespace(c, err);
}

int vm_open_network(const struct container *c)
{
	const int flags = CLONE_NEWNET | (rights_are_missing() ? CLONE_NEWUSER : 0);
	cleanup_fd int pidfd = record_pidfd(&c->record);

	return pidfd < 0 ? pidfd : netlink_open_in(pidfd, flags);
}

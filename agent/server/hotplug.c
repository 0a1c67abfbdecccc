/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/*
 * Processors and memory that the host plugged in are there, but not used before somebody says so.
 * Containers need no new cpuset: on cgroup v2 one that asks for nothing has them all.
 */
#define ATTRIBUTE_MAX 64

static bool is_online(int dirfd, const char *path)
{
	cleanup_free char *text = NULL;

	/* The first processor has no such file: it cannot be taken away. */
	return read_file_at(dirfd, path, ATTRIBUTE_MAX, &text, NULL) < 0 || text[0] != '0';
}

/* "cpu12", not "cpufreq" or "cpuidle". */
static bool is_numbered(const char *name, const char *prefix)
{
	const char *number = str_after(name, prefix);
	uint32_t ignored;

	return number && parse_u32(number, &ignored) == 0;
}

struct online {
	const char *dir;    /* below sysfs */
	const char *prefix; /* of what is in there */
	uint32_t most;	    /* 0: all */
};

static int set_online(const struct agent_server_options *options, const struct online *o,
		      struct error *err)
{
	cleanup_free char *path = xasprintf("%s/%s", server_sys_dir(options), o->dir);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	uint32_t count = 0;

	if (!dir) /* a kernel without hotplug of it */
		return errno == ENOENT ? 0 : error_sys(err, errno, "open '%s'", path);
	while ((!o->most || count < o->most) && (entry = readdir(dir))) {
		cleanup_free char *file = NULL;
		int r;

		if (!is_numbered(entry->d_name, o->prefix))
			continue;
		file = xasprintf("%s/online", entry->d_name);
		if (is_online(dirfd(dir), file))
			continue;
		r = write_file_at(dirfd(dir), file, "1");
		if (r < 0)
			return error_sys(err, r, "bring '%s' up", entry->d_name);
		count++;
	}
	return 0;
}

int hotplug_online(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_OnlineCPUMemRequest *req = request;
	const struct agent_server_options *options = &call->server->options;
	const struct online cpus = { "devices/system/cpu", "cpu", req->nb_cpus };
	const struct online memory = { "devices/system/memory", "memory", 0 };
	int r = options->sys_dir ? 0 : require_guest(call, err);

	if (r == 0 && req->nb_cpus)
		r = set_online(options, &cpus, err);
	if (r == 0 && !req->cpu_only)
		r = set_online(options, &memory, err);
	return r;
}

int hotplug_probe(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_MemHotplugByProbeRequest *req = request;
	const struct agent_server_options *options = &call->server->options;
	cleanup_free char *path =
		xasprintf("%s/devices/system/memory/probe", server_sys_dir(options));
	int r = options->sys_dir ? 0 : require_guest(call, err);

	for (size_t i = 0; i < req->mem_hotplug_probe_addr_count && r == 0; i++) {
		cleanup_free char *text = xasprintf("0x%" PRIx64, req->mem_hotplug_probe_addr[i]);

		r = write_file_at(AT_FDCWD, path, text);
		if (r < 0)
			return error_sys(err, r, "probe memory at %s", text);
	}
	return r;
}

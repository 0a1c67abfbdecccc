/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/uevent.h"

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

/* In @dir below sysfs what is called @prefix and a number, at most @most (0: all). Returns how many
 * that were. */
static int set_online(const struct agent_server_options *options, const char *dir_name,
		      const char *prefix, uint32_t most, struct error *err)
{
	cleanup_free char *path =
		xasprintf("%s/devices/system/%s", server_sys_dir(options), dir_name);
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	uint32_t count = 0;

	if (!dir) /* a kernel without hotplug of it */
		return errno == ENOENT ? 0 : error_sys(err, errno, "open '%s'", path);
	while ((!most || count < most) && (entry = readdir(dir))) {
		cleanup_free char *file = NULL;
		int r;

		if (!is_numbered(entry->d_name, prefix))
			continue;
		file = xasprintf("%s/online", entry->d_name);
		if (is_online(dirfd(dir), file))
			continue;
		r = write_file_at(dirfd(dir), file, "1");
		if (r < 0)
			return error_sys(err, r, "bring '%s' up", entry->d_name);
		count++;
	}
	return (int)count;
}

/* OnlineCPUMem, in a worker: the kernel hears of new processors some time after the host has
 * plugged them in. Of memory nobody says how many pieces come; a host that wants them all lets the
 * kernel bring them up (memhp_default_state=online). */
struct onlining {
	struct agent_server *server;
	uint32_t cpus; /* still to come */
	bool has_memory;
	struct error *err;
	struct rpc_call *calls;
};

static int bring_cpus_up(void *ctx)
{
	struct onlining *o = ctx;
	int r = set_online(&o->server->options, "cpu", "cpu", o->cpus, o->err);

	if (r < 0)
		return r;
	o->cpus -= (uint32_t)r;
	return o->cpus == 0;
}

static int run_online(void *ctx, struct worker_progress *progress, struct worker_result *result)
{
	struct onlining *o = ctx;
	const struct agent_server_options *options = &o->server->options;
	int r = 0;

	o->err = &result->err;
	if (o->cpus)
		r = uevent_wait(bring_cpus_up, o, server_device_timeout_ms(options));
	if (r == -ETIMEDOUT)
		return error_set(&result->err, -ETIME, "%u processors have not come", o->cpus);
	if (r >= 0 && o->has_memory)
		r = set_online(options, "memory", "memory", 0, &result->err);
	return r < 0 ? r : 0;
}

static void drop_online(void *ctx, const struct worker_result *result)
{
	free(ctx);
}

static void finish_online(void *ctx, const struct worker_result *result)
{
	struct onlining *o = ctx;

	rpc_finish_all(&o->calls, &result->err);
	free(o);
}

static const struct worker_task online_task = {
	"online", NULL, run_online, finish_online, drop_online,
};

int hotplug_online(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_OnlineCPUMemRequest *req = request;
	struct onlining *o;
	int r = call->server->options.sys_dir ? 0 : require_guest(call, err);

	if (r < 0)
		return r;
	o = xcalloc(1, sizeof(*o));
	*o = (struct onlining){ call->server, req->nb_cpus, !req->cpu_only, NULL, NULL };
	(void)rpc_wait(call, &o->calls);
	worker_add(call->server, &online_task, o);
	return RPC_LATER;
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

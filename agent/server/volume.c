/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/swap.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* GetVolumeStats */

int volume_stats(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_VolumeStatsRequest *req = request;
	grpc_VolumeStatsResponse *ret = response;
	const char *path = req->volume_guest_path ? req->volume_guest_path : "";
	struct statvfs fs;

	if (statvfs(path, &fs) < 0)
		return error_sys(err, errno, "volume '%.200s'", path);
	ret->usage = xcalloc(2, sizeof(*ret->usage));
	ret->usage_count = 2;
	ret->usage[0] = (grpc_VolumeUsage){
		.available = fs.f_bavail * fs.f_frsize,
		.total = fs.f_blocks * fs.f_frsize,
		.used = (fs.f_blocks - fs.f_bfree) * fs.f_frsize,
		.unit = grpc_VolumeUsage_Unit_BYTES,
	};
	ret->usage[1] = (grpc_VolumeUsage){
		.available = fs.f_favail,
		.total = fs.f_files,
		.used = fs.f_files - fs.f_ffree,
		.unit = grpc_VolumeUsage_Unit_INODES,
	};
	ret->has_volume_condition = true;
	ret->volume_condition.message = xstrdup("OK");
	return 0;
}

/* RemoveStaleVirtiofsShareMounts: a look at each of them lets the host's side forget files that
 * are gone. */

int volume_touch_shares(struct rpc_call *call, const void *request, void *response,
			struct error *err)
{
	cleanup_free char *path =
		xasprintf("%s/shared/containers", server_run_dir(&call->server->options));
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;
	struct stat st;

	if (!dir && errno != ENOENT)
		return error_sys(err, errno, "open '%s'", path);
	while (dir && (entry = readdir(dir)))
		(void)fstatat(dirfd(dir), entry->d_name, &st, 0);
	return 0;
}

/* AddSwap, AddSwapPath: in a worker, since reading a device takes its time. */

struct swap {
	struct agent_server *server;
	char *type; /* of device_find() */
	char *address;
	struct rpc_call *calls;
};

static int run_swap(void *ctx, struct worker_progress *progress, struct worker_result *result)
{
	struct swap *swap = ctx;
	cleanup_free char *node = NULL;
	int r = device_find(&swap->server->options, swap->type, swap->address, &node, &result->err);

	if (r == 0 && swapon(node, 0) < 0)
		r = error_sys(&result->err, errno, "swap on '%s'", node);
	return r;
}

static void drop_swap(void *ctx, const struct worker_result *result)
{
	struct swap *swap = ctx;

	free(swap->type);
	free(swap->address);
	free(swap);
}

static void finish_swap(void *ctx, const struct worker_result *result)
{
	struct swap *swap = ctx;
	const grpc_Empty response = { 0 };

	rpc_end_all(&swap->calls, &result->err, &response);
	drop_swap(swap, result);
}

static const struct worker_task swap_task = { "swap", NULL, run_swap, finish_swap, drop_swap };

static int add_swap(struct rpc_call *call, const char *type, char *address, struct error *err)
{
	struct swap *swap;
	int r = require_guest(call, err);

	if (r < 0) {
		free(address);
		return r;
	}
	swap = xcalloc(1, sizeof(*swap));
	*swap = (struct swap){ call->server, xstrdup(type), address, NULL };
	(void)rpc_wait(call, &swap->calls);
	worker_add(call->server, &swap_task, swap);
	return RPC_LATER;
}

int volume_swap_on(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_AddSwapRequest *req = request;
	struct strbuf path = STRBUF_INIT;

	for (size_t i = 0; i < req->pci_path_count; i++)
		strbuf_addf(&path, "%s%02x", i ? "/" : "", req->pci_path[i]);
	return add_swap(call, "blk", strbuf_steal(&path), err);
}

int volume_swap_on_path(struct rpc_call *call, const void *request, void *response,
			struct error *err)
{
	const grpc_AddSwapPathRequest *req = request;

	if (!req->path || req->path[0] != '/')
		return error_set(err, -EINVAL, "swap on '%.200s': not an absolute path",
				 req->path ? req->path : "");
	return add_swap(call, "mmioblk", xstrdup(req->path), err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define ENTROPY_MAX 4096
#define GRPC_VERSION "0.0.1" /* what Kata's agent calls this protocol */

int guest_check(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	grpc_HealthCheckResponse *resp = response;

	resp->status = grpc_HealthCheckResponse_ServingStatus_SERVING;
	return 0;
}

int guest_version(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	grpc_VersionCheckResponse *resp = response;

	resp->grpc_version = xstrdup(GRPC_VERSION);
	resp->agent_version = xstrdup("moat " MOAT_VERSION);
	return 0;
}

/* The digits that @text begins with; scanf(3) would be a twentieth of the whole program. */
static uint64_t parse_hex(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit;
	uint64_t value = 0;

	for (; *text && (digit = strchr(digits, *text)); text++)
		value = value << 4 | (uint64_t)(digit - digits);
	return value;
}

static uint64_t memory_block_size(void)
{
	cleanup_free char *text = NULL;

	if (read_file_at(AT_FDCWD, "/sys/devices/system/memory/block_size_bytes", 64, &text, NULL) <
	    0)
		return 0; /* a kernel without memory hotplug */
	return parse_hex(text);
}

int guest_details(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_GuestDetailsRequest *req = request;
	grpc_GuestDetailsResponse *resp = response;
	grpc_AgentDetails *details = &resp->agent_details;
	size_t count = strv_len((char *const *)storage_driver_names);

	if (req->mem_block_size)
		resp->mem_block_size_bytes = memory_block_size();
	if (req->mem_hotplug_probe)
		resp->support_mem_hotplug_probe =
			access("/sys/devices/system/memory/probe", F_OK) == 0;
	resp->has_agent_details = true;
	details->version = xstrdup("moat " MOAT_VERSION);
	details->init_daemon = call->server->options.is_guest;
	details->supports_seccomp = true;
	details->storage_handlers = strv_copy((char *const *)storage_driver_names);
	details->storage_handlers_count = (pb_size_t)count;
	details->device_handlers = strv_copy((char *const *)device_type_names);
	details->device_handlers_count = (pb_size_t)strv_len((char *const *)device_type_names);
	return 0;
}

int guest_set_time(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_SetGuestDateTimeRequest *req = request;
	const struct timeval now = { .tv_sec = req->sec, .tv_usec = req->usec };
	int r = require_guest(call, err);

	if (r < 0)
		return r;
	return settimeofday(&now, NULL) < 0 ? error_sys(err, errno, "set time") : 0;
}

/* Credits the host's bytes as entropy and makes the generator start from them at once: guests of
 * one template share their state otherwise. */
static int reseed(const struct agent_bytes *data)
{
	cleanup_fd int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	cleanup_free struct rand_pool_info *info = xcalloc(1, sizeof(*info) + data->size);

	if (fd < 0)
		return -errno;
	info->entropy_count = (int)data->size * 8;
	info->buf_size = (int)data->size;
	memcpy(info->buf, data->data, data->size);
	if (ioctl(fd, RNDADDENTROPY, info) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		return -errno;
	return 0;
}

int guest_reseed(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_ReseedRandomDevRequest *req = request;
	int r = require_guest(call, err);

	if (r < 0)
		return r;
	if (!req->data.size || req->data.size > ENTROPY_MAX)
		return error_set(err, -EINVAL, "reseed: between 1 and %d bytes are needed",
				 ENTROPY_MAX);
	r = reseed(&req->data);
	return r < 0 ? error_sys(err, r, "reseed") : 0;
}

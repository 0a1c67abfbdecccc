/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/cloud-hypervisor/control.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "hypervisor/cloud-hypervisor/answers.h"
#include "hypervisor/cloud-hypervisor/cloud-hypervisor-internal.h"
#include "hypervisor/lend.h"
#include "hypervisor/rest.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* What any process can do to a running Cloud Hypervisor, over REST. */

#define BASE "/api/v1/"
/* A mere ping has taken more than ten seconds on a host that many share. */
#define TIMEOUT_MS 30000
#define LOOK_AGAIN_MS 20

static int tell(const char *control, const char *path, const char *body, struct error *err)
{
	const struct rest_request request = {
		.method = "PUT",
		.path = path,
		.body = body,
		.timeout_ms = TIMEOUT_MS,
		.alive_fd = -1,
	};

	return rest_call(control, &request, NULL, NULL, err);
}

static int ask(const char *control, const char *path, const struct fields *fields, void *result,
	       struct error *err)
{
	const struct rest_request request = {
		.method = "GET",
		.path = path,
		.timeout_ms = TIMEOUT_MS,
		.alive_fd = -1,
	};

	return rest_call(control, &request, fields, result, err);
}

int ch_ping(const char *control, int alive_fd, struct ch_ping *ret, struct error *err)
{
	const struct rest_request request = {
		.method = "GET",
		.path = BASE "vmm.ping",
		.timeout_ms = TIMEOUT_MS,
		.alive_fd = alive_fd,
	};

	return rest_call(control, &request, &ch_ping_answer, ret, err);
}

int ch_pause(const char *control, struct error *err)
{
	return tell(control, BASE "vm.pause", NULL, err);
}

int ch_resume(const char *control, struct error *err)
{
	return tell(control, BASE "vm.resume", NULL, err);
}

int ch_power_down(const char *control, struct error *err)
{
	return tell(control, BASE "vm.power-button", NULL, err);
}

int ch_quit(const char *control, struct error *err)
{
	return tell(control, BASE "vmm.shutdown", NULL, err);
}

/* --- what it is --------------------------------------------------------------------------- */

/* clang-format off */
static const struct hv_state_word states[] = {
	{ "Running", HV_STATE_RUNNING },
	{ "Paused", HV_STATE_PAUSED },
	{ "BreakPoint", HV_STATE_PAUSED },
	{ "Created", HV_STATE_PAUSED },
	{ "Shutdown", HV_STATE_ENDED },
};
/* clang-format on */

enum hv_state ch_state(const char *state)
{
	return hv_state_of(states, ARRAY_SIZE(states), state);
}

static int ask_status(const char *control, struct hv_status *ret, struct error *err)
{
	struct ch_info info = { 0 };
	int r = ask(control, BASE "vm.info", &ch_info_answer, &info, err);

	if (r == 0 && !info.state)
		r = error_set(err, -EPROTO, "GET " BASE "vm.info: no state in the answer");
	if (r == 0)
		*ret = (struct hv_status){
			.state = ch_state(info.state),
			.features = CH_FEATURES,
			.vcpus = info.config.cpus.boot,
			.memory_bytes = info.memory_bytes.is_set ? info.memory_bytes.value
								 : info.config.memory.size,
			.machine = "cloud-hypervisor",
		};
	fields_release(&ch_info_answer, &info);
	return r;
}

int ch_query(const char *control, struct hv_status *ret, struct error *err)
{
	return ask_status(control, ret, err);
}

static int ask_counters(const char *control, struct ch_all_counters *ret, struct error *err)
{
	const struct rest_request request = {
		.method = "GET",
		.path = BASE "vm.counters",
		.member = "counters",
		.timeout_ms = TIMEOUT_MS,
		.alive_fd = -1,
	};

	return rest_call(control, &request, &ch_counters_answer, ret, err);
}

/* Interfaces have counters of other names; what has neither is passed over. */
static void take_counters(const struct ch_counters *from, struct hv_device_metrics *ret)
{
	const bool is_disk = from->reads.is_set;

	*ret = (struct hv_device_metrics){
		.read_bytes = is_disk ? from->read_bytes.value : from->received_bytes.value,
		.written_bytes = is_disk ? from->written_bytes.value : from->sent_bytes.value,
		.reads = is_disk ? from->reads.value : from->received.value,
		.writes = is_disk ? from->writes.value : from->sent.value,
	};
}

static void copy_devices(const struct ch_all_counters *all, struct hv_metrics *ret)
{
	for (size_t i = 0; i < all->items_count && ret->devices_count < HV_DEVICES_MAX; i++) {
		const struct ch_counters *from = &all->items[i];
		struct hv_device_metrics *to = &ret->devices[ret->devices_count];

		if ((!from->reads.is_set && !from->received.is_set) ||
		    hv_check_disk_id(from->id, NULL) < 0)
			continue;
		take_counters(from, to);
		snprintf(to->id, sizeof(to->id), "%s", from->id);
		ret->devices_count++;
	}
}

int ch_metrics(const char *control, struct hv_metrics *ret, struct error *err)
{
	struct ch_all_counters counters = { 0 };
	struct hv_metrics metrics = { 0 };
	struct hv_status status;
	int r = ask_status(control, &status, err);

	if (r == 0)
		r = ask_counters(control, &counters, err);
	if (r == 0) {
		metrics.vcpus = status.vcpus;
		metrics.memory_bytes = status.memory_bytes;
		copy_devices(&counters, &metrics);
		*ret = metrics;
	}
	fields_release(&ch_counters_answer, &counters);
	return r;
}

/* --- disks -------------------------------------------------------------------------------- */

/* Its control socket was made for it. */
#define PROGRAM "cloud-hypervisor"

/* It takes no descriptors for disks, nor for what it writes. */
static int add_disk(const char *control, const struct hv_disk *disk, struct error *err)
{
	cleanup_hv_lending struct hv_lending lending = { .pidfd = -1 };
	cleanup_strbuf struct strbuf body = STRBUF_INIT;
	cleanup_free char *name = xasprintf("plugged-%s", disk->id);
	cleanup_free char *path = NULL;
	int r = hv_show(control, PROGRAM, name, disk->fd, &lending, &path, err);

	if (r < 0)
		return r;
	strbuf_addstr(&body, "{\"path\":");
	json_quote(&body, path);
	strbuf_addf(&body,
		    ",\"readonly\":%s,\"id\":\"%s\",\"serial\":\"%s\",\"image_type\":\"Raw\"}",
		    disk->is_readonly ? "true" : "false", disk->id, disk->id);
	return tell(control, BASE "vm.add-disk", body.buf, err);
}

int ch_plug(const char *control, const struct hv_disk *disk, struct error *err)
{
	int r = hv_check_disk_id(disk->id, err);

	if (r == 0)
		r = add_disk(control, disk, err);
	return r < 0 ? error_wrap(err, r, "plug disk '%.40s'", disk->id) : 0;
}

/* A disk has counters until the guest has let go of it. */
static int ask_whether_gone(const char *control, const char *id, bool *ret, struct error *err)
{
	struct ch_all_counters counters = { 0 };
	int r = ask_counters(control, &counters, err);

	*ret = true;
	for (size_t i = 0; i < counters.items_count; i++)
		*ret &= !streq(counters.items[i].id, id);
	fields_release(&ch_counters_answer, &counters);
	return r;
}

/* The guest may take its time, or never do; and only the VM's owner is told by an event. */
static int await_gone(const char *control, const char *id, struct error *err)
{
	const long long deadline = now_ms() + TIMEOUT_MS;
	bool is_gone = false;
	int r = 0;

	while (r == 0 && now_ms() < deadline) {
		r = ask_whether_gone(control, id, &is_gone, err);
		if (r == 0 && is_gone)
			return 0;
		(void)poll(NULL, 0, LOOK_AGAIN_MS);
	}
	if (r < 0)
		return r;
	return error_sys(err, ETIMEDOUT, "wait for the guest to let it go");
}

int ch_unplug(const char *control, const char *id, struct error *err)
{
	cleanup_free char *body = xasprintf("{\"id\":\"%s\"}", id);
	int r = hv_check_disk_id(id, err);

	if (r == 0)
		r = tell(control, BASE "vm.remove-device", body, err);
	if (r == 0)
		r = await_gone(control, id, err);
	return r < 0 ? error_wrap(err, r, "unplug disk '%.40s'", id) : 0;
}

/* --- size --------------------------------------------------------------------------------- */

static int grow_vcpus(const char *control, uint32_t wanted, struct error *err)
{
	cleanup_free char *body = xasprintf("{\"desired_vcpus\":%u}", wanted);

	return tell(control, BASE "vm.resize", body, err);
}

static int grow_memory(const char *control, uint64_t have_bytes, uint32_t wanted_mib,
		       struct error *err)
{
	const uint64_t have = have_bytes >> 20, piece = CH_MEMORY_PIECE_MIB;
	const uint64_t pieces = (wanted_mib - have + piece - 1) / piece;
	cleanup_free char *body = xasprintf("{\"desired_ram\":%llu}",
					    (unsigned long long)(have + pieces * piece) << 20);

	return tell(control, BASE "vm.resize", body, err);
}

int ch_resize(const char *control, uint32_t vcpus, uint32_t memory_mib, struct error *err)
{
	struct hv_status status;
	int r = ask_status(control, &status, err);

	if (r == 0 && vcpus > status.vcpus)
		r = grow_vcpus(control, vcpus, err);
	if (r == 0 && memory_mib > status.memory_bytes >> 20)
		r = grow_memory(control, status.memory_bytes, memory_mib, err);
	return r < 0 ? error_wrap(err, r, "resize") : 0;
}

/* --- state -------------------------------------------------------------------------------- */

/* Some seconds for each GiB of memory on a slow disk. */
#define MOVE_TIMEOUT_MS (10 * 60 * 1000)

/* What it writes besides the memory is this much at most. */
static const struct json_limits state_limits = {
	.max_bytes = 64u << 20,
	.max_depth = 64,
	.max_values = 10000000,
};

static int pause_once(const char *control, struct error *err)
{
	struct hv_status status;
	int r = ask_status(control, &status, err);

	return r == 0 && status.state != HV_STATE_PAUSED ? ch_pause(control, err) : r;
}

static int ignore(void *ctx, const struct json_event *event, struct error *err)
{
	return 0;
}

/* It does not look at how much of them could be written. */
static int check_text(int dir_fd, const char *name, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file_at(dir_fd, name, state_limits.max_bytes, &text, &len);

	if (r == -ENOENT)
		return error_set(err, r, "'%s' is not there: cloud-hypervisor wrote it elsewhere",
				 name);
	if (r < 0)
		return error_sys(err, r, "read '%s'", name);
	r = json_parse(name, text, len, &state_limits, ignore, NULL, err);
	return r < 0 ? error_wrap(err, -EIO, "it was not written whole") : 0;
}

static int write_files(const char *control, const char *dir, struct error *err)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;
	cleanup_free char *url = xasprintf("file://%s", dir);
	struct rest_request request = {
		.method = "PUT",
		.path = BASE "vm.snapshot",
		.timeout_ms = MOVE_TIMEOUT_MS,
		.alive_fd = -1,
	};

	strbuf_addstr(&body, "{\"destination_url\":");
	json_quote(&body, url);
	strbuf_addstr(&body, "}");
	request.body = body.buf;
	return rest_call(control, &request, NULL, NULL, err);
}

int ch_save(const char *control, enum hv_saved what, int fd, struct error *err)
{
	cleanup_hv_lending struct hv_lending lending = { .pidfd = -1 };
	cleanup_free char *dir = NULL;
	int r = 0;

	if (what != HV_SAVED_ALL)
		return error_set(err, -ENOTSUP, "save: cloud-hypervisor saves memory, too");
	r = hv_show(control, PROGRAM, HV_SAVING_NAME, fd, &lending, &dir, err);
	if (r == 0)
		r = pause_once(control, err);
	if (r == 0)
		r = write_files(control, dir, err);
	if (r == 0)
		r = check_text(fd, "config.json", err);
	if (r == 0)
		r = check_text(fd, "state.json", err);
	return r < 0 ? error_wrap(err, r, "save") : 0;
}

int ch_load(const char *control, int alive_fd, const char *body, const int *fds, size_t fds_count,
	    struct error *err)
{
	const struct rest_request request = {
		.method = "PUT",
		.path = BASE "vm.restore",
		.body = body,
		.fds = fds,
		.fds_count = fds_count,
		.timeout_ms = MOVE_TIMEOUT_MS,
		.alive_fd = alive_fd,
	};

	return rest_call(control, &request, NULL, NULL, err);
}

/* launch() has loaded it. */
int ch_restore(const char *control, enum hv_saved what, int fd, struct error *err)
{
	int r = ch_resume(control, err);

	return r < 0 ? error_wrap(err, r, "restore") : 0;
}

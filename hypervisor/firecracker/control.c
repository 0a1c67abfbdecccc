/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/firecracker/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hypervisor/firecracker/answers.h"
#include "hypervisor/firecracker/counters.h"
#include "hypervisor/firecracker/firecracker-internal.h"
#include "hypervisor/lend.h"
#include "hypervisor/rest.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

/* What any process can do to a running Firecracker, over REST. */

/* A start alone has taken more than ten seconds on a host that many share. */
#define TIMEOUT_MS 30000
#define FLUSH_TIMEOUT_MS 2000
#define LOOK_AGAIN_MS 2

static int ask(const char *control, const char *path, int alive_fd, const struct fields *fields,
	       void *result, struct error *err)
{
	const struct rest_request request = {
		.method = "GET",
		.path = path,
		.timeout_ms = TIMEOUT_MS,
		.alive_fd = alive_fd,
	};

	return rest_call(control, &request, fields, result, err);
}

int fc_ask_version(const char *control, int alive_fd, struct fc_version *ret, struct error *err)
{
	return ask(control, "/version", alive_fd, &fc_version_answer, ret, err);
}

int fc_put(const char *control, int alive_fd, const struct fc_request *r, struct error *err)
{
	const struct rest_request request = {
		.method = "PUT",
		.path = r->path,
		.body = r->body,
		.timeout_ms = TIMEOUT_MS,
		.alive_fd = alive_fd,
	};

	return rest_call(control, &request, NULL, NULL, err);
}

int fc_ask(const char *control, const char *path, const struct fields *fields, void *result,
	   struct error *err)
{
	return ask(control, path, -1, fields, result, err);
}

int fc_patch(const char *control, const char *path, const char *body, struct error *err)
{
	const struct rest_request request = {
		.method = "PATCH",
		.path = path,
		.body = body,
		.timeout_ms = TIMEOUT_MS,
		.alive_fd = -1,
	};

	return rest_call(control, &request, NULL, NULL, err);
}

static int set_state(const char *control, const char *state, struct error *err)
{
	cleanup_free char *body = xasprintf("{\"state\":\"%s\"}", state);

	return fc_patch(control, "/vm", body, err);
}

int fc_pause(const char *control, struct error *err)
{
	return set_state(control, "Paused", err);
}

int fc_resume(const char *control, struct error *err)
{
	return set_state(control, "Resumed", err);
}

/* clang-format off */
static const struct hv_state_word states[] = {
	{ "Running", HV_STATE_RUNNING },
	{ "Paused", HV_STATE_PAUSED },
	{ "Not started", HV_STATE_PAUSED },
};
/* clang-format on */

enum hv_state fc_state(const char *state)
{
	return hv_state_of(states, ARRAY_SIZE(states), state);
}

static int ask_state(const char *control, enum hv_state *ret, struct error *err)
{
	struct fc_instance instance = { 0 };
	int r = fc_ask(control, "/", &fc_instance_answer, &instance, err);

	if (r == 0 && !instance.state)
		r = error_set(err, -EPROTO, "GET /: no state in the answer");
	if (r == 0)
		*ret = fc_state(instance.state);
	fields_release(&fc_instance_answer, &instance);
	return r;
}

int fc_query(const char *control, struct hv_status *ret, struct error *err)
{
	struct hv_status status = { .features = FC_FEATURES, .machine = "firecracker" };
	struct fc_machine machine = { 0 };
	int r = ask_state(control, &status.state, err);

	if (r == 0)
		r = fc_ask(control, "/machine-config", &fc_machine_answer, &machine, err);
	status.vcpus = machine.vcpus;
	status.memory_bytes = (uint64_t)machine.memory_mib << 20;
	if (r == 0)
		*ret = status;
	fields_release(&fc_machine_answer, &machine);
	return r;
}

/* Who watches it is told, and writes that down. A shim that does not is busy, or not there: then
 * it is what was counted before. */
static int await_counters(const char *control, uint64_t before, struct hv_metrics *ret)
{
	const long long deadline = now_ms() + FLUSH_TIMEOUT_MS;
	uint64_t serial;
	int r;

	for (;;) {
		r = fc_counters_find(control, &serial, ret);
		if ((r == 0 && serial != before) || (r < 0 && r != -ENOENT) || now_ms() >= deadline)
			return r;
		(void)poll(NULL, 0, LOOK_AGAIN_MS);
	}
}

int fc_metrics(const char *control, struct hv_metrics *ret, struct error *err)
{
	static const struct fc_request flush = {
		.path = (char *)"/actions",
		.body = (char *)"{\"action_type\":\"FlushMetrics\"}",
	};
	struct hv_metrics metrics = { 0 };
	struct hv_status status;
	uint64_t before = 0;
	int r = fc_query(control, &status, err);

	if (r < 0)
		return r;
	(void)fc_counters_find(control, &before, &metrics); /* it need not be there yet */
	r = fc_put(control, -1, &flush, err);
	if (r < 0)
		return r;
	r = await_counters(control, before, &metrics);
	if (r < 0)
		return error_sys(err, r, "read '" FC_COUNTERS_NAME "' beside '%s'", control);
	metrics.vcpus = status.vcpus;
	metrics.memory_bytes = status.memory_bytes;
	*ret = metrics;
	return 0;
}

/* It has no word for its own end: the process is told by a signal. */
int fc_quit(const char *control, struct error *err)
{
	cleanup_fd int pidfd = -1;
	pid_t pid;
	int r = hv_find_vmm(control, NULL, &pid, err);

	if (r < 0)
		return r;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0 || syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0)
		return error_sys(err, errno, "end process %d", (int)pid);
	return 0;
}

/* --- state -------------------------------------------------------------------------------- */

/* Some seconds for each GiB of memory on a slow disk. */
#define MOVE_TIMEOUT_MS (10 * 60 * 1000)

static int pause_once(const char *control, struct error *err)
{
	enum hv_state state;
	int r = ask_state(control, &state, err);

	return r == 0 && state != HV_STATE_PAUSED ? fc_pause(control, err) : r;
}

static int ask_memory(const char *control, uint64_t *ret_bytes, struct error *err)
{
	struct fc_machine machine = { 0 };
	int r = fc_ask(control, "/machine-config", &fc_machine_answer, &machine, err);

	if (r == 0 && machine.huge_pages && !streq(machine.huge_pages, "None"))
		r = error_set(err, -ENOTSUP,
			      "firecracker does not load a machine that has huge pages");
	*ret_bytes = (uint64_t)machine.memory_mib << 20;
	fields_release(&fc_machine_answer, &machine);
	return r;
}

/* It keeps what is there if the size is right. So there is room for it before the guest loses its
 * connections, and on a tmpfs it is not the VMM's, whose cgroup has a limit. */
static int make_room(int dir_fd, uint64_t bytes, struct error *err)
{
	cleanup_fd int fd =
		openat(dir_fd, FC_MEMORY_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "make '" FC_MEMORY_NAME "'");
	r = posix_fallocate(fd, 0, (off_t)bytes);
	return r ? error_sys(err, r, "make room for %llu MiB of memory",
			     (unsigned long long)bytes >> 20)
		 : 0;
}

static char *create_request(const char *dir)
{
	cleanup_free char *state = xasprintf("%s/" FC_STATE_NAME, dir);
	cleanup_free char *memory = xasprintf("%s/" FC_MEMORY_NAME, dir);
	struct json_writer *w = json_writer_new(false);

	json_open_map(w);
	json_key(w, "snapshot_type");
	json_string(w, "Full");
	json_key(w, "snapshot_path");
	json_string(w, state);
	json_key(w, "mem_file_path");
	json_string(w, memory);
	json_close_map(w);
	return json_finish(w);
}

static int write_files(const char *control, int dir_fd, struct error *err)
{
	struct rest_request request = {
		.method = "PUT",
		.path = "/snapshot/create",
		.timeout_ms = MOVE_TIMEOUT_MS,
		.alive_fd = -1,
	};
	cleanup_hv_lending struct hv_lending lending = { .pidfd = -1 };
	cleanup_free char *dir = NULL, *body = NULL;
	int r = hv_show(control, NULL, HV_SAVING_NAME, dir_fd, &lending, &dir, err);

	if (r < 0)
		return r;
	request.body = body = create_request(dir);
	r = rest_call(control, &request, NULL, NULL, err);
	if (r == 0 && faccessat(dir_fd, FC_STATE_NAME, F_OK, 0) < 0)
		r = error_set(err, -ENOENT,
			      "'" FC_STATE_NAME "' is not there: firecracker wrote it elsewhere");
	return r;
}

int fc_save(const char *control, enum hv_saved what, int fd, struct error *err)
{
	uint64_t bytes;
	int r;

	if (what != HV_SAVED_ALL)
		return error_set(err, -ENOTSUP, "save: firecracker saves memory, too");
	r = ask_memory(control, &bytes, err);
	if (r == 0)
		r = make_room(fd, bytes, err);
	if (r == 0)
		r = pause_once(control, err);
	if (r == 0)
		r = write_files(control, fd, err);
	return r < 0 ? error_wrap(err, r, "save") : 0;
}

/* launch() has loaded it. */
int fc_restore(const char *control, enum hv_saved what, int fd, struct error *err)
{
	int r = fc_resume(control, err);

	return r < 0 ? error_wrap(err, r, "restore") : 0;
}

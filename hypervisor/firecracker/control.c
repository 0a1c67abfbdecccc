/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/firecracker/control.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hypervisor/firecracker/answers.h"
#include "hypervisor/firecracker/firecracker-internal.h"
#include "hypervisor/rest.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* What any process can do to a running Firecracker, over REST. */

#define TIMEOUT_MS 10000

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

static int set_state(const char *control, const char *state, struct error *err)
{
	cleanup_free char *body = xasprintf("{\"state\":\"%s\"}", state);
	const struct rest_request request = {
		.method = "PATCH",
		.path = "/vm",
		.body = body,
		.timeout_ms = TIMEOUT_MS,
		.alive_fd = -1,
	};

	return rest_call(control, &request, NULL, NULL, err);
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
	int r = ask(control, "/", -1, &fc_instance_answer, &instance, err);

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
		r = ask(control, "/machine-config", -1, &fc_machine_answer, &machine, err);
	status.vcpus = machine.vcpus;
	status.memory_bytes = (uint64_t)machine.memory_mib << 20;
	if (r == 0)
		*ret = status;
	fields_release(&fc_machine_answer, &machine);
	return r;
}

/* It has no word for its own end: the process that listens is told by a signal. Its pid is looked
 * up while a connection to it is open, and the descriptor of the process before it is used. */
int fc_quit(const char *control, struct error *err)
{
	cleanup_fd int fd = unix_connect(control);
	cleanup_fd int pidfd = -1;
	struct ucred peer = { .pid = 0 };
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return error_sys(err, fd, "connect to '%s'", control);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return error_sys(err, errno, "find who listens on '%s'", control);
	if (peer.pid <= 0)
		return error_set(err, -ESRCH, "find who listens on '%s'", control);
	pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	if (pidfd < 0 || syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0)
		return error_sys(err, errno, "end process %d", (int)peer.pid);
	return 0;
}

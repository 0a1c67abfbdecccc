/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/sandbox/channel.h"
#include "lib/sandbox/companions.h"
#include "lib/sandbox/confine.h"
#include "lib/sandbox/moat-link.h"
#include "lib/sandbox/process.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/terminal.h"
#include "lib/sandbox/view.h"
#include "lib/state/journal.h"
#include "lib/state/record.h"
#include "oci/config.h"

/*
 * The shim of one more process in a running container. It owns nothing but that process's stdio:
 * when it is killed, the sandbox's shim kills the process; when the VM ends, it ends with 255.
 *
 * Namespaces: the mount namespace of the container's shim, else the caller's. Rights: root's to
 * enter that, then none.
 */
#define CALL_TIMEOUT_MS 60000

struct execution {
	const struct shim_options *options;
	struct loop *loop;
	struct moat_link moat;

	struct record record;
	struct oci_process *document;
	int vm_fd;    /* the directory of the VM's sockets, by which they are found later */
	int guard_fd; /* the sandbox's shim watches us */
	char *address;
	struct agent_client *client;
	char exec_id[40];
	struct guest_process process;
};

static int load(void *ctx, struct error *err)
{
	struct execution *e = ctx;
	cleanup_free char *text = NULL;
	cleanup_free char *path = xasprintf("/proc/self/fd/%d", e->options->process_fd);
	struct state_dir *dir;
	size_t len;
	int r = state_dir_open(e->options->root, e->options->id, &dir, err);

	if (r < 0)
		return r;
	r = record_read(dir, &e->record, err);
	journal_keep_log(state_dir_fd(dir), JOURNAL_SHIM);
	state_dir_close(dir);
	if (r < 0)
		return r;
	if (!e->record.agent_address)
		return error_set(err, -ESRCH, "container '%s' has no agent yet", e->options->id);
	r = read_file_at(-1, path, OCI_CONFIG_MAX_BYTES, &text, &len);
	if (r < 0)
		return error_sys(err, r, "read the process document");
	close(e->options->process_fd);
	r = oci_process_parse("process.json", text, len, &e->document, err);
	if (r == 0 && e->document->terminal && e->options->console_fd < 0)
		return error_set(err, -EINVAL, "terminal: no console socket to send it to");
	return r;
}

/* Everything that takes a path, before there are none. */
static int hold_on(void *ctx, struct error *err)
{
	struct execution *e = ctx;
	cleanup_free char *dir = xasprintf("%s/%s/" SHIM_VM_DIR, e->options->root,
					   e->record.sandbox ? e->record.sandbox : e->record.id);
	cleanup_free char *path = xasprintf("%s/" COMPANIONS_SOCKET, dir);

	e->vm_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (e->vm_fd < 0)
		return error_sys(err, errno, "open '%s'", dir);
	return companion_connect(path, &e->guard_fd, err);
}

static void let_go(void *ctx)
{
	struct execution *e = ctx;

	close_fdp(&e->guard_fd);
	close_fdp(&e->vm_fd);
}

/* Callers look for the container's files where its processes are. */
static int enter_view(void *ctx, struct error *err)
{
	struct execution *e = ctx;
	cleanup_fd int pidfd = record_pidfd(&e->record);
	int r;

	if (pidfd < 0)
		return error_set(err, pidfd, "cannot exec in a stopped container");
	r = view_join(pidfd, err);
	if (r == 0 && fchdir(e->vm_fd) < 0)
		return error_sys(err, errno, "change to the sandbox's directory");
	return r;
}

static int confine(void *ctx, struct error *err)
{
	return confine_self(0, err);
}

static int connect_agent(void *ctx, struct error *err)
{
	struct execution *e = ctx;
	int fd, r;

	e->address = channel_local_address(e->record.agent_address);
	r = agent_dial(e->loop, e->address, AGENT_PORT_RPC, CALL_TIMEOUT_MS, &fd, NULL, err);

	if (r < 0)
		return r;
	r = agent_client_new(e->loop, fd, &e->client);
	e->process.client = e->client;
	return r < 0 ? error_sys(err, r, "use the connection") : 0;
}

static void leave_agent(void *ctx)
{
	struct execution *e = ctx;

	agent_client_free(steal_ptr(&e->client));
}

/* The agent knows processes by name; chance keeps those of different shims apart. */
static int name_process(void *ctx, struct error *err)
{
	struct execution *e = ctx;
	unsigned char bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return error_sys(err, errno, "draw a name");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(e->exec_id + 2 * i, 3, "%02x", bytes[i]);
	guest_process_init(&e->process, e->loop, e->record.id, e->exec_id, e->document->terminal);
	return 0;
}

static int take_stdio(void *ctx, struct error *err)
{
	struct execution *e = ctx;

	int r = e->process.has_terminal ? terminal_open(e->options->console_fd, err) : 0;

	return r < 0 ? r : guest_process_adopt(&e->process, err);
}

static int connect_stdio(void *ctx, struct error *err)
{
	struct execution *e = ctx;

	int r = guest_process_dial(&e->process, e->address, err);

	if (r == 0 && chdir("/") < 0)
		return error_sys(err, errno, "change to '/'");
	return r;
}

static void close_stdio(void *ctx)
{
	struct execution *e = ctx;

	guest_process_done(&e->process);
}

/* Signals are taken before the program runs: one that comes at once waits its turn. */
static int run_process(void *ctx, struct error *err)
{
	struct execution *e = ctx;
	cleanup_free char *json = NULL;
	grpc_ExecProcessRequest request = {
		.container_id = e->record.id,
		.exec_id = e->exec_id,
		.stdin_port = e->process.ports[0],
		.stdout_port = e->process.ports[1],
		.stderr_port = e->process.ports[2],
		.cgroups = e->options->cgroups,
		.cgroups_count = (pb_size_t)strv_len(e->options->cgroups),
	};
	grpc_Empty response;
	int tty = e->process.has_terminal ? STDIN_FILENO : -1;
	int r;

	sandbox_guest_process(e->document);
	json = oci_process_text(e->document);
	request.oci_json = (struct agent_bytes){ (const uint8_t *)json, strlen(json) };
	r = companion_attend(e->guard_fd, e->record.id, e->exec_id, err);
	if (r < 0)
		return r;
	r = agent_call(e->client, AGENT_EXEC_PROCESS, &request, &response, CALL_TIMEOUT_MS, err);
	if (r < 0)
		return r;
	agent_response_release(AGENT_EXEC_PROCESS, &response);
	r = guest_process_wait(&e->process, err);
	if (r == 0)
		r = guest_process_take_signals(&e->process, tty, err);
	if (r < 0)
		return r;
	guest_process_relay(&e->process);
	guest_process_resize(&e->process);
	return 0;
}

static int report_started(void *ctx, struct error *err)
{
	struct execution *e = ctx;
	int r = moat_link_tell(&e->moat, RENDEZVOUS_STARTED, NULL, err);

	return r < 0 ? r : moat_link_await(&e->moat, RENDEZVOUS_RECORDED, err);
}

static const struct step steps[] = {
	{ NULL, load },
	{ "sandbox", hold_on, let_go },
	{ NULL, name_process },
	{ "terminal", take_stdio, close_stdio },
	{ "files", enter_view },
	{ "privileges", confine },
	{ "agent", connect_agent, leave_agent },
	{ "stdio", connect_stdio, close_stdio },
	{ NULL, run_process },
	{ NULL, report_started },
};

static int prepare(struct execution *e, struct error *err)
{
	int r = loop_new(&e->loop);

	if (r < 0)
		return error_sys(err, r, "make the event loop");
	return moat_link_open(&e->moat, e->loop, e->options->sync_fd, err);
}

static int stand(struct execution *e)
{
	struct error err = ERROR_INIT;

	(void)loop_run_until(e->loop, &e->process.is_finished, -1);
	if (!e->process.is_lost) {
		companion_leave(e->guard_fd);
		return e->process.status;
	}
	error_set(&err, -EIO, "container '%s': %s", e->record.id, guest_process_loss(&e->process));
	log_failure(&err);
	return GUEST_STATUS_LOST;
}

int shim_exec(const struct shim_options *options)
{
	struct error err = ERROR_INIT;
	struct execution e = {
		.options = options,
		.moat = { .fd = options->sync_fd },
		.vm_fd = -1,
		.guard_fd = -1,
	};
	int status = 1;

	if (prepare(&e, &err) == 0 && steps_run(steps, ARRAY_SIZE(steps), &e, &err) == 0) {
		status = stand(&e);
		steps_undo(steps, ARRAY_SIZE(steps), &e);
	} else {
		moat_link_fail(&e.moat, &err);
	}
	oci_process_free(e.document);
	record_done(&e.record);
	free(e.address);
	loop_free(e.loop);
	return status;
}

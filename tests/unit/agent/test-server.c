/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/client/client.h"
#include "agent/server/server.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * The agent as an ordinary process over a unix socket, running a busybox in real containers. What
 * is tested here is what a host sees; how containers are made is the engine's business.
 */
#define TIMEOUT_MS 20000

struct scene {
	struct loop *loop;
	struct agent_client *client;
	char *dir;
	char *address;
	char *cgroup;
	pid_t agent;
};

static const char config_format[] =
	"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s/rootfs\"},\"hostname\":\"guest\","
	"\"process\":{\"terminal\":%s,\"cwd\":\"/\",\"env\":[\"PATH=/bin\",\"TERM=dumb\"],"
	"\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\",\"-c\",\"%s\"]},"
	"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
	"\"options\":[\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]}],"
	"\"linux\":{\"cgroupsPath\":\"%s\",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
	"{\"type\":\"ipc\"},{\"type\":\"uts\"}]}}";

static _Noreturn void run_agent(const char *path, int ready_fd)
{
	const struct agent_server_options options = { .is_guest = false };
	struct agent_server *server;
	struct error err = ERROR_INIT;
	struct loop *loop;
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = loop_new(&loop);
	if (r == 0)
		r = agent_server_new(loop, &options, &server, &err);
	if (r == 0)
		r = agent_server_listen_unix(server, path, false, &err);
	if (r < 0) {
		fprintf(stderr, "%s\n", err.msg);
		_exit(1);
	}
	close(ready_fd);
	r = loop_run(loop);
	agent_server_free(server);
	loop_free(loop);
	_exit(r < 0);
}

static int copy_busybox(const char *dir)
{
	static const char *const applets[] = { "sh",   "cat", "sleep", "echo", "hostname",
					       "stty", "yes", "true",  "kill" };
	cleanup_free char *bin = xasprintf("%s/rootfs/bin", dir);
	cleanup_free char *data = NULL;
	cleanup_fd int bin_fd = -1;
	size_t len;

	if (mkdir_parents(bin, 0755) < 0 ||
	    read_file_at(AT_FDCWD, "/bin/busybox", 16u << 20, &data, &len) < 0)
		return -1;
	bin_fd = open(bin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bin_fd < 0 || write_atomic_at(bin_fd, "busybox", data, len, 0755) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++)
		if (symlinkat("busybox", bin_fd, applets[i]) < 0)
			return -1;
	return 0;
}

static void connect_client(struct scene *s)
{
	struct error err = ERROR_INIT;
	int fd;

	if (agent_dial(s->loop, s->address, AGENT_PORT_RPC, TIMEOUT_MS, &fd, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(agent_client_new(s->loop, fd, &s->client), 0);
}

static int make_scene(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	cleanup_free char *path = NULL;
	char dir[] = "/tmp/moat-agent-XXXXXX";
	int ready[2];
	char c;

	*state = s;
	if (!mkdtemp(dir))
		return -1;
	s->dir = xstrdup(dir);
	path = xasprintf("%s/agent.sock", dir);
	s->address = xasprintf("hvsock://%s", path);
	s->cgroup = xasprintf("/moat-test-agent-%d", (int)getpid());
	if (geteuid() != 0 || copy_busybox(dir) < 0)
		return 0;
	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	s->agent = fork();
	if (s->agent == 0) {
		close(ready[0]);
		run_agent(path, ready[1]);
	}
	close(ready[1]);
	if (s->agent < 0 || loop_new(&s->loop) < 0)
		return -1;
	if (read(ready[0], &c, 1) != 0) /* the end: it listens, or died */
		return -1;
	close(ready[0]);
	connect_client(s);
	return 0;
}

static int drop_scene(void **state)
{
	struct scene *s = *state;
	int status = 0;

	agent_client_free(s->client);
	loop_free(s->loop);
	if (s->agent > 0) {
		(void)kill(s->agent, SIGTERM);
		(void)waitpid(s->agent, &status, 0);
	}
	(void)remove_tree_at(AT_FDCWD, s->dir);
	free(s->dir);
	free(s->address);
	free(s->cgroup);
	free(s);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void need_containers(const struct scene *s)
{
	if (s->agent > 0)
		return;
	print_message("skipped: needs root and a static /bin/busybox\n");
	skip();
}

static int call(struct scene *s, enum agent_method method, const void *req, void *resp)
{
	struct error err = ERROR_INIT;
	int r = agent_call(s->client, method, req, resp, TIMEOUT_MS, &err);

	if (r < 0)
		print_message("%s\n", err.msg);
	return r;
}

/* the calls in short */

struct ports {
	uint32_t in, out, err;
};

static int create(struct scene *s, bool is_terminal, const char *script, const struct ports *ports)
{
	cleanup_free char *json =
		xasprintf(config_format, s->dir, is_terminal ? "true" : "false", script, s->cgroup);
	const grpc_CreateContainerRequest req = {
		.container_id = (char *)"c",
		.oci_json = { (const uint8_t *)json, strlen(json) },
		.stdin_port = ports ? ports->in : 0,
		.stdout_port = ports ? ports->out : 0,
		.stderr_port = ports ? ports->err : 0,
	};
	grpc_Empty empty;

	return call(s, AGENT_CREATE_CONTAINER, &req, &empty);
}

static int start(struct scene *s)
{
	const grpc_StartContainerRequest req = { .container_id = (char *)"c" };
	grpc_Empty empty;

	return call(s, AGENT_START_CONTAINER, &req, &empty);
}

static int run_exec(struct scene *s, const char *exec_id, const char *script,
		    const struct ports *ports)
{
	cleanup_free char *json =
		xasprintf("{\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"user\":{\"uid\":0,\"gid\":0},"
			  "\"args\":[\"sh\",\"-c\",\"%s\"]}",
			  script);
	const grpc_ExecProcessRequest req = {
		.container_id = (char *)"c",
		.exec_id = (char *)exec_id,
		.oci_json = { (const uint8_t *)json, strlen(json) },
		.stdin_port = ports ? ports->in : 0,
		.stdout_port = ports ? ports->out : 0,
		.stderr_port = ports ? ports->err : 0,
	};
	grpc_Empty empty;

	return call(s, AGENT_EXEC_PROCESS, &req, &empty);
}

static int wait_status(struct scene *s, const char *exec_id)
{
	const grpc_WaitProcessRequest req = { (char *)"c", (char *)exec_id };
	grpc_WaitProcessResponse resp;
	int r = call(s, AGENT_WAIT_PROCESS, &req, &resp);

	return r < 0 ? r : resp.status;
}

static int send_signal(struct scene *s, const char *exec_id, uint32_t sig)
{
	const grpc_SignalProcessRequest req = { (char *)"c", (char *)exec_id, sig };
	grpc_Empty empty;

	return call(s, AGENT_SIGNAL_PROCESS, &req, &empty);
}

static int remove_container(struct scene *s)
{
	const grpc_RemoveContainerRequest req = { .container_id = (char *)"c" };
	grpc_Empty empty;

	return call(s, AGENT_REMOVE_CONTAINER, &req, &empty);
}

/* Reads to the end by calls. */
static char *read_all(struct scene *s, enum agent_method method, const char *exec_id)
{
	const grpc_ReadStreamRequest req = { (char *)"c", (char *)exec_id, 4096 };
	struct strbuf sb = STRBUF_INIT;
	grpc_ReadStreamResponse resp;

	while (call(s, method, &req, &resp) == 0) {
		size_t size = resp.data.size;

		strbuf_add(&sb, resp.data.data, size);
		agent_response_release(method, &resp);
		if (!size)
			break;
	}
	return strbuf_steal(&sb);
}

static int open_stdio(struct scene *s, uint32_t *ret_number)
{
	struct error err = ERROR_INIT;
	int fd;

	if (agent_dial(s->loop, s->address, AGENT_PORT_STDIO, TIMEOUT_MS, &fd, ret_number, &err) <
	    0)
		fail_msg("%s", err.msg);
	assert_true(*ret_number > 0);
	return fd;
}

/* tests */

static void a_container_runs_and_is_read_by_calls(void **state)
{
	struct scene *s = *state;
	const grpc_WriteStreamRequest write = {
		.container_id = (char *)"c",
		.data = { (const uint8_t *)"some input\n", 11 },
	};
	const grpc_CloseStdinRequest close_in = { .container_id = (char *)"c" };
	cleanup_free char *out = NULL;
	cleanup_free char *err = NULL;
	grpc_WriteStreamResponse written;
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(create(s, false, "hostname; cat; echo apart >&2; exit 42", NULL), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(call(s, AGENT_WRITE_STDIN, &write, &written), 0);
	assert_int_equal(written.len, 11);
	assert_int_equal(call(s, AGENT_CLOSE_STDIN, &close_in, &empty), 0);
	out = read_all(s, AGENT_READ_STDOUT, "");
	err = read_all(s, AGENT_READ_STDERR, "");
	assert_string_equal(out, "guest\nsome input\n");
	assert_string_equal(err, "apart\n");
	assert_int_equal(wait_status(s, ""), 42);
	assert_int_equal(wait_status(s, ""), 42); /* asked again, the same */
	assert_int_equal(remove_container(s), 0);
	assert_int_equal(start(s), -EINVAL);
}

static void nothing_runs_before_it_is_started(void **state)
{
	struct scene *s = *state;
	cleanup_free char *mark = xasprintf("%s/rootfs/mark", s->dir);

	need_containers(s);
	assert_int_equal(create(s, false, "echo > /mark", NULL), 0);
	assert_int_equal(create(s, false, "true", NULL), -EEXIST);
	assert_int_equal(access(mark, F_OK), -1);
	assert_int_equal(start(s), 0);
	assert_int_equal(start(s), -EBUSY);
	assert_int_equal(wait_status(s, ""), 0);
	assert_int_equal(access(mark, F_OK), 0);
	assert_int_equal(remove_container(s), 0);
}

static void a_created_container_can_be_removed(void **state)
{
	struct scene *s = *state;

	need_containers(s);
	assert_int_equal(create(s, false, "true", NULL), 0);
	assert_int_equal(remove_container(s), 0);
	assert_int_equal(create(s, false, "true", NULL), 0);
	assert_int_equal(remove_container(s), 0);
}

/* Bytes of a pattern into one descriptor and out of another. */
struct bulk {
	struct loop_source *in_source, *out_source;
	int in, out;
	size_t size, sent, received;
	bool is_done;
};

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 131 + (at >> 9));
}

static void on_in(void *ctx, int fd, uint32_t events)
{
	struct bulk *b = ctx;
	uint8_t buf[32768];
	size_t want = b->size - b->sent < sizeof(buf) ? b->size - b->sent : sizeof(buf);
	ssize_t n;

	for (size_t i = 0; i < want; i++)
		buf[i] = pattern(b->sent + i);
	n = send(fd, buf, want, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		b->sent += (size_t)n;
	if (b->sent < b->size)
		return;
	(void)shutdown(fd, SHUT_WR);
	loop_remove(steal_ptr(&b->in_source));
}

static void on_out(void *ctx, int fd, uint32_t events)
{
	struct bulk *b = ctx;
	uint8_t buf[32768];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != pattern(b->received + (size_t)i))
			fail_msg("byte %zu differs", b->received + (size_t)i);
	if (n > 0)
		b->received += (size_t)n;
	if (n == 0) {
		b->is_done = true;
		loop_remove(steal_ptr(&b->out_source));
	}
}

static void fifty_mib_go_through_stdin_and_out_of_stdout_unchanged(void **state)
{
	struct scene *s = *state;
	struct bulk b = { .size = 50u << 20 };
	struct ports ports;
	char text[64] = "";
	int err_fd;

	need_containers(s);
	b.in = open_stdio(s, &ports.in);
	b.out = open_stdio(s, &ports.out);
	err_fd = open_stdio(s, &ports.err);
	assert_int_equal(create(s, false, "cat; echo apart >&2; exit 3", &ports), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(loop_add_fd(s->loop, b.in, EPOLLOUT, on_in, &b, &b.in_source), 0);
	assert_int_equal(loop_add_fd(s->loop, b.out, EPOLLIN, on_out, &b, &b.out_source), 0);
	assert_int_equal(loop_run_until(s->loop, &b.is_done, 60000), 0);
	assert_int_equal(b.sent, b.size);
	assert_int_equal(b.received, b.size);
	assert_int_equal(wait_status(s, ""), 3);
	assert_int_equal(recv(err_fd, text, sizeof(text), 0), 6);
	assert_string_equal(text, "apart\n");
	assert_int_equal(recv(err_fd, text, sizeof(text), 0), 0);
	close(b.in);
	close(b.out);
	close(err_fd);
	assert_int_equal(remove_container(s), 0);
}

static size_t resident_kib(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", (int)pid);
	cleanup_free char *text = NULL;
	const char *line;

	assert_int_equal(read_file_at(AT_FDCWD, path, 65536, &text, NULL), 0);
	line = strstr(text, "VmRSS:");
	return line ? (size_t)strtoul(line + 6, NULL, 10) : 0;
}

static void a_host_that_does_not_read_fills_no_memory(void **state)
{
	struct scene *s = *state;
	struct ports ports = { 0 };
	size_t before;
	bool never = false;
	int out;

	need_containers(s);
	out = open_stdio(s, &ports.out);
	assert_int_equal(create(s, false, "yes", &ports), 0);
	before = resident_kib(s->agent);
	assert_int_equal(start(s), 0);
	(void)loop_run_until(s->loop, &never, 300);
	assert_true(resident_kib(s->agent) < before + 4096);
	assert_int_equal(send_signal(s, "", SIGKILL), 0);
	/* The output that nobody takes does not keep the container from being removed. */
	assert_int_equal(remove_container(s), 0);
	close(out);
}

static void a_writer_notices_that_its_reader_is_gone(void **state)
{
	struct scene *s = *state;
	struct ports ports = { 0 };
	int out;

	need_containers(s);
	out = open_stdio(s, &ports.out);
	assert_int_equal(create(s, false, "exec yes", &ports), 0);
	assert_int_equal(start(s), 0);
	close(out);
	/* The first process of a pid namespace survives SIGPIPE, but not the failing write. */
	assert_true(wait_status(s, "") >= 0);
	assert_int_equal(remove_container(s), 0);
}

static void an_exec_has_its_own_streams_and_status(void **state)
{
	struct scene *s = *state;
	struct ports ports = { 0 };
	char text[64] = "";
	int out;

	need_containers(s);
	assert_int_equal(create(s, false, "sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	out = open_stdio(s, &ports.out);
	assert_int_equal(run_exec(s, "e", "hostname; exit 5", &ports), 0);
	assert_int_equal(recv(out, text, sizeof(text), MSG_WAITALL), 6);
	assert_string_equal(text, "guest\n");
	assert_int_equal(wait_status(s, "e"), 5);
	assert_int_equal(wait_status(s, "e"), -ENOENT); /* told, and forgotten */
	close(out);
	assert_int_equal(run_exec(s, "k", "kill -9 $$", &(struct ports){ 0 }), 0);
	assert_int_equal(wait_status(s, "k"), 137);
	assert_int_equal(run_exec(s, "", "true", NULL), -EINVAL);
	assert_int_equal(remove_container(s), 0);
}

static void a_child_that_keeps_the_output_does_not_hold_up_the_end(void **state)
{
	struct scene *s = *state;
	struct ports ports = { 0 };
	char text[64];
	long long before;
	int out;

	need_containers(s);
	assert_int_equal(create(s, false, "sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	out = open_stdio(s, &ports.out);
	assert_int_equal(run_exec(s, "e", "sleep 50 & echo done", &ports), 0);
	before = now_ms();
	assert_int_equal(wait_status(s, "e"), 0);
	assert_true(now_ms() - before < 5000);
	assert_int_equal(recv(out, text, sizeof(text), MSG_WAITALL), 5);
	close(out);
	assert_int_equal(remove_container(s), 0);
}

static void signals_end_an_init_as_one_expects(void **state)
{
	static const struct {
		const char *script;
		uint32_t sig;
		int status;
	} cases[] = {
		{ "exec sleep 100", SIGKILL, 137 },
		{ "exec sleep 100", SIGTERM, 137 }, /* deaf to it, so it is killed */
		{ "trap 'exit 9' TERM; echo; sleep 100 & wait", SIGTERM, 9 },
	};
	struct scene *s = *state;

	need_containers(s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const grpc_ReadStreamRequest read = { (char *)"c", (char *)"", 1 };
		grpc_ReadStreamResponse resp;

		assert_int_equal(create(s, false, cases[i].script, NULL), 0);
		assert_int_equal(start(s), 0);
		if (i == 2) { /* the trap is set */
			assert_int_equal(call(s, AGENT_READ_STDOUT, &read, &resp), 0);
			agent_response_release(AGENT_READ_STDOUT, &resp);
		}
		assert_int_equal(send_signal(s, "", cases[i].sig), 0);
		assert_int_equal(wait_status(s, ""), cases[i].status);
		assert_int_equal(send_signal(s, "", cases[i].sig), 0); /* too late is no error */
		assert_int_equal(send_signal(s, "", 999), -EINVAL);
		assert_int_equal(remove_container(s), 0);
	}
}

struct waiting {
	size_t count;
	int32_t statuses[3];
	bool is_done;
};

static void on_status(void *ctx, const void *response, const struct error *err)
{
	struct waiting *w = ctx;
	const grpc_WaitProcessResponse *resp = response;

	w->statuses[w->count++] = resp ? resp->status : -1;
	w->is_done = w->count == ARRAY_SIZE(w->statuses);
}

static void everybody_who_waits_gets_the_same_status(void **state)
{
	struct scene *s = *state;
	const grpc_WaitProcessRequest req = { (char *)"c", (char *)"" };
	struct waiting w = { 0 };

	need_containers(s);
	assert_int_equal(create(s, false, "exit 6", NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(w.statuses); i++)
		assert_int_equal(agent_call_async(s->client, AGENT_WAIT_PROCESS, &req, -1,
						  on_status, &w, NULL),
				 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(loop_run_until(s->loop, &w.is_done, TIMEOUT_MS), 0);
	for (size_t i = 0; i < ARRAY_SIZE(w.statuses); i++)
		assert_int_equal(w.statuses[i], 6);
	assert_int_equal(remove_container(s), 0);
}

static void a_terminal_has_two_streams_and_a_size(void **state)
{
	struct scene *s = *state;
	const grpc_TtyWinResizeRequest resize = { (char *)"c", (char *)"", 33, 111 };
	struct ports ports = { 0 };
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	grpc_Empty empty;
	char buf[256];
	ssize_t n;
	int in, out;

	need_containers(s);
	in = open_stdio(s, &ports.in);
	out = open_stdio(s, &ports.out);
	assert_int_equal(create(s, true, "read line; stty size; echo got $line; exit 4", &ports),
			 0);
	assert_int_equal(call(s, AGENT_TTY_WIN_RESIZE, &resize, &empty), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(write_all(in, "typed\n", 6), 0);
	assert_int_equal(wait_status(s, ""), 4);
	while ((n = recv(out, buf, sizeof(buf), 0)) > 0)
		strbuf_add(&text, buf, (size_t)n);
	assert_non_null(strstr(text.buf, "33 111"));
	assert_non_null(strstr(text.buf, "got typed"));
	close(in);
	close(out);
	assert_int_equal(remove_container(s), 0);
}

static void mistakes_are_answered_as_katas_agent_does(void **state)
{
	struct scene *s = *state;
	const grpc_CreateContainerRequest without_config = { .container_id = (char *)"c" };
	const grpc_CreateContainerRequest bad_id = { .container_id = (char *)"../c" };
	const grpc_TtyWinResizeRequest resize = { (char *)"c", (char *)"", 1, 1 };
	const struct ports unknown = { .out = 4000 };
	grpc_Empty empty;

	need_containers(s);
	assert_int_equal(start(s), -EINVAL);
	assert_int_equal(wait_status(s, ""), -EINVAL);
	assert_int_equal(call(s, AGENT_CREATE_CONTAINER, &without_config, &empty), -EINVAL);
	assert_int_equal(call(s, AGENT_CREATE_CONTAINER, &bad_id, &empty), -EINVAL);
	assert_int_equal(create(s, false, "true", &unknown), -EINVAL);
	assert_int_equal(create(s, false, "true", NULL), 0);
	assert_int_equal(wait_status(s, "nobody"), -ENOENT);
	assert_int_equal(call(s, AGENT_TTY_WIN_RESIZE, &resize, &empty), -ENOTTY);
	assert_int_equal(remove_container(s), 0);
}

static void a_garbled_connection_disturbs_nobody(void **state)
{
	struct scene *s = *state;
	const grpc_CheckRequest check = { 0 };
	grpc_HealthCheckResponse resp;
	struct error err = ERROR_INIT;
	uint8_t garbage[4096];
	int fd;

	need_containers(s);
	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = (uint8_t)(i * 197);
	assert_int_equal(
		agent_dial(s->loop, s->address, AGENT_PORT_RPC, TIMEOUT_MS, &fd, NULL, &err), 0);
	garbage[0] = 0;
	assert_int_equal(write_all(fd, garbage, sizeof(garbage)), 0);
	assert_int_equal(call(s, AGENT_CHECK, &check, &resp), 0);
	close(fd);
	fd = unix_connect(s->address + strlen("hvsock://"));
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, "CONNECT 22\n", 11), 0);
	assert_int_equal(recv(fd, garbage, 1, 0), 0);
	close(fd);
	assert_int_equal(call(s, AGENT_CHECK, &check, &resp), 0);
}

static void destroying_the_sandbox_ends_containers_and_agent(void **state)
{
	struct scene *s = *state;
	const grpc_CreateSandboxRequest sandbox = { .sandbox_id = (char *)"s" };
	const grpc_DestroySandboxRequest destroy = { 0 };
	grpc_Empty empty;
	int status;

	need_containers(s);
	assert_int_equal(call(s, AGENT_CREATE_SANDBOX, &sandbox, &empty), 0);
	assert_int_equal(call(s, AGENT_CREATE_SANDBOX, &sandbox, &empty), -EEXIST);
	assert_int_equal(create(s, false, "sleep 100", NULL), 0);
	assert_int_equal(start(s), 0);
	assert_int_equal(call(s, AGENT_DESTROY_SANDBOX, &destroy, &empty), 0);
	agent_client_free(steal_ptr(&s->client));
	assert_int_equal(waitpid(s->agent, &status, 0), s->agent);
	assert_int_equal(status, 0);
	s->agent = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scene, drop_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_container_runs_and_is_read_by_calls),
		TEST(nothing_runs_before_it_is_started),
		TEST(a_created_container_can_be_removed),
		TEST(fifty_mib_go_through_stdin_and_out_of_stdout_unchanged),
		TEST(a_host_that_does_not_read_fills_no_memory),
		TEST(a_writer_notices_that_its_reader_is_gone),
		TEST(an_exec_has_its_own_streams_and_status),
		TEST(a_child_that_keeps_the_output_does_not_hold_up_the_end),
		TEST(signals_end_an_init_as_one_expects),
		TEST(everybody_who_waits_gets_the_same_status),
		TEST(a_terminal_has_two_streams_and_a_size),
		TEST(mistakes_are_answered_as_katas_agent_does),
		TEST(a_garbled_connection_disturbs_nobody),
		TEST(destroying_the_sandbox_ends_containers_and_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

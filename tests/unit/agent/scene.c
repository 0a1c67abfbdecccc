/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/server/server.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

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

static _Noreturn void run_agent(const struct scene *s, const char *path, int ready_fd,
				scene_prepare_fn prepare)
{
	struct agent_server_options options = { .is_guest = false };
	struct agent_server *server;
	struct error err = ERROR_INIT;
	struct loop *loop;
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (prepare)
		prepare(s, &options);
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

int make_prepared_scene(void **state, scene_prepare_fn prepare)
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
		run_agent(s, path, ready[1], prepare);
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

int make_scene(void **state)
{
	return make_prepared_scene(state, NULL);
}

int drop_scene(void **state)
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

void need_containers(const struct scene *s)
{
	if (s->agent > 0)
		return;
	print_message("skipped: needs root and a static /bin/busybox\n");
	skip();
}

int call(struct scene *s, enum agent_method method, const void *req, void *resp)
{
	struct error err = ERROR_INIT;
	int r = agent_call(s->client, method, req, resp, TIMEOUT_MS, &err);

	if (r < 0)
		print_message("%s\n", err.msg);
	return r;
}

char *config_text(const struct scene *s, bool is_terminal, const char *script)
{
	return xasprintf(config_format, s->dir, is_terminal ? "true" : "false", script, s->cgroup);
}

int create(struct scene *s, bool is_terminal, const char *script, const struct ports *ports)
{
	cleanup_free char *json = config_text(s, is_terminal, script);
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

int start(struct scene *s)
{
	const grpc_StartContainerRequest req = { .container_id = (char *)"c" };
	grpc_Empty empty;

	return call(s, AGENT_START_CONTAINER, &req, &empty);
}

int run_exec(struct scene *s, const char *exec_id, const char *script, const struct ports *ports)
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

int wait_status(struct scene *s, const char *exec_id)
{
	const grpc_WaitProcessRequest req = { (char *)"c", (char *)exec_id };
	grpc_WaitProcessResponse resp;
	int r = call(s, AGENT_WAIT_PROCESS, &req, &resp);

	return r < 0 ? r : resp.status;
}

int send_signal(struct scene *s, const char *exec_id, uint32_t sig)
{
	const grpc_SignalProcessRequest req = { (char *)"c", (char *)exec_id, sig };
	grpc_Empty empty;

	return call(s, AGENT_SIGNAL_PROCESS, &req, &empty);
}

int remove_container(struct scene *s)
{
	const grpc_RemoveContainerRequest req = { .container_id = (char *)"c" };
	grpc_Empty empty;

	return call(s, AGENT_REMOVE_CONTAINER, &req, &empty);
}

char *read_all(struct scene *s, enum agent_method method, const char *exec_id)
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

int open_port(struct scene *s, uint32_t port, uint32_t *ret_number)
{
	struct error err = ERROR_INIT;
	int fd;

	if (agent_dial(s->loop, s->address, port, TIMEOUT_MS, &fd, ret_number, &err) < 0)
		fail_msg("%s", err.msg);
	return fd;
}

int open_stdio(struct scene *s, uint32_t *ret_number)
{
	int fd = open_port(s, AGENT_PORT_STDIO, ret_number);

	assert_true(*ret_number > 0);
	return fd;
}

void write_in(const struct scene *s, const char *path, const char *text)
{
	cleanup_free char *whole = xasprintf("%s/%s", s->dir, path);
	cleanup_free char *dir = xstrdup(whole);
	FILE *file;

	*strrchr(dir, '/') = '\0';
	assert_int_equal(mkdir_parents(dir, 0755), 0);
	file = fopen(whole, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

void write_program(const struct scene *s, const char *path, const char *text)
{
	cleanup_free char *whole = xasprintf("%s/%s", s->dir, path);

	write_in(s, path, text);
	assert_int_equal(chmod(whole, 0755), 0);
}

void on_answer(void *ctx, const void *response, const struct error *err)
{
	struct pending *p = ctx;

	p->code = response ? 0 : err->code;
	p->is_done = true;
}

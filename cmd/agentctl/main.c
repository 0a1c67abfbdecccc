/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fields.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "oci/config.h"

/*
 * One call to an agent by hand: moat-agentctl ADDRESS METHOD [JSON]. What the JSON object may hold
 * is the field table below; each method takes from it what its request has.
 */
#define DIAL_TIMEOUT_MS 5000
#define CONFIG_MAX OCI_CONFIG_MAX_BYTES

struct arguments {
	char *container_id;
	char *exec_id;
	char *bundle;  /* directory of a config.json */
	char *config;  /* or the file itself */
	char *process; /* file of a process object */
	char *data;
	char *hostname;
	char *sandbox_id;
	uint32_t signal;
	uint32_t len;
	uint32_t row;
	uint32_t column;
	uint32_t timeout;
	uint32_t stdin_port;
	uint32_t stdout_port;
	uint32_t stderr_port;
	int64_t sec;
};

static const struct field argument_fields[] = {
	FIELD(struct arguments, "container_id", STRING, container_id),
	FIELD(struct arguments, "exec_id", STRING, exec_id),
	FIELD(struct arguments, "bundle", STRING, bundle),
	FIELD(struct arguments, "config", STRING, config),
	FIELD(struct arguments, "process", STRING, process),
	FIELD(struct arguments, "data", STRING, data),
	FIELD(struct arguments, "hostname", STRING, hostname),
	FIELD(struct arguments, "sandbox_id", STRING, sandbox_id),
	FIELD(struct arguments, "signal", U32, signal),
	FIELD(struct arguments, "len", U32, len),
	FIELD(struct arguments, "row", U32, row),
	FIELD(struct arguments, "column", U32, column),
	FIELD(struct arguments, "timeout", U32, timeout),
	FIELD(struct arguments, "stdin_port", U32, stdin_port),
	FIELD(struct arguments, "stdout_port", U32, stdout_port),
	FIELD(struct arguments, "stderr_port", U32, stderr_port),
	FIELD(struct arguments, "sec", I64, sec),
};
static const struct fields arguments_object = FIELDS(struct arguments, argument_fields);
static const struct json_limits argument_limits = { 1u << 20, 4, 256, false };

/* The largest of each; only one is ever used. Its pointers belong to @args or to @text. */
union request {
	grpc_CheckRequest check;
	grpc_GuestDetailsRequest details;
	grpc_CreateSandboxRequest create_sandbox;
	grpc_DestroySandboxRequest destroy_sandbox;
	grpc_CreateContainerRequest create;
	grpc_StartContainerRequest start;
	grpc_WaitProcessRequest wait;
	grpc_SignalProcessRequest signal;
	grpc_ExecProcessRequest exec;
	grpc_RemoveContainerRequest remove;
	grpc_WriteStreamRequest write;
	grpc_ReadStreamRequest read;
	grpc_CloseStdinRequest close;
	grpc_TtyWinResizeRequest resize;
	grpc_SetGuestDateTimeRequest time;
	grpc_ReseedRandomDevRequest reseed;
};

union response {
	grpc_HealthCheckResponse check;
	grpc_VersionCheckResponse version;
	grpc_GuestDetailsResponse details;
	grpc_WaitProcessResponse wait;
	grpc_WriteStreamResponse write;
	grpc_ReadStreamResponse read;
};

struct command {
	const char *name;
	enum agent_method method;
	/* Fills the request; *@text is freed after the call. NULL: it is empty. */
	int (*build)(const struct arguments *args, union request *req, char **text,
		     struct error *err);
	void (*print)(struct json_writer *w,
		      const union response *resp); /* NULL: an empty object */
};

static int build_details(const struct arguments *args, union request *req, char **text,
			 struct error *err)
{
	req->details.mem_block_size = true;
	req->details.mem_hotplug_probe = true;
	return 0;
}

static int build_sandbox(const struct arguments *args, union request *req, char **text,
			 struct error *err)
{
	req->create_sandbox.hostname = args->hostname;
	req->create_sandbox.sandbox_id = args->sandbox_id;
	return 0;
}

/* The rootfs is named beside the bundle; the agent knows no bundles. */
static int load_config(const struct arguments *args, char **ret, struct error *err)
{
	cleanup_free char *path = args->bundle
					  ? xasprintf("%s/config.json", args->bundle)
					  : xstrdup(args->config ? args->config : "config.json");
	cleanup_oci_config struct oci_config *config = NULL;
	cleanup_free char *data = NULL;
	cleanup_free char *dir = NULL;
	size_t len;
	int r = read_file_at(AT_FDCWD, path, CONFIG_MAX, &data, &len);

	if (r < 0)
		return error_sys(err, r, "read '%s'", path);
	r = oci_config_parse(path, data, len, &config, err);
	if (r < 0)
		return r;
	if (config->root.path && config->root.path[0] != '/') {
		char *absolute;

		dir = realpath(args->bundle ? args->bundle : ".", NULL);
		absolute = xasprintf("%s/%s", dir ? dir : "", config->root.path);
		free(config->root.path);
		config->root.path = absolute;
	}
	*ret = oci_config_text(config, false);
	return 0;
}

static int build_create(const struct arguments *args, union request *req, char **text,
			struct error *err)
{
	int r = load_config(args, text, err);

	if (r < 0)
		return r;
	req->create = (grpc_CreateContainerRequest){
		.container_id = args->container_id,
		.exec_id = args->exec_id,
		.stdin_port = args->stdin_port,
		.stdout_port = args->stdout_port,
		.stderr_port = args->stderr_port,
		.oci_json = { (const uint8_t *)*text, strlen(*text) },
	};
	return 0;
}

static int build_exec(const struct arguments *args, union request *req, char **text,
		      struct error *err)
{
	const char *path = args->process ? args->process : "process.json";
	int r = read_file_at(AT_FDCWD, path, CONFIG_MAX, text, NULL);

	if (r < 0)
		return error_sys(err, r, "read '%s'", path);
	req->exec = (grpc_ExecProcessRequest){
		.container_id = args->container_id,
		.exec_id = args->exec_id,
		.stdin_port = args->stdin_port,
		.stdout_port = args->stdout_port,
		.stderr_port = args->stderr_port,
		.oci_json = { (const uint8_t *)*text, strlen(*text) },
	};
	return 0;
}

static int build_start(const struct arguments *args, union request *req, char **text,
		       struct error *err)
{
	req->start.container_id = args->container_id;
	return 0;
}

static int build_wait(const struct arguments *args, union request *req, char **text,
		      struct error *err)
{
	req->wait = (grpc_WaitProcessRequest){ args->container_id, args->exec_id };
	return 0;
}

static int build_signal(const struct arguments *args, union request *req, char **text,
			struct error *err)
{
	req->signal =
		(grpc_SignalProcessRequest){ args->container_id, args->exec_id, args->signal };
	return 0;
}

static int build_remove(const struct arguments *args, union request *req, char **text,
			struct error *err)
{
	req->remove = (grpc_RemoveContainerRequest){ args->container_id, args->timeout };
	return 0;
}

static int build_write(const struct arguments *args, union request *req, char **text,
		       struct error *err)
{
	req->write = (grpc_WriteStreamRequest){
		.container_id = args->container_id,
		.exec_id = args->exec_id,
		.data = { (const uint8_t *)args->data, args->data ? strlen(args->data) : 0 },
	};
	return 0;
}

static int build_read(const struct arguments *args, union request *req, char **text,
		      struct error *err)
{
	req->read = (grpc_ReadStreamRequest){ args->container_id, args->exec_id,
					      args->len ? args->len : 4096 };
	return 0;
}

static int build_close(const struct arguments *args, union request *req, char **text,
		       struct error *err)
{
	req->close = (grpc_CloseStdinRequest){ args->container_id, args->exec_id };
	return 0;
}

static int build_resize(const struct arguments *args, union request *req, char **text,
			struct error *err)
{
	req->resize = (grpc_TtyWinResizeRequest){ args->container_id, args->exec_id, args->row,
						  args->column };
	return 0;
}

static int build_time(const struct arguments *args, union request *req, char **text,
		      struct error *err)
{
	req->time.sec = args->sec;
	return 0;
}

static int build_reseed(const struct arguments *args, union request *req, char **text,
			struct error *err)
{
	req->reseed.data = (struct agent_bytes){ (const uint8_t *)args->data,
						 args->data ? strlen(args->data) : 0 };
	return 0;
}

static void put_string(struct json_writer *w, const char *key, const char *value)
{
	json_key(w, key);
	json_string(w, value ? value : "");
}

static void print_check(struct json_writer *w, const union response *resp)
{
	static const char *const names[] = { "UNKNOWN", "SERVING", "NOT_SERVING" };
	size_t status = (size_t)resp->check.status;

	put_string(w, "status", status < ARRAY_SIZE(names) ? names[status] : "?");
}

static void print_version(struct json_writer *w, const union response *resp)
{
	put_string(w, "grpc_version", resp->version.grpc_version);
	put_string(w, "agent_version", resp->version.agent_version);
}

static void print_details(struct json_writer *w, const union response *resp)
{
	const grpc_AgentDetails *details = &resp->details.agent_details;

	put_string(w, "version", details->version);
	json_key(w, "init_daemon");
	json_bool(w, details->init_daemon);
	json_key(w, "supports_seccomp");
	json_bool(w, details->supports_seccomp);
	json_key(w, "storage_handlers");
	json_open_array(w);
	for (size_t i = 0; i < details->storage_handlers_count; i++)
		json_string(w, details->storage_handlers[i]);
	json_close_array(w);
	json_key(w, "mem_block_size_bytes");
	json_u64(w, resp->details.mem_block_size_bytes);
	json_key(w, "support_mem_hotplug_probe");
	json_bool(w, resp->details.support_mem_hotplug_probe);
}

static void print_wait(struct json_writer *w, const union response *resp)
{
	json_key(w, "status");
	json_i64(w, resp->wait.status);
}

static void print_write(struct json_writer *w, const union response *resp)
{
	json_key(w, "len");
	json_u64(w, resp->write.len);
}

/* Text is what one reads by hand; a NUL ends it. */
static void print_read(struct json_writer *w, const union response *resp)
{
	cleanup_free char *text = xstrndup(resp->read.data.size ? (char *)resp->read.data.data : "",
					   resp->read.data.size);

	json_key(w, "len");
	json_u64(w, resp->read.data.size);
	put_string(w, "data", text);
}

/* clang-format off */
static const struct command commands[] = {
	{ "check", AGENT_CHECK, NULL, print_check },
	{ "version", AGENT_VERSION, NULL, print_version },
	{ "guest-details", AGENT_GET_GUEST_DETAILS, build_details, print_details },
	{ "create-sandbox", AGENT_CREATE_SANDBOX, build_sandbox, NULL },
	{ "destroy-sandbox", AGENT_DESTROY_SANDBOX, NULL, NULL },
	{ "create-container", AGENT_CREATE_CONTAINER, build_create, NULL },
	{ "start", AGENT_START_CONTAINER, build_start, NULL },
	{ "wait", AGENT_WAIT_PROCESS, build_wait, print_wait },
	{ "signal", AGENT_SIGNAL_PROCESS, build_signal, NULL },
	{ "exec", AGENT_EXEC_PROCESS, build_exec, NULL },
	{ "remove", AGENT_REMOVE_CONTAINER, build_remove, NULL },
	{ "write-stdin", AGENT_WRITE_STDIN, build_write, print_write },
	{ "close-stdin", AGENT_CLOSE_STDIN, build_close, NULL },
	{ "read-stdout", AGENT_READ_STDOUT, build_read, print_read },
	{ "read-stderr", AGENT_READ_STDERR, build_read, print_read },
	{ "resize", AGENT_TTY_WIN_RESIZE, build_resize, NULL },
	{ "set-time", AGENT_SET_GUEST_DATE_TIME, build_time, NULL },
	{ "reseed", AGENT_RESEED_RANDOM_DEV, build_reseed, NULL },
};
/* clang-format on */

static int print_usage(FILE *out, int status)
{
	fputs("Usage: moat-agentctl ADDRESS METHOD [JSON]\n"
	      "\n"
	      "Calls an agent at unix:///PATH (CONNECT handshake), unix-raw:///PATH or vsock://CID\n"
	      "and prints its answer as JSON.\n"
	      "\nMethods:",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "%s%s", i % 6 ? " " : "\n  ", commands[i].name);
	fputs("\n\nKeys of JSON:", out);
	for (size_t i = 0; i < ARRAY_SIZE(argument_fields); i++)
		fprintf(out, "%s%s", i % 6 ? " " : "\n  ", argument_fields[i].name);
	fputs("\n", out);
	return status;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (streq(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_response(const struct command *command, const union response *resp)
{
	cleanup_free char *text = NULL;
	struct json_writer *w = json_writer_new(true);

	json_open_map(w);
	if (command->print)
		command->print(w, resp);
	json_close_map(w);
	text = json_finish(w);
	fputs(text, stdout);
	if (!str_ends_with(text, "\n"))
		putchar('\n');
}

static int call(const struct command *command, const char *address, const struct arguments *args,
		struct error *err)
{
	union request req = { 0 };
	union response resp = { 0 };
	cleanup_free char *text = NULL;
	struct agent_client *client;
	struct loop *loop;
	int fd, r = command->build ? command->build(args, &req, &text, err) : 0;

	if (r < 0)
		return r;
	r = loop_new(&loop);
	if (r < 0)
		return error_sys(err, r, "make event loop");
	r = agent_dial(loop, address, AGENT_PORT_RPC, DIAL_TIMEOUT_MS, &fd, NULL, err);
	if (r < 0) {
		loop_free(loop);
		return r;
	}
	r = agent_client_new(loop, fd, &client);
	if (r < 0) {
		loop_free(loop);
		return error_sys(err, r, "make client");
	}
	r = agent_call(client, command->method, &req, &resp, -1, err);
	if (r == 0) {
		print_response(command, &resp);
		agent_response_release(command->method, &resp);
	}
	agent_client_free(client);
	loop_free(loop);
	return r;
}

int main(int argc, char **argv)
{
	struct arguments args = { 0 };
	struct error err = ERROR_INIT;
	const struct command *command;
	int r = 0;

	log_setup(&(struct log_options){
		.program = "moat-agentctl", .level = LOG_LEVEL_WARNING, .fd = -1 });
	if (argc == 2 && streq(argv[1], "--help"))
		return print_usage(stdout, 0);
	command = argc == 3 || argc == 4 ? find_command(argv[2]) : NULL;
	if (!command)
		return print_usage(stderr, 2);
	if (argc == 4)
		r = fields_parse(&arguments_object, "arguments", argv[3], strlen(argv[3]),
				 &argument_limits, &args, &err);
	if (r == 0)
		r = call(command, argv[1], &args, &err);
	fields_release(&arguments_object, &args);
	if (r < 0)
		log_failure(&err);
	return r < 0 ? 1 : 0;
}

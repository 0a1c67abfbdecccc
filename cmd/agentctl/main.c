/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "agent/client/message-json.h"
#include "agent/client/schema.h"
#include "cmd/agentctl/help.h"
#include "cmd/moat/grammar.h"
#include "cmd/moat/options.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fields.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/state/record.h"

/*
 * Any call to any agent by hand. Which methods there are and what their messages hold is known from
 * the .proto files (schema.h), so there is no code for any of them here.
 */
#define DIAL_TIMEOUT_MS 5000
#define CALL_TIMEOUT_MS 30000

DEFINE_CLEANUP(agent_client_free_p, struct agent_client *, agent_client_free)
#define cleanup_agent_client CLEANUP(agent_client_free_p)

struct values {
	char *root;
	struct opt_i64 timeout;
};

/* clang-format off */
static const struct option_spec specs[] = {
	{ "root", 0, OPTION_PATH, offsetof(struct values, root), NULL, "DIR", "where moat keeps the state of containers" },
	{ "timeout", 0, OPTION_TIME, offsetof(struct values, timeout), NULL, "TIME", "for an answer, as 10s or 1m30s (default: 30s; none for calls that wait)" },
};
/* clang-format on */
static const struct option_table table = OPTION_TABLE(specs);

/* What these wait for may take as long as it likes. */
static const char *const waiting_methods[] = {
	"WaitProcess", "GetOOMEvent", "ReadStdout", "ReadStderr", "WriteStdin",
};

static int timeout_ms(const struct values *values, const struct schema_method *method)
{
	int64_t ms = values->timeout.value / 1000000;

	if (values->timeout.is_set)
		return ms < 1 ? 1 : ms < INT_MAX ? (int)ms : INT_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(waiting_methods); i++)
		if (streq(waiting_methods[i], method->name))
			return -1;
	return CALL_TIMEOUT_MS;
}

/* A container's agent, by its record. */
static int find_address(const struct values *values, const char *id, char **ret, struct error *err)
{
	cleanup_free char *root = values->root ? xstrdup(values->root) : NULL;
	cleanup_state_dir struct state_dir *dir = NULL;
	cleanup_record struct record record = { 0 };
	int r = root ? 0 : state_default_root(&root, err);

	if (r == 0)
		r = state_check_id(id, err);
	if (r == 0)
		r = state_dir_open(root, id, &dir, err);
	if (r == 0)
		r = record_read(dir, &record, err);
	if (r < 0)
		return r;
	if (record.isolation != ISOLATION_VM)
		return error_set(err, -EOPNOTSUPP, "container '%s': has no agent: it is native",
				 id);
	if (!record.agent_address)
		return error_set(err, -ESRCH,
				 "container '%s': its virtual machine has no agent yet", id);
	*ret = steal_ptr(&record.agent_address);
	return 0;
}

static int read_request(const char *argument, const char **ret_name, char **ret, size_t *ret_len,
			struct error *err)
{
	bool is_stdin = streq(argument, "-");
	int r;

	*ret_name = "request";
	if (argument[strspn(argument, " \t\n")] == '{') {
		*ret = xstrdup(argument);
		*ret_len = strlen(argument);
		return 0;
	}
	if (!is_stdin)
		*ret_name = argument;
	r = is_stdin ? read_whole_fd(STDIN_FILENO, 2 * MESSAGE_MAX_BYTES, ret, ret_len)
		     : read_file_at(AT_FDCWD, argument, 2 * MESSAGE_MAX_BYTES, ret, ret_len);
	return r < 0 ? error_sys(err, r, "read request '%s'", argument) : 0;
}

static int build_request(const struct schema_method *method, const char *argument,
			 struct strbuf *request, struct error *err)
{
	cleanup_free char *text = NULL;
	const char *name;
	size_t len;
	int r;

	if (!argument)
		return 0;
	r = read_request(argument, &name, &text, &len, err);
	return r < 0 ? r : message_from_json(method->request, name, text, len, request, err);
}

static int print_response(const struct schema_method *method, const struct strbuf *response,
			  struct error *err)
{
	struct json_writer *w = json_writer_new(true);
	cleanup_free char *text = NULL;
	int r = message_to_json(method->response, response->buf ? response->buf : "", response->len,
				w);

	if (r < 0) {
		json_writer_free(w);
		return error_set(err, r, "agent: %s: the answer cannot be decoded", method->name);
	}
	text = json_finish(w);
	/* The writer gives an object without members two lines. */
	if (text[strspn(text, "{ \n")] == '}')
		puts("{}");
	else
		fputs(text, stdout);
	return fflush(stdout) < 0 ? error_sys(err, errno, "write the answer") : 0;
}

static int call(const struct values *values, const char *address,
		const struct schema_method *method, const char *argument, struct error *err)
{
	cleanup_strbuf struct strbuf request = STRBUF_INIT;
	cleanup_strbuf struct strbuf response = STRBUF_INIT;
	cleanup_loop struct loop *loop = NULL;
	cleanup_agent_client struct agent_client *client = NULL;
	int fd, r = build_request(method, argument, &request, err);

	if (r < 0)
		return r;
	r = loop_new(&loop);
	if (r < 0)
		return error_sys(err, r, "make event loop");
	r = agent_dial(loop, address, AGENT_PORT_RPC, DIAL_TIMEOUT_MS, &fd, NULL, err);
	if (r < 0)
		return r;
	r = agent_client_new(loop, fd, &client);
	if (r < 0)
		return error_sys(err, r, "make client");
	r = agent_call_bytes(client, method->service, method->name, &request, &response,
			     timeout_ms(values, method), err);
	return r < 0 ? r : print_response(method, &response, err);
}

static int run(const struct values *values, char **args, struct error *err)
{
	const struct schema_method *method;
	cleanup_free char *found = NULL;
	int r;

	if (!args[0] || !args[1])
		return error_set(
			err, -EINVAL,
			"wanted: ADDRESS METHOD [REQUEST]; 'moat-agentctl --help' tells more");
	if (args[2] && args[3])
		return error_set(err, -EINVAL, "unexpected argument '%s'", args[3]);
	method = schema_method_find(args[1]);
	if (!method)
		return error_set(err, -EINVAL,
				 "unknown method '%s'; 'moat-agentctl methods' lists them",
				 args[1]);
	if (!strstr(args[0], "://")) {
		r = find_address(values, args[0], &found, err);
		if (r < 0)
			return r;
	}
	return call(values, found ? found : args[0], method, args[2], err);
}

/* A method's when one is among the words. */
static void print_help(char *const *words)
{
	for (; *words; words++) {
		const struct schema_method *method = schema_method_find(*words);

		if (method) {
			help_print_method(method);
			return;
		}
	}
	help_print_usage(&table);
}

static void offer_addresses(const struct grammar_place *place)
{
	cleanup_free char *root = place->root ? xstrdup(place->root) : NULL;
	cleanup_strv char **ids = NULL;

	grammar_offer(place, "vsock://", "CID[:PORT]");
	grammar_offer(place, "hvsock://", "a socket that wants CONNECT first");
	grammar_offer(place, "unix://", "a unix socket");
	if ((root || state_default_root(&root, NULL) == 0) && state_list(root, &ids, NULL) == 0)
		strv_each(id, ids)
			grammar_offer(place, id, "container");
}

static void offer(const struct grammar_place *place)
{
	if (streq(place->argument, "ADDRESS"))
		offer_addresses(place);
	if (streq(place->argument, "METHOD"))
		for (size_t i = 0; i < schema_methods_count; i++)
			grammar_offer(place, schema_methods[i].name, schema_methods[i].help);
}

static bool answer_shell(char *const *args)
{
	static const struct grammar_command command = {
		.name = "",
		.summary = "call an agent by hand",
		.arguments = "ADDRESS METHOD [REQUEST]",
		.options = &table,
	};
	static const struct grammar grammar = { .commands = &command, .count = 1, .offer = offer };

	return grammar_answer(&grammar, args);
}

int main(int argc, char **argv)
{
	cleanup_strv char **words = strv_copy(argv + (argc > 0));
	char **args = argv + (argc > 0);
	struct error err = ERROR_INIT;
	struct values values = { 0 };
	int r = 0;

	log_setup(&(struct log_options){
		.program = "moat-agentctl", .level = LOG_LEVEL_WARNING, .fd = -1 });
	if (streq_null(args[0], "--version")) {
		printf("moat-agentctl %s\n", MOAT_VERSION);
	} else if (streq_null(args[0], "methods") && !args[1]) {
		help_print_methods();
	} else if (!answer_shell(args)) {
		r = options_parse(&table, args, false, &values, &err);
		if (r == OPTIONS_HELP)
			print_help(words);
		else if (r == 0)
			r = run(&values, args, &err);
	}
	options_release(&table, &values);
	if (r < 0)
		log_failure(&err);
	return r < 0 ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/server/server.h"
#include "cmd/agent/agent.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

static const char usage[] =
	"Usage: moat-agent --listen unix://PATH|hvsock://PATH|vsock [--debug]\n"
	"       moat-agent --version\n"
	"\n"
	"Runs containers for a host that speaks Kata's agent protocol. As pid 1 it is the init of a\n"
	"virtual machine and takes its options from the kernel's command line instead.\n";

struct arguments {
	const char *address;
	enum log_level level;
};

static int listen_on(struct agent_server *server, const char *address, struct error *err)
{
	const char *path = str_after(address, "unix://");
	const char *hybrid_path = str_after(address, "hvsock://");

	if (path)
		return agent_server_listen_unix(server, path, true, err);
	if (hybrid_path)
		return agent_server_listen_unix(server, hybrid_path, false, err);
	if (streq(address, "vsock"))
		return agent_server_listen_vsock(server, err);
	return error_set(err, -EINVAL, "listen on '%s': not an address", address);
}

static int serve(const struct arguments *args, struct error *err)
{
	const struct agent_server_options options = { .is_guest = false };
	struct agent_server *server = NULL;
	struct loop *loop;
	int r = loop_new(&loop);

	if (r < 0)
		return error_sys(err, r, "make event loop");
	r = agent_server_new(loop, &options, &server, err);
	if (r == 0)
		r = listen_on(server, args->address, err);
	if (r == 0)
		r = loop_run(loop);
	agent_server_free(server);
	loop_free(loop);
	return r;
}

/* 0 to go on, otherwise the exit status plus one. */
static int parse_arguments(char **argv, struct arguments *ret)
{
	*ret = (struct arguments){ .level = LOG_LEVEL_WARNING };
	for (char **arg = argv + 1; *arg; arg++) {
		if (streq(*arg, "--version")) {
			printf("moat-agent %s\n", MOAT_VERSION);
			return 1;
		}
		if (streq(*arg, "--help")) {
			fputs(usage, stdout);
			return 1;
		}
		if (streq(*arg, "--debug")) {
			ret->level = LOG_LEVEL_DEBUG;
		} else if (streq(*arg, "--listen") && arg[1]) {
			ret->address = *++arg;
		} else {
			fprintf(stderr, "moat-agent: unknown argument '%s'\n%s", *arg, usage);
			return 2;
		}
	}
	if (!ret->address)
		fputs(usage, stderr);
	return ret->address ? 0 : 2;
}

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;
	struct arguments args;
	int r;

	if (argc > 1 && streq(program_invocation_short_name, "modprobe"))
		return modules_probe(argv + 1);
	/* A pid namespace has a pid 1 too, but nobody starts that one without arguments. */
	if (getpid() == 1 && (argc < 2 || argv[1][0] != '-'))
		pid1_main();
	r = parse_arguments(argv, &args);
	if (r)
		return r - 1;
	log_setup(&(struct log_options){ .program = "moat-agent", .level = args.level, .fd = -1 });
	log_keep_stderr();
	if (serve(&args, &err) < 0) {
		log_failure(&err);
		return 1;
	}
	return 0;
}

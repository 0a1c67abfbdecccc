/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/server/options.h"

#include <string.h>

#include "lib/base/str.h"

#define DEFAULT_PORT_NAME "agent"
#define DEVICE_TIMEOUT_MAX_S 3600

/* clang-format off */
static const struct {
	const char *name;
	enum log_level level;
} levels[] = {
	{ "trace", LOG_LEVEL_DEBUG },     { "debug", LOG_LEVEL_DEBUG },
	{ "info", LOG_LEVEL_INFO },       { "warn", LOG_LEVEL_WARNING },
	{ "warning", LOG_LEVEL_WARNING }, { "error", LOG_LEVEL_ERROR },
	{ "critical", LOG_LEVEL_ERROR },
};
/* clang-format on */

static void parse_log(const char *value, struct agent_boot_options *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (streq(levels[i].name, value))
			o->log_level = levels[i].level;
}

static void set_channel(struct agent_boot_options *o, enum agent_channel channel, const char *name)
{
	if (strlen(name) >= sizeof(o->channel_name))
		return;
	o->channel = channel;
	memcpy(o->channel_name, name, strlen(name) + 1);
}

static void parse_channel(const char *value, struct agent_boot_options *o)
{
	const char *port = str_after(value, "serial:");

	if (streq(value, "vsock"))
		set_channel(o, AGENT_CHANNEL_VSOCK, "");
	else if (port && *port)
		set_channel(o, AGENT_CHANNEL_SERIAL, port);
	else if (streq(value, "serial"))
		set_channel(o, AGENT_CHANNEL_SERIAL, DEFAULT_PORT_NAME);
}

static void parse_address(const char *value, struct agent_boot_options *o)
{
	const char *path = str_after(value, "unix://");

	if (streq(value, "vsock://-1:1024"))
		set_channel(o, AGENT_CHANNEL_VSOCK, "");
	else if (path && *path == '/')
		set_channel(o, AGENT_CHANNEL_UNIX, path);
}

static void parse_log_port(const char *value, struct agent_boot_options *o)
{
	(void)parse_u32(value, &o->log_port); /* as it was */
}

static void parse_console(const char *value, struct agent_boot_options *o)
{
	if (!*value || *value == '=') /* else it is another option */
		o->has_console = !*value || streq(value, "=true") || streq(value, "=1");
}

static void parse_console_port(const char *value, struct agent_boot_options *o)
{
	(void)parse_u32(value, &o->console_port); /* as it was */
}

static void parse_device_timeout(const char *value, struct agent_boot_options *o)
{
	uint32_t seconds;

	if (parse_u32(value, &seconds) == 0 && seconds <= DEVICE_TIMEOUT_MAX_S)
		o->device_timeout_s = seconds;
}

static void parse_pipe_size(const char *value, struct agent_boot_options *o)
{
	uint32_t size;

	if (parse_u32(value, &size) == 0 && size <= INT32_MAX)
		o->pipe_size = size;
}

/* agent.passfd_listener_port needs no entry: the stdio listener is always there, on 1027. */
static const struct {
	const char *name;
	void (*parse)(const char *value, struct agent_boot_options *o);
} options[] = {
	{ "agent.log=", parse_log },
	{ "agent.server_addr=", parse_address },
	{ "agent.channel=", parse_channel },
	{ "agent.log_vport=", parse_log_port },
	{ "agent.debug_console_vport=", parse_console_port },
	{ "agent.debug_console", parse_console }, /* alone, or with a truth */
	{ "agent.hotplug_timeout=", parse_device_timeout },
	{ "agent.container_pipe_size=", parse_pipe_size },
};

void agent_boot_options_parse(const char *command_line, struct agent_boot_options *ret)
{
	struct agent_boot_options o = {
		.log_level = LOG_LEVEL_WARNING,
		.channel = AGENT_CHANNEL_AUTO,
		.channel_name = DEFAULT_PORT_NAME,
	};
	cleanup_free char *copy = xstrdup(command_line);
	char *rest = copy, *word;

	while ((word = strsep(&rest, " \t\n")))
		for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
			const char *value = str_after(word, options[i].name);

			if (value)
				options[i].parse(value, &o);
		}
	*ret = o;
}

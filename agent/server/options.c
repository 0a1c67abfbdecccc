/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/server/options.h"

#include <string.h>

#include "lib/base/str.h"

#define DEFAULT_PORT_NAME "agent"
#define DEVICE_TIMEOUT_MAX_S 3600
#define BLANKS " \t\r"

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
	if (*value == '=')
		value++;
	if (!*value || streq(value, "true") || streq(value, "1"))
		o->has_console = true;
	else if (streq(value, "false") || streq(value, "0"))
		o->has_console = false;
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

static void parse_keeps_devices(const char *value, struct agent_boot_options *o)
{
	o->keeps_devices = !*value;
}

static void parse_no_half_close(const char *value, struct agent_boot_options *o)
{
	o->no_half_close = !*value;
}

static void parse_pipe_size(const char *value, struct agent_boot_options *o)
{
	uint32_t size;

	if (parse_u32(value, &size) == 0 && size <= INT32_MAX)
		o->pipe_size = size;
}

static void parse_file(const char *value, struct agent_boot_options *o)
{
	if (*value == '/' && strlen(value) < sizeof(o->config_file))
		memcpy(o->config_file, value, strlen(value) + 1);
}

/* agent.passfd_listener_port needs no entry: the stdio listener is always there, on 1027. */
static const struct {
	const char *name;
	const char *key; /* in a file; NULL: not in there */
	void (*parse)(const char *value, struct agent_boot_options *o);
} options[] = {
	{ "agent.log=", "log_level", parse_log },
	{ "agent.server_addr=", "server_addr", parse_address },
	{ "agent.channel=", NULL, parse_channel },
	{ "agent.log_vport=", "log_vport", parse_log_port },
	{ "agent.debug_console_vport=", "debug_console_vport", parse_console_port },
	{ "agent.debug_console", "debug_console", parse_console }, /* alone, or with a truth */
	{ "agent.hotplug_timeout=", "hotplug_timeout", parse_device_timeout },
	{ "agent.container_pipe_size=", "container_pipe_size", parse_pipe_size },
	{ "agent.keeps_devices", NULL, parse_keeps_devices },
	{ "agent.no_half_close", NULL, parse_no_half_close },
	{ "agent.config_file=", NULL, parse_file },
};

static const struct agent_boot_options defaults = {
	.log_level = LOG_LEVEL_WARNING,
	.channel = AGENT_CHANNEL_AUTO,
	.channel_name = DEFAULT_PORT_NAME,
};

void agent_boot_options_parse(const char *command_line, struct agent_boot_options *ret)
{
	struct agent_boot_options o = defaults;
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

/* `key = value`, where the value is a number, a truth or a string, as TOML has them. Cuts the line
 * up; NULL: it says nothing. */
static const char *split_setting(char *line, char **ret_key)
{
	char *value = strchr(line, '='), *end;

	line += strspn(line, BLANKS);
	if (!value || *line == '#')
		return NULL;
	*value++ = '\0';
	line[strcspn(line, BLANKS)] = '\0';
	*ret_key = line;
	value += strspn(value, BLANKS);
	if (*value == '"' || *value == '\'') {
		end = strchr(value + 1, *value);
		value++;
	} else {
		end = value + strcspn(value, BLANKS "#");
	}
	if (!end)
		return NULL;
	*end = '\0';
	return value;
}

void agent_boot_options_parse_file(const char *text, struct agent_boot_options *ret)
{
	struct agent_boot_options o = defaults;
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy, *key = NULL, *line;

	o.channel = ret->channel; /* what the machine has is not a matter of taste */
	o.keeps_devices = ret->keeps_devices;
	o.no_half_close = ret->no_half_close;
	memcpy(o.channel_name, ret->channel_name, sizeof(o.channel_name));
	while ((line = strsep(&rest, "\n"))) {
		const char *value;

		if (line[strspn(line, BLANKS)] == '[') /* tables are not the agent's */
			break;
		value = split_setting(line, &key);
		for (size_t i = 0; value && i < ARRAY_SIZE(options); i++)
			if (options[i].key && streq(key, options[i].key))
				options[i].parse(value, &o);
	}
	*ret = o;
}

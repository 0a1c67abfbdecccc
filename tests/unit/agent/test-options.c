/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "agent/server/options.h"
#include "lib/base/str.h"

struct wanted {
	const char *line;
	enum log_level log_level;
	enum agent_channel channel;
	const char *name;
};

static void check(const struct wanted *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct agent_boot_options o;

		agent_boot_options_parse(cases[i].line, &o);
		assert_int_equal(o.log_level, cases[i].log_level);
		assert_int_equal(o.channel, cases[i].channel);
		assert_string_equal(o.channel_name, cases[i].name);
	}
}

static void a_command_line_without_options_gives_the_defaults(void **state)
{
	static const struct wanted cases[] = {
		{ "", LOG_LEVEL_WARNING, AGENT_CHANNEL_AUTO, "agent" },
		{ "console=ttyS0 quiet reboot=t\n", LOG_LEVEL_WARNING, AGENT_CHANNEL_AUTO,
		  "agent" },
	};

	check(cases, ARRAY_SIZE(cases));
}

static void the_channel_can_be_chosen(void **state)
{
	static const struct wanted cases[] = {
		{ "a agent.channel=vsock b", LOG_LEVEL_WARNING, AGENT_CHANNEL_VSOCK, "" },
		{ "agent.channel=serial", LOG_LEVEL_WARNING, AGENT_CHANNEL_SERIAL, "agent" },
		{ "agent.channel=serial:other\n", LOG_LEVEL_WARNING, AGENT_CHANNEL_SERIAL,
		  "other" },
		{ "agent.server_addr=unix:///run/a", LOG_LEVEL_WARNING, AGENT_CHANNEL_UNIX,
		  "/run/a" },
		{ "agent.server_addr=vsock://-1:1024", LOG_LEVEL_WARNING, AGENT_CHANNEL_VSOCK, "" },
	};

	check(cases, ARRAY_SIZE(cases));
}

static void the_last_one_counts(void **state)
{
	static const struct wanted cases[] = {
		{ "agent.log=debug agent.log=error", LOG_LEVEL_ERROR, AGENT_CHANNEL_AUTO, "agent" },
		{ "agent.channel=vsock agent.channel=serial:x", LOG_LEVEL_WARNING,
		  AGENT_CHANNEL_SERIAL, "x" },
	};

	check(cases, ARRAY_SIZE(cases));
}

static void what_is_not_understood_changes_nothing(void **state)
{
	static const struct wanted cases[] = {
		{ "agent.log=loud", LOG_LEVEL_WARNING, AGENT_CHANNEL_AUTO, "agent" },
		{ "agent.channel=pigeon", LOG_LEVEL_WARNING, AGENT_CHANNEL_AUTO, "agent" },
		{ "agent.channel=serial:", LOG_LEVEL_WARNING, AGENT_CHANNEL_AUTO, "agent" },
		{ "agent.channel", LOG_LEVEL_WARNING, AGENT_CHANNEL_AUTO, "agent" },
		{ "xagent.channel=vsock", LOG_LEVEL_WARNING, AGENT_CHANNEL_AUTO, "agent" },
		{ "agent.channel=serial:a-name-that-is-much-longer-than-any-virtio-serial-port-has-"
		  "ever-been-given",
		  LOG_LEVEL_WARNING, AGENT_CHANNEL_AUTO, "agent" },
	};

	check(cases, ARRAY_SIZE(cases));
}

static void what_is_extra_has_a_port_or_a_number(void **state)
{
	struct agent_boot_options o;

	agent_boot_options_parse("agent.log_vport=1025 agent.debug_console "
				 "agent.debug_console_vport=1026 agent.hotplug_timeout=7 "
				 "agent.container_pipe_size=4096 agent.keeps_devices "
				 "agent.no_half_close",
				 &o);
	assert_true(o.keeps_devices);
	assert_true(o.no_half_close);
	assert_int_equal(o.log_port, 1025);
	assert_true(o.has_console);
	assert_int_equal(o.console_port, 1026);
	assert_int_equal(o.device_timeout_s, 7);
	assert_int_equal(o.pipe_size, 4096);
	agent_boot_options_parse("agent.debug_console_vport=1026 agent.log_vport=x "
				 "agent.hotplug_timeout=99999 agent.container_pipe_size=-1",
				 &o);
	assert_int_equal(o.log_port, 0);
	assert_false(o.keeps_devices);
	assert_false(o.no_half_close);
	assert_false(o.has_console); /* a port alone asks for nothing */
	assert_int_equal(o.device_timeout_s, 0);
	assert_int_equal(o.pipe_size, 0);
	agent_boot_options_parse("agent.debug_console=true", &o);
	assert_true(o.has_console);
	agent_boot_options_parse("agent.debug_console=false", &o);
	assert_false(o.has_console);
}

static void a_file_says_the_same_in_its_own_words(void **state)
{
	static const char text[] = "# of the image\n"
				   "log_level = \"debug\" # not info\n"
				   "  server_addr='unix:///run/agent.sock'\r\n"
				   "log_vport = 1025\n"
				   "debug_console = true\n"
				   "debug_console_vport = 1026 # a shell\n"
				   "hotplug_timeout = 7\n"
				   "container_pipe_size = 65536\n"
				   "dev_mode = true\n"
				   "log = \"error\"\n"
				   "\"unfinished\n"
				   "unfinished = \"\n"
				   "=\n"
				   "[endpoints]\n"
				   "hotplug_timeout = 9\n";
	struct agent_boot_options o;

	agent_boot_options_parse("agent.channel=vsock agent.log=error", &o);
	agent_boot_options_parse_file(text, &o);
	assert_int_equal(o.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(o.channel, AGENT_CHANNEL_UNIX);
	assert_string_equal(o.channel_name, "/run/agent.sock");
	assert_int_equal(o.log_port, 1025);
	assert_true(o.has_console);
	assert_int_equal(o.console_port, 1026);
	assert_int_equal(o.device_timeout_s, 7);
	assert_int_equal(o.pipe_size, 65536);
}

static void the_command_line_names_the_file(void **state)
{
	struct agent_boot_options o;

	agent_boot_options_parse("agent.log=debug agent.config_file=/etc/agent.toml", &o);
	assert_string_equal(o.config_file, "/etc/agent.toml");
	agent_boot_options_parse("agent.config_file=agent.toml", &o);
	assert_string_equal(o.config_file, "");
	agent_boot_options_parse("agent.log=debug agent.channel=serial:other", &o);
	agent_boot_options_parse_file("channel = \"vsock\"", &o);
	assert_int_equal(o.log_level, LOG_LEVEL_WARNING);
	assert_int_equal(o.channel, AGENT_CHANNEL_SERIAL);
	assert_string_equal(o.channel_name, "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_line_without_options_gives_the_defaults),
		cmocka_unit_test(the_channel_can_be_chosen),
		cmocka_unit_test(the_last_one_counts),
		cmocka_unit_test(what_is_not_understood_changes_nothing),
		cmocka_unit_test(what_is_extra_has_a_port_or_a_number),
		cmocka_unit_test(a_file_says_the_same_in_its_own_words),
		cmocka_unit_test(the_command_line_names_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

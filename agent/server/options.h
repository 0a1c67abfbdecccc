/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/log.h"

/*
 * What the kernel's command line tells the agent: Kata's options as far as they mean something
 * here, and agent.channel, which is ours. The line is written by the host and trusted; what is
 * unknown on it belongs to others.
 */
enum agent_channel {
	AGENT_CHANNEL_AUTO, /* vsock where it works, else the port "agent" */
	AGENT_CHANNEL_VSOCK,
	AGENT_CHANNEL_SERIAL, /* a virtio-serial port with yamux on it */
	AGENT_CHANNEL_UNIX, /* a socket of this machine, as Kata's agent.server_addr can ask for */
};

struct agent_boot_options {
	enum log_level log_level;
	enum agent_channel channel;
	char channel_name[64]; /* SERIAL: of the port; UNIX: path */
	uint32_t log_port;     /* 0: the console alone */
	bool has_console;      /* a shell for who debugs, if it has a port too */
	uint32_t console_port;
	uint32_t device_timeout_s; /* 0: the default */
	uint32_t pipe_size;
	bool keeps_devices;
	bool no_half_close;
	char config_file[256]; /* of the guest's image, which counts instead; "": none */
};

/* Pure. Of repeated options the last one counts; values that are not understood are ignored, like
 * Kata's agent does, because a guest that does not boot helps nobody. */
void agent_boot_options_parse(const char *command_line, struct agent_boot_options *ret);
/* The same from the text of that file, instead of all that *@ret has but the channel. Kata's
 * agent reads TOML, of which this is what its settings need. Keys are the options' names without
 * "agent.", but "log_level". */
void agent_boot_options_parse_file(const char *text, struct agent_boot_options *ret);

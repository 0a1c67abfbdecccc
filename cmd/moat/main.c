/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/cli.h"
#include "cmd/moat/command.h"

/* In the order of a container's life, as --help lists them. */
const struct command *const commands[] = {
	&create_command,   &start_command,	&run_command,	  &exec_command,    &pause_command,
	&resume_command,   &ps_command,		&kill_command,	  &delete_command,  &state_command,
	&list_command,	   &update_command,	&mounts_command,  &events_command,  &spec_command,
	&features_command, &checkpoint_command, &restore_command, &check_command,   &env_command,
	&template_command, &metrics_command,	&logs_command,	  &console_command, NULL,
};

int main(int argc, char **argv)
{
	return cli_main(argv);
}

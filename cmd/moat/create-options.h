/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "cmd/moat/options.h"
#include "lib/container/container.h"

struct error;
struct globals;

/* What `create`, `run` and, but for descriptors, `restore` have in common. */
struct create_values {
	char *bundle;
	char *config;
	char *console_socket;
	char *pid_file;
	char *pidfd_socket;
	uint32_t preserved_fds;
	bool no_pivot;
	bool no_new_keyring;
	bool no_subreaper;
	bool is_detached; /* `create` always is */
};

/* clang-format off */
#define CONTAINER_OPTION_SPECS(at) \
	{ "bundle", 'b', OPTION_PATH, at(bundle), NULL, "DIR", "the bundle (default: the working directory)" }, \
	{ "config", 'f', OPTION_PATH, at(config), NULL, "FILE", "read this instead of the bundle's config.json" }, \
	{ "console-socket", 0, OPTION_PATH, at(console_socket), NULL, "SOCKET", "send the terminal's master there" }, \
	{ "pid-file", 0, OPTION_PATH, at(pid_file), NULL, "FILE", "write the process's pid there" }, \
	{ "pidfd-socket", 0, OPTION_PATH, at(pidfd_socket), NULL, "SOCKET", "send a pidfd of the process there" }, \
	{ "no-pivot", 0, OPTION_FLAG, at(no_pivot), NULL, NULL, "change root without pivot_root(2)" }, \
	{ "no-new-keyring", 0, OPTION_FLAG, at(no_new_keyring), NULL, NULL, "stay in the caller's session keyring" }
#define CREATE_OPTION_SPECS(at) \
	CONTAINER_OPTION_SPECS(at), \
	{ "preserve-fds", 0, OPTION_U32, at(preserved_fds), NULL, "N", "keep descriptors 3 to 2+N open in the container" }
/* clang-format on */

/* Fills @ret from what was given; it borrows from @globals, @values and @id. */
int create_request(const struct globals *globals, const struct create_values *values,
		   const char *id, struct container_create_request *ret, struct error *err);

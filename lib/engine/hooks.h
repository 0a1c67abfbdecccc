/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "oci/config.h"
#include "oci/state.h"

struct error;

/*
 * Hooks (config.md#posix-platform-hooks), one after the other in the namespaces and with the
 * rights of the calling process; the first that fails ends the list. Each gets the state on
 * standard input, only the environment that it names, and no other descriptor; its output becomes
 * part of the error.
 */
struct hooks_context {
	const char *kind; /* "createRuntime", for messages */
	const char *id;
	const char *bundle;
	const struct string_map *annotations;
	pid_t pid; /* of the container, as the runtime sees it; 0: none any more */
	enum oci_status status;
	bool keeps_cwd;		  /* else they start in the bundle, or in "/" when that is gone */
	char *const *default_env; /* of a hook that has no env; NULL: an empty one */
	/* Files to which the output is appended, instead of to the error; or NULL. */
	const char *stdout_path;
	const char *stderr_path;
};

int hooks_run(const struct hooks_context *context, const struct oci_hook *hooks, size_t count,
	      struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "oci/config.h"

struct error;

/*
 * Which device nodes and links a container's /dev gets. Pure. Those that every Linux program may
 * expect (config-linux.md#default-devices) are made unless the configuration brings a host's
 * whole /dev, in which nothing is made; an entry of linux.devices takes the place of a default one.
 */
struct device_plan {
	const char *path; /* borrowed */
	mode_t mode;	  /* type and permissions */
	dev_t rdev;
	uid_t uid;
	gid_t gid;
	/* Permissions or owner were asked for: a node that is there gets them too. */
	bool is_strict;
};

struct devices_plan {
	struct device_plan *nodes;
	size_t count;
	bool has_links; /* /dev/fd, stdin, stdout, stderr, core, ptmx */
};

int devices_plan(const struct oci_config *config, struct devices_plan *ret, struct error *err);
void devices_plan_done(struct devices_plan *plan);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct container_info;

/* What a container is and takes on this host, for people. Found out without asking a guest. */
struct container_usage {
	/* "qemu/tcg"; of a member of a pod "in ID"; NULL: it is native, or has ended. */
	char *vmm;
	/* Bytes resident on the host: of its processes, or of its shim and VMM; 0: none. */
	uint64_t memory;
};
void container_usage(const char *root, const struct container_info *info,
		     struct container_usage *ret);

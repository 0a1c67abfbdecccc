/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct container_info;

/* What a container is and takes on this host, for people. Found out without asking a guest. */
struct container_usage {
	char *vmm; /* "qemu/tcg"; of a member of a pod "in ID"; NULL: it is native, or has ended */
	uint64_t
		memory; /* bytes resident on the host: of its processes, or of its shim and VMM; 0: none */
};
void container_usage(const char *root, const struct container_info *info,
		     struct container_usage *ret);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor.h"

struct oci_config;

/* The processor that the container's first program is for, or that of the interpreter which its
 * "#!" names: what its file, searched in the root directory as exec would, says in its ELF header.
 * HV_ARCH_COUNT: nothing is found or told, as with a root that is an image. The file is the
 * container's and is not trusted: a regular one is opened, beneath the root, and its first bytes
 * are read. @bundle: where a relative root.path begins. */
enum hv_arch entry_arch(const struct oci_config *config, const char *bundle);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;

/* A kernel file, as a VMM loads it. */
struct kernel_file {
	char *data; /* unpacked; a bzImage stays one */
	size_t len;
	int arch;      /* enum hv_arch */
	bool is_elf;   /* x86_64: an ELF file with a PVH entry */
	char *release; /* uname -r, NULL: not found in it */
	char *config;  /* the configuration that it carries itself, NULL: none */
};

#define KERNEL_MAX_BYTES (512u * 1024 * 1024)

/* Accepted: x86_64 ELF with PVH, x86 bzImage, ELF of the other architectures, Image of arm64 and
 * RISC-V, the image of s390; all but the bzImage also packed. */
int kernel_file_read(const char *path, struct kernel_file *ret, struct error *err);
/* Pure: of @data, which it takes. @path is for messages. */
int kernel_file_parse(const char *path, char *data, size_t len, struct kernel_file *ret,
		      struct error *err);
void kernel_file_done(struct kernel_file *kernel);

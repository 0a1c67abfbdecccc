/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "lib/base/str.h"

/*
 * An archive that the kernel unpacks as its first root ("newc", kernel Documentation/driver-api/
 * early-userspace/buffer-format.rst). The same calls give the same bytes: no times, no owners but
 * root, inode numbers in order. Names are relative; parents come before what is in them.
 */
struct cpio {
	struct strbuf out;
	uint32_t last_inode;
};
#define CPIO_INIT                                                                                  \
	{                                                                                          \
		STRBUF_INIT, 0                                                                     \
	}

void cpio_add_dir(struct cpio *cpio, const char *name, uint32_t mode);
/* @len: below 4 GiB, which the format ends at. */
void cpio_add_file(struct cpio *cpio, const char *name, uint32_t mode, const void *data,
		   size_t len);
void cpio_add_char_device(struct cpio *cpio, const char *name, uint32_t mode, uint32_t major,
			  uint32_t minor);
/* Ends the archive; .out is then complete. */
void cpio_finish(struct cpio *cpio);
void cpio_done(struct cpio *cpio);
#define cleanup_cpio CLEANUP(cpio_done)

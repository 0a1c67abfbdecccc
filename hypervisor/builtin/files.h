/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct error;
struct loop;
struct virtio_device;

/*
 * The thread that serves the shared directory (virtio/fs.h): it waits for the host's file systems,
 * and has the rights that serving files takes, which no other thread keeps.
 */
struct files;

/* Opens what has a name; *ret_device is to be served by the loop of files_loop(). */
int files_new(const char *path, const char *tag, struct files **ret,
	      struct virtio_device **ret_device, struct error *err);
/* Of one that was not started, or NULL. Its device has to be gone. */
void files_free(struct files *files);
struct loop *files_loop(const struct files *files);
/* From here on it runs, behind the filter of @confine. It keeps the rights of the caller, who then
 * gives up his own. */
int files_start(struct files *files, int (*confine)(struct error *err), struct error *err);

/* The capabilities that it takes, as a mask: what is made belongs to whom the guest says. */
uint64_t files_capabilities(void);

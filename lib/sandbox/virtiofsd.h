/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct hv_vm;

/*
 * virtiofsd, the daemon behind a virtiofs share: QEMU's old one in C and today's in Rust, whose
 * options differ.
 */

/* Starts one for @shared_dir; it dies with the calling thread, and hv_stop() ends it. @socket_path:
 * a name to meet at, gone again when the call returns. *ret_fd is connected to it, for the VMM;
 * NULL: the VMM is to connect by that name, which stays.
 * What the daemon prints goes to @log_fd. */
int virtiofsd_start(const char *shared_dir, const char *socket_path, int log_fd, struct hv_vm *ret,
		    int *ret_fd, struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;
struct hv_vm;

/* Programs of a VM: the VMM, and the daemons that serve its devices. */

/* The first of @names (ends in NULL) that is a program on the fixed search path; $PATH is the
 * caller's environment and does not decide what runs as root. -ENOENT: "find 'NAME': …" with the first.
 * @root: where the search path begins, "" for this host; *ret is seen from there. */
int hv_find_program(const char *root, const char *const *names, char **ret, struct error *err);

/* The virtiofsd of this host, or of the one at @root, or NULL. There are two, of which the one in
 * Rust has options of its own; @ret_is_rust may be NULL. Without running it. */
const char *hv_find_virtiofsd(const char *root, bool *ret_is_rust);

/* Runs @argv (argv[0] a path) as a child with standard output and error on @log_fd, the
 * descriptors @fds and no others, without new privileges, in a session of its own and network, ipc
 * and uts namespaces with nothing in them, killed when the calling thread ends. A program that
 * cannot be executed is an error here. */
int hv_spawn(char *const *argv, const int *fds, size_t fds_count, int log_fd, struct hv_vm *ret,
	     struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct error;
struct hv_vm;

/* Programs of a VM: the VMM, and the daemons that serve its devices. */

/* The first of @names (ends in NULL) that is a program on the fixed search path; $PATH is the
 * caller's environment and does not decide what runs as root. -ENOENT: "find 'NAME': …" with the first. */
int hv_find_program(const char *const *names, char **ret, struct error *err);

/* Runs @argv (argv[0] a path) as a child with standard output and error on @log_fd, the
 * descriptors @fds and no others, without new privileges, in a session of its own and network, ipc
 * and uts namespaces with nothing in them, killed when the calling thread ends. A program that
 * cannot be executed is an error here. */
int hv_spawn(char *const *argv, const int *fds, size_t fds_count, int log_fd, struct hv_vm *ret,
	     struct error *err);

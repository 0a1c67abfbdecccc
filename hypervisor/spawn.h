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
 * descriptors @fds and no others, an empty environment, without new privileges, in a session of
 * its own and network, ipc, uts and pid namespaces with nothing in them, killed when the calling
 * thread ends. A program that cannot be executed is an error here. */
int hv_spawn(char *const *argv, const int *fds, size_t fds_count, int log_fd, struct hv_vm *ret,
	     struct error *err);

/* The same for who wants something else. */
struct hv_fork;
struct hv_jail;
struct hv_spawn {
	char *const *argv;
	const struct hv_fork *fork; /* instead of a program; NULL: none */
	const int *fds;
	size_t fds_count;
	const char *dir; /* the current directory; NULL: the caller's */
	int out_fd;	 /* standard output, where some VMMs put the guest's console */
	int log_fd;
	const struct hv_jail *jail; /* what of the host's files it sees; NULL: all */
	bool keeps_network;	    /* it stays in the caller's network namespace */
	bool has_own_user;  /* an id and a user namespace of its own, not root's, if it can open: */
	const char *device; /* what it opens by name for both; NULL: nothing */
	bool has_no_rights; /* no capabilities; else those of the bounding set, if it is root */
	bool has_small_pages; /* of memory only; else it may have the kernel's huge ones */
};
int hv_spawn_as(const struct hv_spawn *how, struct hv_vm *ret, struct error *err);

/*
 * The same without a program: the child is a copy of this process, which must have one thread. It
 * calls @prepare, whose error is hv_fork()'s, and then @run, which ends by _exit(2). Both have the
 * descriptors @fds and no others of this process, so its event loop is not theirs to use, and of
 * the environment nothing, not even its bytes; what is logged goes to standard error.
 */
struct hv_fork {
	const char *name; /* the process's, and in front of what it has to say */
	int (*prepare)(void *ctx, struct error *err);
	void (*run)(void *ctx);
	void *ctx;
};
int hv_fork(const struct hv_fork *fork, const int *fds, size_t fds_count, int log_fd,
	    struct hv_vm *ret, struct error *err);

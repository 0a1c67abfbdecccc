/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct agent_client;
struct channel;
struct error;
struct files;
struct loop;

/*
 * The owning shim and the other shims of its VM, those of execs and of a pod's other containers.
 * They meet on a socket in the owner's state directory, over which
 *
 * - whoever makes another container gets the descriptors of the shared files: to put more there
 *   takes rights that the owner has given up, and the other one still has;
 * - a shim says which process of the guest it stands for. When it dies without having said that
 *   this one has ended, the owner kills it, since nobody else would notice.
 * - whoever saves the VM has the channel to its agent come to rest, for as long as the connection
 *   is there.
 *
 * The socket is root's alone; a guest has no way to it.
 */
#define COMPANIONS_SOCKET "shim.sock"

/* The owner's side. @listen_fd is owned from here on; the others are borrowed until
 * companions_free(). @channel: NULL for a VM that cannot be saved. */
struct companions;
int companions_new(struct loop *loop, struct agent_client *client, int listen_fd,
		   const struct files *files, struct channel *channel, struct companions **ret,
		   struct error *err);
void companions_free(struct companions *companions);

/* The others' side, blocking. A connection to the owner whose socket is @path. */
int companion_connect(const char *path, int *ret_fd, struct error *err);
int companion_get_files(int fd, struct files *ret, struct error *err);
/* From here until companion_leave() the owner watches this connection. @exec_id: NULL for a
 * container's init, with which everything in the container ends. */
int companion_attend(int fd, const char *container_id, const char *exec_id, struct error *err);
void companion_leave(int fd);
/* Until @fd is closed. */
int companion_hold(int fd, struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct virtio_device;

/*
 * One directory of the host's for the guest (VIRTIO 1.2, 5.11; FUSE 7.31), served by the thread
 * that serves the device, which waits for the file system: it wants a loop and a thread of its own.
 * The guest judges who may do what; here everything is done with the rights of the thread, and what
 * is made belongs to whom the guest says.
 *
 * Whatever the guest sends, it reaches what lies beneath the directory and nothing else: a name is
 * one component that is looked up from a descriptor, links are followed by the guest alone, only
 * regular files and directories are ever opened. Locks are the guest's own affair.
 */
#define VIRTIO_FS_TAG_MAX 36

struct virtio_fs_options {
	const char *tag; /* by which the guest mounts it; at most VIRTIO_FS_TAG_MAX bytes */
	int root_fd;	 /* the directory, O_PATH; owned from success on */
	int self_fd; /* /proc/self/fd and nothing above it (virtio_fs_open_self()); owned, too */
	unsigned int descriptors_max; /* that the guest can make us keep, inodes and open files */
};
int virtio_fs_new(const struct virtio_fs_options *options, struct virtio_device **ret,
		  struct error *err);

/* A mount of this process's own descriptors that is attached nowhere, so that no path leads out of
 * it; or, where that may not be made (a test's ordinary user), the directory itself. -errno. */
int virtio_fs_open_self(int *ret);

/* To be called once on the serving thread, before its requests: its directory becomes @self_fd, by
 * which it names files that it has descriptors of, and what it makes has the mode that it says. */
int virtio_fs_enter(int self_fd, struct error *err);

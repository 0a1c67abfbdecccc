/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/queue.h"

/*
 * The parts of the file system device: fs.c takes requests apart and answers them, fs-table.c keeps
 * what the guest knows by number, fs-names.c and fs-data.c are the requests themselves.
 */

/* Names, values of extended attributes, targets of links; data are not copied. */
#define FS_ARGS_MAX (65536 + 4096)
#define FS_ANSWER_MAX 65536
#define FS_WRITE_MAX (1 << 20)

/* A file that the guest knows: by number, from a look-up until it has forgotten all of them. */
struct fs_inode {
	int fd; /* O_PATH; -1: the slot is free */
	uint64_t mount, ino;
	uint32_t dev_major, dev_minor;
	mode_t type;				  /* S_IFMT; never changes */
	uint64_t lookups;			  /* what the guest has to forget */
	uint64_t birth;				  /* which file of this slot it is */
	uint64_t next;				  /* in its bucket, or of the free ones; 0: none */
	struct statx_timestamp modified, changed; /* when it was opened last */
	uint64_t size;
	bool was_opened;
};

struct fs_handle {
	int fd; /* -1: free */
	uint64_t node;
	bool is_dir;
	uint64_t next; /* of the free ones; 0: none */
};

struct fs_table {
	struct fs_inode *inodes; /* [0] is nobody's, [FUSE_ROOT_ID] the directory */
	size_t inodes_count;
	uint64_t free_inode;
	uint64_t *buckets;
	struct fs_handle *handles; /* [0] is nobody's */
	size_t handles_count;
	uint64_t free_handle;
	unsigned int used, max; /* descriptors */
	uint64_t births;
};

struct fs {
	struct virtio_device dev;
	int root_fd, self_fd;
	struct fs_table table;
	bool is_mounted; /* FUSE_INIT came */
	struct virtqueue_iovecs iovecs;
	_Alignas(8) uint8_t args[FS_ARGS_MAX];
	_Alignas(8) uint8_t answer[FS_ANSWER_MAX];
};

struct fs_request {
	struct fs *fs;
	const struct virtqueue_chain *chain;
	struct fuse_in_header in;
	const uint8_t *args; /* what is left of them */
	size_t args_len;
	/* The answer: in fs->answer, or already where the guest wants it. */
	size_t answer_len;
	bool is_in_place;
};

/* fs.c. What a request has, in its order; NULL: it ends before that. */
const void *fs_take(struct fs_request *r, size_t size);
const char *fs_take_text(struct fs_request *r);
/* The same, which has to be one component of a path. */
const char *fs_take_name(struct fs_request *r);
/* How much the guest has room for behind the header of an answer. */
size_t fs_room(const struct fs_request *r);
int fs_answer(struct fs_request *r, const void *data, size_t len);

/* fs-table.c */
int fs_table_init(struct fs_table *t, unsigned int max, int root_fd);
void fs_table_done(struct fs_table *t);
struct fs_inode *fs_inode(const struct fs_table *t, uint64_t node); /* NULL: there is none */
/* The file of @fd, which is the table's from here on; one look-up more. */
int fs_remember(struct fs_table *t, int fd, struct statx *ret_stat, uint64_t *ret_node);
void fs_forget(struct fs_table *t, uint64_t node, uint64_t lookups);
/* Whether the guest had better forget what it does not use. */
bool fs_is_crowded(const struct fs_table *t);
struct fs_handle *fs_handle(const struct fs_table *t, uint64_t handle, bool is_dir);
/* @fd is the table's from here on. */
int fs_keep(struct fs_table *t, int fd, uint64_t node, bool is_dir, uint64_t *ret_handle);
void fs_release(struct fs_table *t, uint64_t handle);
uint64_t fs_ino(uint32_t dev_major, uint32_t dev_minor, uint64_t ino);
int fs_stat(int fd, struct statx *ret);

/* The name of a descriptor of ours in the thread's directory (virtio_fs_enter()). */
struct fs_path {
	char text[16];
};
struct fs_path fs_path(int fd);
/* What a file is opened with; regular files and directories only. */
int fs_open(const struct fs_inode *inode, uint32_t flags);

typedef int fs_op(struct fs_request *r);

/* fs-names.c. 0 or -errno, which the guest gets. */
fs_op fs_op_lookup, fs_op_getattr, fs_op_setattr, fs_op_readlink, fs_op_symlink, fs_op_mknod,
	fs_op_mkdir, fs_op_unlink, fs_op_rmdir, fs_op_rename, fs_op_rename2, fs_op_link,
	fs_op_create, fs_op_statfs, fs_op_setxattr, fs_op_getxattr, fs_op_listxattr,
	fs_op_removexattr;
/* The answer of a look-up, which the guest has to forget, as one more of them. */
int fs_describe(struct fs_request *r, int dir, const char *name, struct fuse_entry_out *ret);
/* fs-data.c */
fs_op fs_op_open, fs_op_opendir, fs_op_read, fs_op_write, fs_op_readdir, fs_op_readdirplus,
	fs_op_release, fs_op_releasedir, fs_op_fsync, fs_op_fsyncdir, fs_op_syncfs, fs_op_fallocate,
	fs_op_lseek, fs_op_copy;
/* An open answer of a file that is opened as @fd, which it takes. */
int fs_opened(struct fs_request *r, uint64_t node, int fd, bool is_dir, struct fuse_open_out *ret);

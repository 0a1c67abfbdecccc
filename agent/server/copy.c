/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/*
 * CopyFile: for hosts without a shared file system. Files go below one directory, which containers
 * have mounts of: whatever they put there, nothing outside is reached. A file is written beside its
 * place, piece by piece, and put there when it is complete.
 */
#define SHARED "shared/containers"

struct target {
	const grpc_CopyFileRequest *req;
	int dirfd; /* that it is in */
	char *name;
};

static void target_done(struct target *t)
{
	if (t->dirfd >= 0)
		close(t->dirfd);
	free(t->name);
}
#define cleanup_target CLEANUP(target_done)

static int find_target(const struct agent_server_options *options, const grpc_CopyFileRequest *req,
		       struct target *ret, struct error *err)
{
	cleanup_free char *root = xasprintf("%s/" SHARED, server_run_dir(options));
	const char *below = req->path ? str_after(req->path, root) : NULL;
	cleanup_fd int root_fd = -1;
	int r;

	if (!below || *below != '/' || strstr(below, "/../") || str_ends_with(below, "/.."))
		return error_set(err, -EINVAL, "'%.200s': not below '%s'",
				 req->path ? req->path : "", root);
	r = mkdir_parents(root, 0755);
	if (r == 0)
		root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r < 0 || root_fd < 0)
		return error_sys(err, r < 0 ? r : errno, "open '%s'", root);
	ret->dirfd = beneath_parent(root_fd, below, (mode_t)req->dir_mode & 0777, &ret->name);
	if (ret->dirfd < 0)
		return error_sys(err, ret->dirfd, "open the directory of '%s'", req->path);
	if (fchownat(ret->dirfd, "", (uid_t)req->uid, (gid_t)req->gid, AT_EMPTY_PATH) < 0)
		return error_sys(err, errno, "give away the directory of '%s'", req->path);
	return 0;
}

static int remove_old(const struct target *t)
{
	if (unlinkat(t->dirfd, t->name, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR ? remove_tree_at(t->dirfd, t->name) : -errno;
}

static int give_away(int fd, const grpc_CopyFileRequest *req)
{
	/* In this order: a change of the owner takes the set-id bits away. */
	if (fchown(fd, (uid_t)req->uid, (gid_t)req->gid) < 0 ||
	    fchmod(fd, (mode_t)req->file_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int make_directory(const struct target *t)
{
	cleanup_fd int fd = -1;

	if (unlinkat(t->dirfd, t->name, 0) < 0 && errno != ENOENT && errno != EISDIR)
		return -errno;
	if (mkdirat(t->dirfd, t->name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(t->dirfd, t->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : give_away(fd, t->req);
}

static int make_link(const struct target *t)
{
	cleanup_free char *to = xstrndup((const char *)t->req->data.data, t->req->data.size);
	int r = remove_old(t);

	if (r < 0)
		return r;
	if (symlinkat(to, t->dirfd, t->name) < 0 ||
	    fchownat(t->dirfd, t->name, (uid_t)t->req->uid, (gid_t)t->req->gid,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int write_at(int fd, const struct agent_bytes *data, off_t offset)
{
	size_t done = 0;

	while (done < data->size) {
		ssize_t n = pwrite(fd, data->data + done, data->size - done, offset + (off_t)done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int write_piece(const struct target *t)
{
	const grpc_CopyFileRequest *req = t->req;
	cleanup_free char *part = xasprintf("%s.tmp", t->name);
	cleanup_fd int fd = openat(t->dirfd, part,
				   O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC |
					   (req->offset ? 0 : O_TRUNC),
				   0600);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EEXIST;
	r = write_at(fd, &req->data, (off_t)req->offset);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < req->file_size)
		return 0; /* more will come */
	r = give_away(fd, req);
	if (r == 0)
		r = remove_old(t);
	if (r == 0 && renameat(t->dirfd, part, t->dirfd, t->name) < 0)
		r = -errno;
	return r;
}

int copy_file(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_CopyFileRequest *req = request;
	cleanup_target struct target target = { .req = req, .dirfd = -1 };
	int r;

	if (req->offset < 0 || req->file_size < 0)
		return error_set(err, -EINVAL, "copy '%.200s': a size cannot be negative",
				 req->path ? req->path : "");
	r = find_target(&call->server->options, req, &target, err);
	if (r < 0)
		return r;
	if (S_ISDIR(req->file_mode))
		r = make_directory(&target);
	else if (S_ISLNK(req->file_mode))
		r = make_link(&target);
	else
		r = write_piece(&target);
	return r < 0 ? error_sys(err, r, "copy '%s'", req->path) : 0;
}

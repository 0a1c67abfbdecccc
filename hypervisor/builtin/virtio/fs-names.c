/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/fs-internal.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

/* What is known by name: look-ups, what is made and removed, attributes. */

/* For how long the guest goes by what it was told; then it asks again, and sees what the host and
 * other guests have done meanwhile. */
#define VALID_S 1

/* --- attributes ------------------------------------------------------------------------------- */

/* As Linux writes device numbers in 32 bits. */
static uint32_t encode_dev(uint32_t dev_major, uint32_t dev_minor)
{
	return (dev_minor & 0xff) | dev_major << 8 | (dev_minor & ~0xffU) << 12;
}

static dev_t decode_dev(uint32_t dev)
{
	return makedev((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00));
}

static struct fuse_attr make_attr(const struct statx *stat)
{
	return (struct fuse_attr){
		.ino = fs_ino(stat->stx_dev_major, stat->stx_dev_minor, stat->stx_ino),
		.size = stat->stx_size,
		.blocks = stat->stx_blocks,
		.atime = (uint64_t)stat->stx_atime.tv_sec,
		.mtime = (uint64_t)stat->stx_mtime.tv_sec,
		.ctime = (uint64_t)stat->stx_ctime.tv_sec,
		.atimensec = stat->stx_atime.tv_nsec,
		.mtimensec = stat->stx_mtime.tv_nsec,
		.ctimensec = stat->stx_ctime.tv_nsec,
		.mode = stat->stx_mode,
		.nlink = stat->stx_nlink,
		.uid = stat->stx_uid,
		.gid = stat->stx_gid,
		.rdev = encode_dev(stat->stx_rdev_major, stat->stx_rdev_minor),
		.blksize = stat->stx_blksize,
	};
}

static struct fs_inode *subject(const struct fs_request *r)
{
	return fs_inode(&r->fs->table, r->in.nodeid);
}

static int answer_attr(struct fs_request *r, int fd)
{
	struct fuse_attr_out out = { .attr_valid = VALID_S };
	struct statx stat;
	int result = fs_stat(fd, &stat);

	if (result < 0)
		return result;
	out.attr = make_attr(&stat);
	return fs_answer(r, &out, sizeof(out));
}

int fs_op_getattr(struct fs_request *r)
{
	const struct fs_inode *inode = subject(r);

	return inode ? answer_attr(r, inode->fd) : -ESTALE;
}

static int change_owner(const struct fs_inode *inode, const struct fuse_setattr_in *in)
{
	const uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
	const gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;

	if (!(in->valid & (FATTR_UID | FATTR_GID)))
		return 0;
	return fchownat(inode->fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int change_mode(const struct fs_inode *inode, const struct fuse_setattr_in *in)
{
	const struct fs_path path = fs_path(inode->fd);

	if (!(in->valid & FATTR_MODE))
		return 0;
	if (inode->type == S_IFLNK)
		return -EOPNOTSUPP;
	return chmod(path.text, in->mode & 07777) < 0 ? -errno : 0;
}

/* An open file can be cut off by who may no longer write to it. */
static int change_size(const struct fs_table *t, const struct fs_inode *inode,
		       const struct fuse_setattr_in *in)
{
	const struct fs_path path = fs_path(inode->fd);
	const struct fs_handle *handle = NULL;

	if (!(in->valid & FATTR_SIZE))
		return 0;
	if (inode->type != S_IFREG || in->size > INT64_MAX)
		return inode->type == S_IFDIR ? -EISDIR : -EINVAL;
	if (in->valid & FATTR_FH)
		handle = fs_handle(t, in->fh, false);
	if (handle)
		return ftruncate(handle->fd, (off_t)in->size) < 0 ? -errno : 0;
	return truncate(path.text, (off_t)in->size) < 0 ? -errno : 0;
}

static struct timespec wanted_time(uint32_t valid, uint32_t set, uint32_t now, uint64_t seconds,
				   uint32_t nanoseconds)
{
	struct timespec time = { .tv_nsec = UTIME_OMIT };

	if (valid & now)
		time.tv_nsec = UTIME_NOW;
	else if (valid & set)
		time = (struct timespec){ (time_t)seconds, (long)nanoseconds };
	return time;
}

static int change_times(const struct fs_inode *inode, const struct fuse_setattr_in *in)
{
	const struct timespec times[2] = {
		wanted_time(in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
		wanted_time(in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
	};

	if (!(in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)))
		return 0;
	return utimensat(inode->fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* The owner first: to change that takes away bits of the mode. */
int fs_op_setattr(struct fs_request *r)
{
	const struct fuse_setattr_in *in = fs_take(r, sizeof(*in));
	const struct fs_inode *inode = subject(r);
	int result;

	if (!in || !inode)
		return in ? -ESTALE : -EINVAL;
	result = change_owner(inode, in);
	if (result == 0)
		result = change_mode(inode, in);
	if (result == 0)
		result = change_size(&r->fs->table, inode, in);
	if (result == 0)
		result = change_times(inode, in);
	return result < 0 ? result : answer_attr(r, inode->fd);
}

/* --- look-ups --------------------------------------------------------------------------------- */

/* One component, so there is no way that leads out; the kernel sees to it as well. */
static int open_name(int dir_fd, const char *name)
{
	const struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Takes @fd. The guest has to forget what it is told of, so what it cannot be told is forgotten. */
static int make_entry(struct fs_request *r, int fd, struct fuse_entry_out *ret)
{
	struct fs_table *t = &r->fs->table;
	struct statx stat;
	uint64_t node;
	int result = fs_remember(t, fd, &stat, &node);

	if (result < 0)
		return result;
	*ret = (struct fuse_entry_out){
		.nodeid = node,
		.generation = fs_inode(t, node)->birth,
		/* Names that are no longer valid are forgotten as soon as nobody uses them. */
		.entry_valid = fs_is_crowded(t) ? 0 : VALID_S,
		.attr_valid = VALID_S,
		.attr = make_attr(&stat),
	};
	return 0;
}

static int answer_entry(struct fs_request *r, int fd)
{
	struct fuse_entry_out out;
	int result = make_entry(r, fd, &out);

	return result < 0 ? result : fs_answer(r, &out, sizeof(out));
}

int fs_describe(struct fs_request *r, int dir, const char *name, struct fuse_entry_out *ret)
{
	int fd = open_name(dir, name);

	return fd < 0 ? fd : make_entry(r, fd, ret);
}

/* A request about a name in the directory that it is for. */
static int begin_named(struct fs_request *r, size_t answer, int *ret_fd, const char **ret_name)
{
	const struct fs_inode *dir = subject(r);

	if (!dir)
		return -ESTALE;
	if (dir->type != S_IFDIR)
		return -ENOTDIR;
	*ret_name = fs_take_name(r);
	*ret_fd = dir->fd;
	return *ret_name && fs_room(r) >= answer ? 0 : -EINVAL;
}

int fs_op_lookup(struct fs_request *r)
{
	const char *name;
	int dir, fd;
	int result = begin_named(r, sizeof(struct fuse_entry_out), &dir, &name);

	if (result < 0)
		return result;
	fd = open_name(dir, name);
	return fd < 0 ? fd : answer_entry(r, fd);
}

/* --- what is made ----------------------------------------------------------------------------- */

/* In a directory that gives its group to what is made in it, that stays. */
static int give_away(const struct fs_request *r, int dir, int fd, mode_t mode)
{
	const struct fs_path path = fs_path(fd);
	struct statx parent, stat;
	uid_t uid = r->in.uid;
	gid_t gid = r->in.gid;
	int result = fs_stat(dir, &parent);

	if (result == 0)
		result = fs_stat(fd, &stat);
	if (result < 0)
		return result;
	if (parent.stx_mode & S_ISGID)
		gid = stat.stx_gid;
	if ((uid != stat.stx_uid || gid != stat.stx_gid) &&
	    fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (!S_ISREG(stat.stx_mode) || !(mode & 07000))
		return 0;
	return chmod(path.text, mode & 07777) < 0 ? -errno : 0;
}

/* Whether @fd can be what was just made: others on the host may put something else in its place. */
static int check_made(int fd, mode_t type)
{
	struct statx stat;
	int result = fs_stat(fd, &stat);

	if (result < 0)
		return result;
	if ((stat.stx_mode & S_IFMT) != type || stat.stx_uid != geteuid() ||
	    (type != S_IFDIR && stat.stx_nlink > 1))
		return -ESTALE;
	return 0;
}

static int answer_made(struct fs_request *r, int dir, const char *name, mode_t mode)
{
	int fd = open_name(dir, name), result;

	if (fd < 0)
		return fd;
	result = check_made(fd, mode & S_IFMT);
	if (result == 0) {
		result = give_away(r, dir, fd, mode);
		if (result < 0)
			(void)unlinkat(dir, name, S_ISDIR(mode) ? AT_REMOVEDIR : 0);
	}
	if (result < 0) {
		close(fd);
		return result;
	}
	return answer_entry(r, fd);
}

int fs_op_mknod(struct fs_request *r)
{
	const struct fuse_mknod_in *in = fs_take(r, sizeof(*in));
	const char *name;
	mode_t mode, type;
	int dir, result;

	if (!in)
		return -EINVAL;
	result = begin_named(r, sizeof(struct fuse_entry_out), &dir, &name);
	if (result < 0)
		return result;
	type = in->mode & S_IFMT ? in->mode & S_IFMT : S_IFREG;
	mode = type | (in->mode & 07777);
	if (mknodat(dir, name, type | (mode & 0777), decode_dev(in->rdev)) < 0)
		return -errno;
	return answer_made(r, dir, name, mode);
}

int fs_op_mkdir(struct fs_request *r)
{
	const struct fuse_mkdir_in *in = fs_take(r, sizeof(*in));
	const char *name;
	int dir, result;

	if (!in)
		return -EINVAL;
	result = begin_named(r, sizeof(struct fuse_entry_out), &dir, &name);
	if (result < 0)
		return result;
	if (mkdirat(dir, name, in->mode & 01777) < 0)
		return -errno;
	return answer_made(r, dir, name, S_IFDIR | (in->mode & 01777));
}

int fs_op_symlink(struct fs_request *r)
{
	const char *name, *target;
	int dir, result = begin_named(r, sizeof(struct fuse_entry_out), &dir, &name);

	if (result < 0)
		return result;
	target = fs_take_text(r);
	if (!target)
		return -EINVAL;
	if (symlinkat(target, dir, name) < 0)
		return -errno;
	return answer_made(r, dir, name, S_IFLNK | 0777);
}

/* The descriptor that the file was made with cannot be another one's. */
static int make_file(const struct fs_request *r, int dir, const char *name,
		     const struct fuse_create_in *in)
{
	const int kept = O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC;
	const int flags = ((int)in->flags & kept) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, name, flags, in->mode & 0777), result;

	if (fd < 0)
		return -errno;
	result = give_away(r, dir, fd, in->mode);
	if (result < 0) {
		(void)unlinkat(dir, name, 0);
		close(fd);
		return result;
	}
	return fd;
}

/* Another one has made it meanwhile. */
static int open_made(struct fs_request *r, int dir, const char *name,
		     const struct fuse_create_in *in, struct fuse_entry_out *ret)
{
	int fd = open_name(dir, name), result;

	if (fd < 0)
		return fd;
	result = make_entry(r, fd, ret);
	if (result < 0)
		return result;
	fd = S_ISDIR(ret->attr.mode) ? -EISDIR
				     : fs_open(fs_inode(&r->fs->table, ret->nodeid), in->flags);
	if (fd < 0)
		fs_forget(&r->fs->table, ret->nodeid, 1);
	return fd;
}

static int enter_made(struct fs_request *r, int fd, struct fuse_entry_out *ret)
{
	const struct fs_path path = fs_path(fd);
	int path_fd = open(path.text, O_PATH | O_CLOEXEC);
	int result = path_fd < 0 ? -errno : make_entry(r, path_fd, ret);

	if (result < 0)
		close(fd);
	return result < 0 ? result : fd;
}

int fs_op_create(struct fs_request *r)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	const struct fuse_create_in *in = fs_take(r, sizeof(*in));
	const char *name;
	int dir, fd, result;

	if (!in)
		return -EINVAL;
	result = begin_named(r, sizeof(out), &dir, &name);
	if (result < 0)
		return result;
	fd = make_file(r, dir, name, in);
	if (fd >= 0)
		fd = enter_made(r, fd, &out.entry);
	else if (fd == -EEXIST && !(in->flags & O_EXCL))
		fd = open_made(r, dir, name, in, &out.entry);
	if (fd < 0)
		return fd;
	result = fs_opened(r, out.entry.nodeid, fd, false, &out.open);
	if (result < 0) {
		fs_forget(&r->fs->table, out.entry.nodeid, 1);
		return result;
	}
	return fs_answer(r, &out, sizeof(out));
}

int fs_op_link(struct fs_request *r)
{
	const struct fuse_link_in *in = fs_take(r, sizeof(*in));
	const struct fs_inode *old = in ? fs_inode(&r->fs->table, in->oldnodeid) : NULL;
	struct fs_path path;
	const char *name;
	int dir, fd, result;

	if (!old)
		return in ? -ESTALE : -EINVAL;
	result = begin_named(r, sizeof(struct fuse_entry_out), &dir, &name);
	if (result < 0)
		return result;
	path = fs_path(old->fd);
	if (linkat(AT_FDCWD, path.text, dir, name, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	fd = open_name(dir, name);
	return fd < 0 ? fd : answer_entry(r, fd);
}

/* --- what goes, and where it goes ------------------------------------------------------------- */

static int remove_name(struct fs_request *r, int flags)
{
	const char *name;
	int dir, result = begin_named(r, 0, &dir, &name);

	if (result < 0)
		return result;
	return unlinkat(dir, name, flags) < 0 ? -errno : 0;
}

int fs_op_unlink(struct fs_request *r)
{
	return remove_name(r, 0);
}

int fs_op_rmdir(struct fs_request *r)
{
	return remove_name(r, AT_REMOVEDIR);
}

#define RENAME_FLAGS (RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)

static int rename_to(struct fs_request *r, uint64_t new_node, unsigned int flags)
{
	const struct fs_inode *new_dir = fs_inode(&r->fs->table, new_node);
	const char *name, *new_name;
	int dir, result;

	if (!new_dir)
		return -ESTALE;
	result = begin_named(r, 0, &dir, &name);
	if (result < 0)
		return result;
	new_name = fs_take_name(r);
	if (!new_name || (flags & ~(unsigned int)RENAME_FLAGS))
		return -EINVAL;
	return renameat2(dir, name, new_dir->fd, new_name, flags) < 0 ? -errno : 0;
}

int fs_op_rename(struct fs_request *r)
{
	const struct fuse_rename_in *in = fs_take(r, sizeof(*in));

	return in ? rename_to(r, in->newdir, 0) : -EINVAL;
}

int fs_op_rename2(struct fs_request *r)
{
	const struct fuse_rename2_in *in = fs_take(r, sizeof(*in));

	return in ? rename_to(r, in->newdir, in->flags) : -EINVAL;
}

/* --- the rest --------------------------------------------------------------------------------- */

int fs_op_readlink(struct fs_request *r)
{
	const struct fs_inode *inode = subject(r);
	char target[4096];
	ssize_t n;

	if (!inode || inode->type != S_IFLNK)
		return inode ? -EINVAL : -ESTALE;
	n = readlinkat(inode->fd, "", target, sizeof(target));
	return n < 0 ? -errno : fs_answer(r, target, (size_t)n);
}

int fs_op_statfs(struct fs_request *r)
{
	const struct fs_inode *inode = subject(r);
	struct fuse_statfs_out out;
	struct statfs fs;

	if (!inode)
		return -ESTALE;
	if (fstatfs(inode->fd, &fs) < 0)
		return -errno;
	out = (struct fuse_statfs_out){ .st = {
						.blocks = fs.f_blocks,
						.bfree = fs.f_bfree,
						.bavail = fs.f_bavail,
						.files = fs.f_files,
						.ffree = fs.f_ffree,
						.bsize = (uint32_t)fs.f_bsize,
						.namelen = (uint32_t)fs.f_namelen,
						.frsize = (uint32_t)fs.f_frsize,
					} };
	return fs_answer(r, &out, sizeof(out));
}

/* --- extended attributes ---------------------------------------------------------------------- */

/* The guest's kernel judges by the mode alone; lists that it does not go by are none. */
static bool is_list(const char *name)
{
	return strncmp(name, "system.", strlen("system.")) == 0;
}

static int begin_attribute(struct fs_request *r, struct fs_path *ret_path, const char **ret_name)
{
	const struct fs_inode *inode = subject(r);

	*ret_name = fs_take_text(r);
	if (!inode)
		return -ESTALE;
	if (!*ret_name)
		return -EINVAL;
	*ret_path = fs_path(inode->fd);
	return is_list(*ret_name) ? -EOPNOTSUPP : 0;
}

int fs_op_setxattr(struct fs_request *r)
{
	const struct fuse_setxattr_in *in = fs_take(r, FUSE_COMPAT_SETXATTR_IN_SIZE);
	struct fs_path path;
	const char *name;
	const void *value;
	int result;

	if (!in)
		return -EINVAL;
	result = begin_attribute(r, &path, &name);
	if (result < 0)
		return result;
	value = fs_take(r, in->size);
	if (!value)
		return -EINVAL;
	return setxattr(path.text, name, value, in->size, (int)in->flags) < 0 ? -errno : 0;
}

/* As much as the guest wants, of what stands in fs->answer; or how much that is. */
static int answer_value(struct fs_request *r, ssize_t n, uint32_t wanted)
{
	const struct fuse_getxattr_out out = { .size = (uint32_t)n };

	if (n < 0)
		return -errno;
	if (!wanted)
		return fs_answer(r, &out, sizeof(out));
	if ((size_t)n > wanted || (size_t)n > fs_room(r))
		return -ERANGE;
	r->answer_len = (size_t)n;
	return 0;
}

int fs_op_getxattr(struct fs_request *r)
{
	const struct fuse_getxattr_in *in = fs_take(r, sizeof(*in));
	struct fs_path path;
	const char *name;
	int result;

	if (!in)
		return -EINVAL;
	result = begin_attribute(r, &path, &name);
	if (result < 0)
		return result;
	return answer_value(r, getxattr(path.text, name, r->fs->answer, sizeof(r->fs->answer)),
			    in->size);
}

/* Takes those away that the guest would not be given. */
static ssize_t without_lists(char *names, ssize_t len)
{
	ssize_t kept = 0;

	for (ssize_t at = 0; at < len;) {
		const size_t size = strlen(names + at) + 1;

		if (!is_list(names + at)) {
			memmove(names + kept, names + at, size);
			kept += (ssize_t)size;
		}
		at += (ssize_t)size;
	}
	return kept;
}

int fs_op_listxattr(struct fs_request *r)
{
	const struct fuse_getxattr_in *in = fs_take(r, sizeof(*in));
	const struct fs_inode *inode = subject(r);
	char *names = (char *)r->fs->answer;
	struct fs_path path;
	ssize_t n;

	if (!in || !inode)
		return in ? -ESTALE : -EINVAL;
	path = fs_path(inode->fd);
	n = listxattr(path.text, names, sizeof(r->fs->answer));
	return answer_value(r, n < 0 ? n : without_lists(names, n), in->size);
}

int fs_op_removexattr(struct fs_request *r)
{
	struct fs_path path;
	const char *name;
	int result = begin_attribute(r, &path, &name);

	if (result < 0)
		return result;
	return removexattr(path.text, name) < 0 ? -errno : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "hypervisor/jail.h"
#include "hypervisor/spawn.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/base/system-program.h"

#define CONFIG "/etc/mke2fs.conf"
#define IMAGE_BY_FD "/proc/self/fd/%d"
#define LINK_MAX_BYTES 4096
#define SAID_MAX_BYTES (64u << 10)
#define COPY_BYTES (1u << 20)
#define SIZE_MAX_BYTES (1ull << 50)

/* What it said last, which is the reason. */
static int explain(const char *name, int said_fd, struct error *err)
{
	cleanup_free char *text = NULL;
	char *last;
	int r;

	if (lseek(said_fd, 0, SEEK_SET) < 0 ||
	    read_whole_fd(said_fd, SAID_MAX_BYTES, &text, NULL) < 0)
		return error_set(err, -EIO, "%s failed", name);
	while (*text && text[strlen(text) - 1] == '\n')
		text[strlen(text) - 1] = '\0';
	last = strrchr(text, '\n');
	r = error_set(err, -EIO, "%s: %.400s", name, last ? last + 1 : text);
	error_sanitize(err);
	return r;
}

/* In a jail: who could change @source meanwhile leads it to no other file of the host's. */
static int run(const char *name, char *const *args, int image_fd, const char *source,
	       struct error *err)
{
	const char *config = access(CONFIG, F_OK) == 0 ? CONFIG : NULL;
	const struct hv_jail jail = {
		.readable = { source ? source : config, source ? config : NULL },
	};
	struct hv_spawn how = { .fds = &image_fd, .fds_count = 1, .jail = &jail };
	cleanup_fd int said_fd = memfd_create("said", MFD_CLOEXEC);
	cleanup_strv char **argv = NULL;
	struct hv_vm child = { 0 };
	siginfo_t info = { 0 };
	char *program = system_program_find("", name);
	int r;

	if (!program)
		return error_sys(err, ENOENT, "find '%s' (of e2fsprogs)", name);
	strv_push(&argv, program);
	strv_each(arg, args)
		strv_push(&argv, xstrdup(arg));
	if (said_fd < 0)
		return error_sys(err, errno, "make a file in memory");
	how.argv = argv;
	how.out_fd = how.log_fd = said_fd;
	r = hv_spawn_as(&how, &child, err);
	if (r < 0)
		return r;
	while (waitid(P_PIDFD, (id_t)child.pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			break;
	close(child.pidfd);
	return info.si_code == CLD_EXITED && info.si_status == 0 ? 0 : explain(name, said_fd, err);
}

/* No journal: the disk does not outlive its machine but in a copy of both. */
static int fill(const char *source, int fd, uint32_t size_mib, struct error *err)
{
	cleanup_free char *path = xasprintf(IMAGE_BY_FD, fd);
	cleanup_free char *size = xasprintf("%uM", size_mib);
	char *const args[] = {
		(char *)"-q",	(char *)"-F", (char *)"-t",
		(char *)"ext4", (char *)"-O", (char *)"^has_journal,^resize_inode",
		(char *)"-m",	(char *)"0",  (char *)"-b",
		(char *)"4096", (char *)"-d", (char *)source,
		(char *)path,	size,	      NULL,
	};

	return run("mke2fs", args, fd, source, err);
}

static int edit(int fd, const char *request, struct error *err)
{
	cleanup_free char *path = xasprintf(IMAGE_BY_FD, fd);
	char *const args[] = { (char *)"-w", (char *)"-R", (char *)request, path, NULL };

	return run("debugfs", args, fd, NULL, err);
}

/* mke2fs has a root directory of its own kind, and one for what fsck finds. */
static int fix_root(const char *source, int fd, struct error *err)
{
	cleanup_free char *mode = NULL, *uid = NULL, *gid = NULL;
	struct stat st;
	int r;

	if (stat(source, &st) < 0)
		return error_sys(err, errno, "stat '%s'", source);
	mode = xasprintf("set_inode_field / mode 0%o", st.st_mode);
	uid = xasprintf("set_inode_field / uid %u", st.st_uid);
	gid = xasprintf("set_inode_field / gid %u", st.st_gid);
	r = edit(fd, "rmdir /lost+found", err);
	if (r == 0 && (st.st_mode & 07777) != 0755)
		r = edit(fd, mode, err);
	if (r == 0 && st.st_uid)
		r = edit(fd, uid, err);
	if (r == 0 && st.st_gid)
		r = edit(fd, gid, err);
	return r;
}

/* The link is there before what it leads to, so that whoever is killed in between leaves nothing
 * that nobody knows of. */
static int link_to(const char *dir, const char *path, struct error *err)
{
	cleanup_free char *target = NULL;
	unsigned long long number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return error_sys(err, errno, "draw a name");
	target = xasprintf("%s/moat-%016llx.img", dir, number);
	return symlink(target, path) < 0 ? error_sys(err, errno, "make '%s'", path) : 0;
}

/* An empty file. */
static int make(const char *path, const char *dir, int *ret_fd, struct error *err)
{
	int r = dir ? link_to(dir, path, err) : 0;

	if (r < 0)
		return r;
	/* Through the link: without O_EXCL, which would refuse that. Its name was drawn. */
	*ret_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? error_sys(err, errno, "make '%s'", path) : 0;
}

int image_make(const char *source, const char *state_dir, const char *dir, uint32_t size_mib,
	       struct error *err)
{
	cleanup_free char *path = xasprintf("%s/" IMAGE_NAME, state_dir);
	cleanup_fd int from = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	int r;

	if (from < 0) /* of this mke2fs gives no name */
		return error_sys(err, errno, "root.path: open '%s'", source);
	r = make(path, dir, &fd, err);
	if (r < 0)
		return r;
	if (ftruncate(fd, (off_t)size_mib << 20) < 0)
		return error_sys(err, errno, "make '%s'", path);
	r = fill(source, fd, size_mib, err);
	return r < 0 ? r : fix_root(source, fd, err);
}

struct piece {
	uint64_t at, size;
};

static int write_piece(int to, off_t at, off_t size)
{
	const struct piece piece = { htole64((uint64_t)at), htole64((uint64_t)size) };

	return write_all(to, &piece, sizeof(piece));
}

static int pack_range(int from, int to, off_t at, off_t end)
{
	cleanup_free char *buf = xmalloc(COPY_BYTES);
	int r = write_piece(to, at, end - at);

	while (r == 0 && at < end) {
		size_t want = end - at < (off_t)COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
		ssize_t n = pread(from, buf, want, at);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		r = write_all(to, buf, (size_t)n);
		at += n;
	}
	return r;
}

int image_pack(int from, int to)
{
	struct stat st;
	off_t at = 0, data;

	if (fstat(from, &st) < 0)
		return -errno;
	while ((data = lseek(from, at, SEEK_DATA)) >= 0) {
		int r;

		at = lseek(from, data, SEEK_HOLE);
		if (at < 0)
			return -errno;
		r = pack_range(from, to, data, at);
		if (r < 0)
			return r;
	}
	return errno == ENXIO ? write_piece(to, st.st_size, 0) : -errno;
}

static int unpack_range(int from, int to, uint64_t at, uint64_t size)
{
	cleanup_free char *buf = xmalloc(COPY_BYTES);

	if (at > SIZE_MAX_BYTES || size > SIZE_MAX_BYTES)
		return -EBADMSG;
	while (size) {
		size_t n = size < COPY_BYTES ? (size_t)size : COPY_BYTES;
		int r = read_exact(from, buf, n);
		ssize_t written;

		if (r < 0)
			return r;
		written = pwrite(to, buf, n, (off_t)at);
		if (written != (ssize_t)n)
			return written < 0 ? -errno : -ENOSPC;
		at += n;
		size -= n;
	}
	return 0;
}

static int unpack(int from, int to)
{
	for (;;) {
		struct piece piece;
		int r = read_exact(from, &piece, sizeof(piece));

		if (r < 0)
			return r;
		piece = (struct piece){ le64toh(piece.at), le64toh(piece.size) };
		if (!piece.size && piece.at > SIZE_MAX_BYTES)
			return -EBADMSG;
		if (!piece.size)
			return ftruncate(to, (off_t)piece.at) < 0 ? -errno : 0;
		r = unpack_range(from, to, piece.at, piece.size);
		if (r < 0)
			return r;
	}
}

int image_unpack(int from, const char *state_dir, const char *dir, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/" IMAGE_NAME, state_dir);
	cleanup_fd int fd = -1;
	int r = make(path, dir, &fd, err);

	if (r < 0)
		return r;
	r = unpack(from, fd);
	return r < 0 ? error_sys(err, r, "unpack to '%s'", path) : 0;
}

void image_remove(int state_fd)
{
	cleanup_free char *target = xmalloc(LINK_MAX_BYTES);
	ssize_t n = readlinkat(state_fd, IMAGE_NAME, target, LINK_MAX_BYTES - 1);

	if (n <= 0)
		return;
	target[n] = '\0';
	(void)unlink(target); /* it may never have been made */
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

/* file-calls: what programs seldom do to files, in the current directory; a line for each, "NAME ok", or
 * why not. */

#define SIZE (1 << 20)

static const struct {
	uint32_t magic, permitted, inheritable, permitted_high, inheritable_high;
} capability = { 0x02000000, 1 << 10, 0, 0, 0 };

static void say(const char *name, int is_done)
{
	int errnum = errno;

	printf("%s %s\n", name, is_done ? "ok" : strerrorname_np(errnum));
}

static int copied(void)
{
	int from = open("full", O_RDONLY | O_CLOEXEC), r;
	int to = open("copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	char text[8] = "";

	r = copy_file_range(from, NULL, to, NULL, 6, 0) == 6;
	close(to);
	close(from);
	to = open("copy", O_RDONLY | O_CLOEXEC);
	r = r && read(to, text, sizeof(text)) == 6 && memcmp(text, "twelve", 6) == 0;
	close(to);
	return r;
}

static int attributes(void)
{
	const char name[] = "security.capability";
	char names[256], value[64];

	return setxattr("full", name, &capability, sizeof(capability), 0) == 0 &&
	       getxattr("full", name, value, sizeof(value)) == sizeof(capability) &&
	       listxattr("full", names, sizeof(names)) > 0 && removexattr("full", name) == 0 &&
	       getxattr("full", name, value, sizeof(value)) < 0 && errno == ENODATA;
}

static int hole(int fd)
{
	return ftruncate(fd, SIZE) == 0 && lseek(fd, 0, SEEK_HOLE) > 0 &&
	       lseek(fd, 0, SEEK_DATA) == 0 && lseek(fd, 0, SEEK_END) == SIZE;
}

static int room(int fd)
{
	struct stat st;

	return fallocate(fd, 0, SIZE, SIZE) == 0 && fstat(fd, &st) == 0 && st.st_size == 2 * SIZE &&
	       st.st_blocks * 512 >= SIZE;
}

static int punched(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, SIZE, SIZE) == 0;
}

static int linked(void)
{
	struct stat st;
	char target[16];

	return link("full", "second") == 0 && stat("second", &st) == 0 && st.st_nlink == 2 &&
	       symlink("full", "link") == 0 && readlink("link", target, sizeof(target)) == 4;
}

static int piped(void)
{
	struct stat st;

	return mkfifo("pipe", 0600) == 0 && stat("pipe", &st) == 0 && S_ISFIFO(st.st_mode);
}

/* A server and its client. */
static int met(void)
{
	const struct sockaddr_un addr = { AF_UNIX, "socket" };
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	return bind(server, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	       listen(server, 1) == 0 && chmod("socket", 0666) == 0 && stat("socket", &st) == 0 &&
	       S_ISSOCK(st.st_mode) &&
	       connect(client, (const struct sockaddr *)&addr, sizeof(addr)) == 0;
}

static int renamed(unsigned int flags)
{
	return renameat2(AT_FDCWD, "copy", AT_FDCWD, "second", flags) == 0;
}

static int timed(void)
{
	const struct timespec times[2] = { { 1000000000, 1 }, { 1000000001, 2 } };
	struct stat st;

	return utimensat(AT_FDCWD, "full", times, 0) == 0 && stat("full", &st) == 0 &&
	       st.st_mtim.tv_sec == 1000000001 && st.st_atim.tv_sec == 1000000000;
}

static int owned(void)
{
	struct stat st;

	return chown("full", 12, 34) == 0 && chmod("full", 0640) == 0 && stat("full", &st) == 0 &&
	       st.st_uid == 12 && st.st_gid == 34 && (st.st_mode & 07777) == 0640;
}

int main(void)
{
	int fd = open("full", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	struct statfs fs;

	say("write", fd >= 0 && write(fd, "twelve bytes", 12) == 12);
	say("copy_file_range", copied());
	say("xattr", attributes());
	say("hole", hole(fd));
	say("fallocate", room(fd));
	say("punch", punched(fd));
	say("link", linked());
	say("pipe", piped());
	say("socket", met());
	say("utimensat", timed());
	say("owner", owned());
	say("exchange", renamed(RENAME_EXCHANGE));
	say("noreplace", !renamed(RENAME_NOREPLACE) && errno != ENOSYS);
	say("flock", flock(fd, LOCK_EX | LOCK_NB) == 0);
	say("fdatasync", fdatasync(fd) == 0 && fsync(fd) == 0);
	say("syncfs", syncfs(fd) == 0);
	say("statfs", fstatfs(fd, &fs) == 0 && fs.f_bsize > 0);
	return 0;
}

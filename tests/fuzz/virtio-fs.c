/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/fs.h"
#include "tests/fuzz/hostile/driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A directory that is shared, and beside it what no request may touch. */
static char dir[] = "/tmp/moat-fuzz-fs.XXXXXX";
static int dir_fd = -1;

#define SECRET "nobody's"

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)chmod(path, 0700);
	return where->level ? remove(path) : 0;
}

static void write_file(const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

static void leave(void)
{
	(void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	(void)rmdir(dir);
}

/* The same for each input. */
static void fill(void)
{
	if (dir_fd < 0) {
		if (!mkdtemp(dir))
			abort();
		dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)atexit(leave);
	}
	if (nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0 ||
	    mkdirat(dir_fd, "shared", 0700) < 0 || mkdirat(dir_fd, "shared/d", 0700) < 0 ||
	    symlinkat("../secret", dir_fd, "shared/l") < 0)
		abort();
	write_file("shared/f", "some text");
	write_file("secret", SECRET);
}

static void check_secret(void)
{
	char text[32] = "";
	struct stat st;
	int fd = openat(dir_fd, "secret", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0 || strcmp(text, SECRET) != 0 ||
	    fstat(fd, &st) < 0 || st.st_nlink != 1 || st.st_mode != (S_IFREG | 0600))
		abort();
	close(fd);
}

static struct virtio_device *make(void)
{
	struct virtio_fs_options options = { .tag = "fuzz", .descriptors_max = 16 };
	struct virtio_device *dev;

	options.root_fd = openat(dir_fd, "shared", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (options.root_fd < 0 || virtio_fs_open_self(&options.self_fd) < 0 ||
	    virtio_fs_enter(options.self_fd, NULL) < 0 || virtio_fs_new(&options, &dev, NULL) < 0)
		abort();
	return dev;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hostile_device device = { .make = make };

	fill();
	hostile_run(&device, data, size);
	check_secret();
	return 0;
}

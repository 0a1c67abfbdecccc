/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* map-write FILE TEXT: makes the file and writes the text through a shared mapping of it, which
 * nobody writes back. */
int main(int argc, char **argv)
{
	size_t len = argc == 3 ? strlen(argv[2]) : 0;
	int fd = len ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
	void *map;

	if (fd < 0 || ftruncate(fd, (off_t)len) < 0)
		return 1;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return 1;
	memcpy(map, argv[2], len);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypervisor/builtin/x86_64/boot-internal.h"
#include "hypervisor/builtin/x86_64/layout.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

#define PAGE_SIZE UINT64_C(4096)

size_t boot_ranges(const struct boot *b, struct boot_range *ret)
{
	size_t n = 0;

	ret[n++] = (struct boot_range){ 0, LAYOUT_LOW_END, BOOT_RAM };
	ret[n++] = (struct boot_range){ LAYOUT_LOW_END, LAYOUT_KERNEL - LAYOUT_LOW_END,
					BOOT_RESERVED };
	for (size_t i = 0; i < b->memory->count; i++) {
		const struct guest_memory_region *region = &b->memory->regions[i];
		uint64_t begin = region->gpa ? region->gpa : LAYOUT_KERNEL;

		ret[n++] =
			(struct boot_range){ begin, region->gpa + region->size - begin, BOOT_RAM };
	}
	return n;
}

static int read_at(int fd, uint64_t offset, void *buf, uint64_t len)
{
	char *at = buf;

	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return -ENODATA;
	while (len) {
		ssize_t n = pread(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int boot_read(const struct boot *b, uint64_t offset, void *buf, size_t len)
{
	return read_at(b->image->kernel_fd, offset, buf, len);
}

static int read_to(const struct boot *b, int fd, uint64_t offset, uint64_t address, uint64_t len,
		   const char *what, struct error *err)
{
	void *host = guest_memory_at(b->memory, address, len);
	int r = host ? read_at(fd, offset, host, len) : -EFAULT;

	if (r == -EFAULT)
		return error_set(err, r, "%s: outside of the guest's memory", what);
	if (r == -ENODATA)
		return error_set(err, r, "%s: the file ends before it", what);
	return r < 0 ? error_sys(err, r, "%s: read", what) : 0;
}

int boot_read_to(const struct boot *b, uint64_t offset, uint64_t address, uint64_t len,
		 const char *what, struct error *err)
{
	return read_to(b, b->image->kernel_fd, offset, address, len, what, err);
}

bool boot_is_place(const struct boot *b, uint64_t address, uint64_t size)
{
	return address >= LAYOUT_KERNEL && address < b->low_end && size <= b->low_end - address;
}

static int put_command_line(const struct boot *b, size_t max, struct error *err)
{
	const char *line = b->image->command_line;
	size_t len = strlen(line);

	if (len > max)
		return error_set(err, -E2BIG, "command line: %zu characters are more than %zu", len,
				 max);
	if (!guest_memory_write(b->memory, LAYOUT_COMMAND_LINE, line, len + 1))
		return error_set(err, -EFAULT, "command line: outside of the guest's memory");
	return 0;
}

/* As high as it can be, where no kernel that spreads from its beginning gets. */
static int put_initrd(struct boot *b, uint64_t kernel_end, uint64_t limit, struct error *err)
{
	uint64_t end = limit < b->low_end ? limit : b->low_end, size;
	struct stat st;

	if (b->image->initrd_fd < 0)
		return 0;
	if (fstat(b->image->initrd_fd, &st) < 0)
		return error_sys(err, errno, "initrd: read");
	size = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || !size)
		return error_set(err, -EINVAL, "initrd: not a file with anything in it");
	end &= ~(PAGE_SIZE - 1);
	if (size > end || ((end - size) & ~(PAGE_SIZE - 1)) < kernel_end)
		return error_set(err, -ENOSPC,
				 "initrd: its %llu bytes do not fit into the guest's memory beside "
				 "the kernel",
				 (unsigned long long)size);
	b->initrd = (end - size) & ~(PAGE_SIZE - 1);
	b->initrd_size = size;
	return read_to(b, b->image->initrd_fd, 0, b->initrd, size, "initrd", err);
}

int boot_put_rest(struct boot *b, uint64_t kernel_end, uint64_t initrd_limit, size_t line_max,
		  struct error *err)
{
	int r = put_command_line(b, line_max, err);

	return r < 0 ? r : put_initrd(b, kernel_end, initrd_limit, err);
}

static int measure(struct boot *b, struct error *err)
{
	struct stat st;

	if (fstat(b->image->kernel_fd, &st) < 0)
		return error_sys(err, errno, "read");
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "not a file");
	b->kernel_size = (uint64_t)st.st_size;
	for (size_t i = 0; i < b->memory->count; i++)
		if (b->memory->regions[i].gpa == 0)
			b->low_end = b->memory->regions[i].size;
	if (b->low_end <= LAYOUT_KERNEL)
		return error_set(err, -ENOSPC, "the guest has no memory for it");
	return 0;
}

int boot_load(const struct boot_image *image, const struct guest_memory *memory,
	      struct boot_entry *ret, struct error *err)
{
	struct boot b = { .image = image, .memory = memory };
	char magic[SELFMAG] = "";
	int r = measure(&b, err);

	if (r == 0 && boot_read(&b, 0, magic, sizeof(magic)) < 0)
		r = error_set(err, -ENODATA, "the file is too short for a kernel");
	if (r == 0 && memcmp(magic, ELFMAG, SELFMAG) == 0)
		r = boot_elf(&b, err);
	else if (r == 0)
		r = boot_bzimage(&b, err);
	if (r < 0)
		return error_wrap(err, r, "guest kernel");
	*ret = b.entry;
	return 0;
}

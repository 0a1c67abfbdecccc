/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypervisor/builtin/memory.h"
#include "hypervisor/builtin/x86_64/boot.h"
#include "lib/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY_SIZE (20u << 20)
#define BORDER 65536u

/* A guest's memory with nothing on either side, and the two files. */
static char *host;
static int kernel_fd, initrd_fd;

static void set_up(void)
{
	char *whole = mmap(NULL, BORDER + MEMORY_SIZE + BORDER, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (whole == MAP_FAILED ||
	    mprotect(whole + BORDER, MEMORY_SIZE, PROT_READ | PROT_WRITE) < 0)
		abort();
	host = whole + BORDER;
	kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
	initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
	if (kernel_fd < 0 || initrd_fd < 0 || write(initrd_fd, "files", 5) != 5)
		abort();
}

/* A file that is to be a kernel. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_image image = { .command_line = "console=ttyS0" };
	struct guest_memory memory = { 0 };
	struct error err = ERROR_INIT;
	struct boot_entry entry;

	if (!host)
		set_up();
	image.kernel_fd = kernel_fd;
	image.initrd_fd = initrd_fd;
	if (ftruncate(kernel_fd, 0) < 0 || pwrite(kernel_fd, data, size, 0) != (ssize_t)size ||
	    madvise(host, MEMORY_SIZE, MADV_DONTNEED) < 0 ||
	    guest_memory_add(&memory, 0, MEMORY_SIZE, host) < 0)
		abort();
	if (boot_load(&image, &memory, &entry, &err) < 0) {
		if (!err.code)
			__builtin_trap();
		return 0;
	}
	if (!guest_memory_at(&memory, entry.instruction, 1) ||
	    !guest_memory_at(&memory, entry.info, 1))
		__builtin_trap();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypervisor/builtin/serial.h"
#include "hypervisor/builtin/state.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define MEMORY_BYTES 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(const struct wire_field *f, const uint8_t *data, size_t size)
{
	if (f->data < data || f->len > size || f->data + f->len > data + size)
		__builtin_trap();
}

static void parse(const uint8_t *data, size_t size)
{
	cleanup_free struct state *s = xcalloc(1, sizeof(*s));
	struct serial *serial;

	if (state_parse(data, size, s) < 0)
		return;
	check_within(&s->chip, data, size);
	for (size_t i = 0; i < s->vcpus_count; i++)
		check_within(&s->vcpus[i], data, size);
	for (size_t i = 0; i < s->windows_count; i++)
		check_within(&s->windows[i], data, size);
	serial = serial_new(-1, -1);
	(void)serial_restore(serial, s->serial.data, s->serial.len);
	serial_free(serial);
}

/* A saved machine that somebody else had in hands: as a stream, as its memory, as its fields. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_fd int fd = memfd_create("state", MFD_CLOEXEC);
	cleanup_free char *memory = xcalloc(MEMORY_BYTES, 1), *state = NULL;
	size_t len;

	if (fd < 0 || write_all(fd, data, size) < 0)
		return 0;
	(void)lseek(fd, 0, SEEK_SET);
	if (state_read(fd, true, &state, &len, NULL) == 0)
		(void)state_read_memory(fd, memory, MEMORY_BYTES, NULL);
	(void)lseek(fd, 0, SEEK_SET);
	(void)state_read_memory(fd, memory, MEMORY_BYTES, NULL);
	parse(data, size);
	return 0;
}

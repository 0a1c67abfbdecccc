/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/error.h"
#include "lib/engine/sync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int await(struct sync *caller, uint8_t choice, struct error *err)
{
	enum sync_message message = (enum sync_message)(choice % SYNC_COUNT);
	cleanup_fd int fd = -1;
	int number;

	switch (choice / SYNC_COUNT % 4) {
	case 0:
		return sync_wait(caller, message, err);
	case 1:
		return sync_wait_number(caller, message, &number, err);
	case 2:
		return sync_wait_fd(caller, message, &fd, err);
	default:
		return sync_wait_exec(caller, err);
	}
}

/* What a container's first process says to the runtime, packets of up to 64 bytes, after something
 * in its image took it over; the first byte chooses what is awaited. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sync caller = { .fd = -1, .peer = "init" };
	struct error err = ERROR_INIT;
	int init_fd;

	if (!size || sync_pair(&caller, &init_fd, &err) < 0)
		return 0;
	for (size_t at = 1; at < size; at += data[at] + 1u) {
		size_t rest = size - at - 1;

		(void)!send(init_fd, data + at + 1, rest < data[at] ? rest : data[at],
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	close(init_fd);
	if (await(&caller, data[0], &err) < 0 && (!err.code || strlen(err.msg) >= sizeof(err.msg)))
		abort();
	sync_close(&caller);
	return 0;
}

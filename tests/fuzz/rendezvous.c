/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/sandbox/rendezvous.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a shim says to moat after its guest took it over; the first byte chooses what is awaited. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = NULL;
	struct error err = ERROR_INIT;
	int moat, shim, r;

	if (!size || rendezvous_pair(&moat, &shim) < 0)
		return 0;
	(void)!send(shim, data + 1, size - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (data[0] & 0x80)
		(void)shutdown(shim, SHUT_WR);
	r = rendezvous_wait(moat, (enum rendezvous_message)(data[0] % RENDEZVOUS_FAILED), 0,
			    "moat-shim", &text, &err);
	if (r == 0 ? !text : !err.code || strpbrk(err.msg, "\033\n\r\t\177"))
		abort();
	close(moat);
	close(shim);
	return 0;
}

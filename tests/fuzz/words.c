/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/moat/exec-process.h"
#include "cmd/moat/signals.h"
#include "cmd/moat/units.h"
#include "lib/base/error.h"
#include "lib/base/id-set.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A user is digits, or digits, a colon and digits: who is nobody is not root by mistake. */
static void try_user(const char *text)
{
	struct error err = ERROR_INIT;
	uid_t uid = 0;
	gid_t gid = 0;

	if (exec_parse_user(text, &uid, &gid, &err) < 0) {
		if (!*err.msg)
			abort();
		return;
	}
	if (text[strspn(text, "0123456789:")] || uid == (uid_t)-1 || gid == (gid_t)-1 ||
	    (uid == 0 && *text != '0'))
		abort();
}

static void try_signal(const char *text)
{
	int number = signal_parse(text);

	if (number > 64)
		abort();
}

static void try_set(const char *text)
{
	cleanup_id_set struct id_set set = ID_SET_INIT;

	if (id_set_parse(text, &set) == 0 && id_set_has(&set, ID_SET_MAX + 1))
		abort();
}

/* Words of a command line, which engines fill with what a stranger wrote. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	int64_t number;

	try_user(text);
	try_signal(text);
	try_set(text);
	(void)size_parse(text, &number);
	(void)duration_parse(text, &number);
	return 0;
}

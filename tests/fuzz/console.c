/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/sandbox/console.h"

#define TAIL_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a guest prints: its end becomes part of an error's text. Without a directory for its log, so
 * that nothing is written. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_strbuf struct strbuf tail = STRBUF_INIT;
	struct console *console;
	struct loop *loop;
	cleanup_fd int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int ends[2];

	if (null_fd < 0 || loop_new(&loop) < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return 0;
	console = console_new(loop, null_fd);
	(void)!write(ends[1], data, size); /* more than a pipe takes is no use here */
	close(ends[1]);
	if (console_add(console, ends[0], JOURNAL_CONSOLE) < 0)
		abort();
	console_drain(console);
	console_tail(console, &tail, TAIL_MAX);
	if (tail.len > TAIL_MAX)
		abort();
	for (size_t i = 0; i < tail.len; i++)
		if (tail.buf[i] < 0x20 || tail.buf[i] > 0x7e)
			abort(); /* it goes to a terminal */
	console_free(console);
	loop_free(loop);
	return 0;
}

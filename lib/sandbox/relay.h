/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct loop;

/*
 * One direction of a process's stdio: bytes from one descriptor to another, as fast as the slower
 * of the two, one buffer deep. At the end of @in, @out is half closed and closed, so that its
 * reader sees the end too; when @out breaks, @in is closed, so that its writer learns it.
 *
 * Either side may be a socket, pipe, terminal or file. Those that came from the caller are shared
 * with the caller's other processes, so their O_NONBLOCK flag is never touched; see
 * relay_adopt().
 */
struct relay;
typedef void (*relay_done_fn)(void *ctx);

/* Begins when the loop runs. @in and @out are owned from here on. @done is called once. */
struct relay *relay_new(struct loop *loop, int in, int out, relay_done_fn done, void *ctx);
void relay_free(struct relay *relay); /* closes what is still open */

/* The first bytes that are passed on become this point of `--timing`. */
void relay_time_first(struct relay *relay, const char *point);

bool relay_is_done(const struct relay *relay);
/* Bytes that came from @in, but that @out has not taken yet. */
bool relay_has_pending(const struct relay *relay);
unsigned long long relay_bytes(const struct relay *relay);

/* A descriptor of ours for a standard stream of the caller, that does not block where the kernel
 * lets us have one: pipes and terminals are opened anew. @fd stays as it is. */
int relay_adopt(int fd, bool is_writer);

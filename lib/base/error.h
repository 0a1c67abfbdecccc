/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * An operation's error: a negative errno and a text, in fixed storage on the caller's stack, so
 * that there is nothing to free, it is safe after clone(2), and it crosses a pipe as it is.
 *
 * The text is "operation object: reason" in lower case, names in single quotes, no full stop.
 * Each layer puts its own noun in front once, with error_wrap(). A struct error is untouched on
 * success. Every function here accepts NULL for @err and returns @code.
 */
struct error {
	int code; /* negative errno, 0 while no error was recorded */
	char msg[1020];
};

#define ERROR_INIT                                                                                 \
	{                                                                                          \
		0, ""                                                                              \
	}

/* Records our own reason. @code: negative errno. Returns @code. */
int error_set(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Records the kernel's reason: appends ": " and strerror(@errnum). @errnum: an errno of either
 * sign. Returns it negative. */
int error_sys(struct error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of what @err already says. Returns @code. */
int error_wrap(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* For a text that a child, guest or VMM had a hand in: str_sanitize() on one line. */
void error_sanitize(struct error *err);

/* A cure for a well-known error, or NULL: one sentence without the "hint: " in front. */
const char *error_hint(const struct error *err);

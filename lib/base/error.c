/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 0)))
static void put_text(struct error *err, const char *fmt, va_list ap)
{
	if (vsnprintf(err->msg, sizeof(err->msg), fmt, ap) < 0)
		err->msg[0] = '\0';
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;

	err->code = code;
	va_start(ap, fmt);
	put_text(err, fmt, ap);
	va_end(ap);
	return code;
}

int error_sys(struct error *err, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	errnum = abs(errnum);
	if (!err)
		return -errnum;

	err->code = -errnum;
	va_start(ap, fmt);
	put_text(err, fmt, ap);
	va_end(ap);
	len = strlen(err->msg);
	snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", strerror(errnum));
	return -errnum;
}

int error_wrap(struct error *err, int code, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	va_list ap;
	size_t len;

	if (!err)
		return code;

	memcpy(inner, err->msg, sizeof(inner));
	err->code = code;
	va_start(ap, fmt);
	put_text(err, fmt, ap);
	va_end(ap);
	len = strlen(err->msg);
	snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", inner);
	return code;
}

void error_sanitize(struct error *err)
{
	char *p;

	err->msg[sizeof(err->msg) - 1] = '\0';
	for (p = err->msg; *p; p++) {
		if (*p == '\n' || *p == '\t')
			*p = ' ';
		else if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
}

/* One table for every cure, so that they can be read and checked together. */
static const struct {
	const char *text; /* a piece of the message that identifies the situation */
	const char *cure;
} hints[] = {
	{ "no guest image", "build one with 'moat-image build', or run './dev build' in a checkout" },
	{ "cgroup is not empty", "another container uses it; choose another linux.cgroupsPath" },
	{ "set rlimit", "the caller may not raise this limit (CAP_SYS_RESOURCE); lower process.rlimits" },
	{ "shared host network", "give the container its own network namespace, or use --isolation native" },
	{ "find 'qemu-system-", "install the distribution's package qemu-system-x86" },
	{ "find 'virtiofsd'", "install the distribution's package virtiofsd or qemu-system-common" },
};

const char *error_hint(const struct error *err)
{
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strstr(err->msg, hints[i].text))
			return hints[i].cure;
	return NULL;
}

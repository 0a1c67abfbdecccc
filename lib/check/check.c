/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/check/check.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/check/check-internal.h"

#define FILE_MAX_BYTES (1u << 20)

static const char *const verdict_words[] = {
	[CHECK_OK] = "ok",
	[CHECK_WARNING] = "warning",
	[CHECK_MISSING] = "missing",
};
_Static_assert(ARRAY_SIZE(verdict_words) == CHECK_VERDICT_COUNT, "a word for each verdict");
const struct names check_verdict_names = NAMES(verdict_words);

/* From what everything stands on to what stands on it. */
static const struct check_field *const fields[] = {
	&check_kernel,	&check_namespaces, &check_cgroups, &check_security, &check_devices,
	&check_machine, &check_guest,	   &check_moat,	   &check_engines,
};

__attribute__((format(printf, 4, 0))) static void add(struct check *c, enum check_verdict verdict,
						      char *cure, const char *fmt, va_list args)
{
	struct check_report *report = c->report;
	char *text = NULL;

	if (vasprintf(&text, fmt, args) < 0)
		abort(); /* as xmalloc() does */
	/* A file's text may stand in it. */
	str_sanitize(text, false);
	report->findings = xrealloc(report->findings, report->count + 1, sizeof(*report->findings));
	report->findings[report->count++] = (struct check_finding){ .field = c->field,
								    .subject = c->subject,
								    .verdict = verdict,
								    .text = text,
								    .cure = cure };
	report->counts[verdict]++;
}

void check_ok(struct check *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(c, CHECK_OK, NULL, fmt, args);
	va_end(args);
}

void check_warn(struct check *c, char *cure, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(c, CHECK_WARNING, cure, fmt, args);
	va_end(args);
}

void check_lacks(struct check *c, char *cure, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(c, CHECK_MISSING, cure, fmt, args);
	va_end(args);
}

void check_lacks_for_vm(struct check *c, char *cure, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(c, c->host->wants_vm ? CHECK_MISSING : CHECK_WARNING, cure, fmt, args);
	va_end(args);
}

char *check_host_path(const struct check *c, const char *path)
{
	return xasprintf("%s%s", c->host->root, path);
}

bool check_host_can(const struct check *c, const char *path, int mode)
{
	cleanup_free char *whole = check_host_path(c, path);

	return access(whole, mode) == 0;
}

char *check_host_read(const struct check *c, const char *path)
{
	cleanup_free char *whole = check_host_path(c, path);
	char *text;
	size_t len;

	if (read_file_at(AT_FDCWD, whole, FILE_MAX_BYTES, &text, &len) < 0)
		return NULL;
	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	return text;
}

void check_host_run(const struct check_host *host, struct check_report *ret)
{
	*ret = (struct check_report){ NULL };
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		for (size_t j = 0; j < fields[i]->count; j++) {
			struct check c = { .host = host,
					   .report = ret,
					   .field = fields[i]->name,
					   .subject = fields[i]->specs[j].subject };

			fields[i]->specs[j].run(&c);
		}
	}
}

void check_report_done(struct check_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->findings[i].text);
		free(report->findings[i].cure);
	}
	free(report->findings);
	*report = (struct check_report){ NULL };
}

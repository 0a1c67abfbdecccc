/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/json.h"
#include "lib/base/progress.h"
#include "lib/base/rfc3339.h"
#include "lib/base/str.h"

static struct log_options options = { "moat", LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, -1 };

static int kept_stderr = -1;

static void (*keep)(void *ctx, enum log_level level, const char *msg);
static void *keep_ctx;

static const char *const level_names[] = { "error", "warning", "info", "debug" };
const struct names log_level_names = NAMES(level_names);
static const char *const kata_level_names[] = { "ERRO", "WARN", "INFO", "DEBG" };

void log_setup(const struct log_options *wanted)
{
	options = *wanted;
}

void log_set_keeper(void (*fn)(void *ctx, enum log_level level, const char *msg), void *ctx)
{
	keep = fn;
	keep_ctx = ctx;
}

void log_start_anew(const char *program)
{
	options = (struct log_options){ program, LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, -1 };
	keep = NULL;
	keep_ctx = NULL;
	kept_stderr = -1;
}

int log_fd(void)
{
	return options.fd >= 0 ? options.fd : kept_stderr;
}

void log_keep_stderr(void)
{
	kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

enum log_format log_file_format(void)
{
	return options.format;
}

bool log_wants(enum log_level level)
{
	return level <= options.level;
}

/* One write(2) a line, so that lines of several processes with the same file do not mix. */
static void write_record(enum log_level level, const char *msg)
{
	cleanup_strbuf struct strbuf line = STRBUF_INIT;
	char when[RFC3339_SIZE];

	rfc3339_format(time(NULL), -1, when);
	if (options.format != LOG_FORMAT_TEXT) {
		strbuf_addstr(&line, "{\"level\":");
		json_quote(&line, options.format == LOG_FORMAT_KATA ? kata_level_names[level]
								    : level_names[level]);
		strbuf_addstr(&line, ",\"msg\":");
		json_quote(&line, msg);
		strbuf_addstr(&line, ",\"time\":");
		json_quote(&line, when);
		strbuf_addstr(&line, "}\n");
	} else {
		strbuf_addf(&line, "time=\"%s\" level=%s msg=", when, level_names[level]);
		json_quote(&line, msg);
		strbuf_addch(&line, '\n');
	}
	(void)write_all(options.fd, line.buf, line.len); /* there is nowhere left to say so */
}

static void write_stderr(const char *kind, const char *msg)
{
	cleanup_free char *line = xasprintf("%s: %s%s\n", options.program, kind, msg);

	progress_hide();
	(void)write_all(kept_stderr >= 0 ? kept_stderr : STDERR_FILENO, line,
			strlen(line)); /* as above */
}

void log_at(enum log_level level, const char *fmt, ...)
{
	bool is_kept = keep && (level <= LOG_LEVEL_INFO || log_wants(level));
	char msg[2048];
	va_list ap;

	if (!log_wants(level) && !is_kept)
		return;
	va_start(ap, fmt);
	if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
		msg[0] = '\0';
	va_end(ap);

	if (is_kept)
		keep(keep_ctx, level, msg);
	if (!log_wants(level))
		return;
	if (options.fd >= 0) {
		write_record(level, msg);
	} else {
		char kind[16];

		snprintf(kind, sizeof(kind), "%s: ", level_names[level]);
		write_stderr(kind, msg);
	}
}

void log_failure(const struct error *err)
{
	const char *hint = error_hint(err);

	if (keep)
		keep(keep_ctx, LOG_LEVEL_ERROR, err->msg);
	if (options.fd >= 0)
		write_record(LOG_LEVEL_ERROR, err->msg);
	write_stderr("", err->msg);
	if (hint)
		write_stderr("hint: ", hint);
}

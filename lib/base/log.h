/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct error;
struct names;

/*
 * The process's log. What is handled is logged, what is not is returned. Text lines look like
 * "moat: warning: …"; JSON lines are {"level":"warning","msg":"…","time":"RFC 3339"}, as callers
 * of runc parse them.
 *
 * Nothing is written to a log file unless something is wrong or --debug was given: podman wants
 * exactly one JSON object there on failure, and containerd reads standard error together with
 * standard output, so a success stays silent on both.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
extern const struct names log_level_names;
enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
	LOG_FORMAT_KATA /* JSON with levels as hosts of Kata's agent read them: "ERRO", "WARN" … */
};

struct log_options {
	const char *program;	/* prefix of text lines, e.g. "moat" */
	enum log_level level;	/* lines above this level are dropped */
	enum log_format format; /* of the log file; standard error always gets text */
	int fd;			/* log file, borrowed, or -1 */
};

void log_setup(const struct log_options *options);
/* Who else gets what is logged: all from information on, whatever the level above is, and what that
 * lets through. NULL: nobody. */
void log_set_keeper(void (*fn)(void *ctx, enum log_level level, const char *msg), void *ctx);
/* Standard error is from now on what it is now: for who makes processes whose own standard error
 * the log is not to be found in. */
void log_keep_stderr(void);
/* For a child that has none of its parent's descriptors: what is wrong goes to its own standard
 * error, and nowhere else. */
void log_start_anew(const char *program);
int log_fd(void); /* what the log has open: its file, or the standard error that was kept; or -1 */
enum log_format log_file_format(void);
bool log_wants(enum log_level level);

/* Warnings, information and debugging go to the log file if there is one, else to standard
 * error. Arguments are cut at 2 KiB. */
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_wants(LOG_LEVEL_DEBUG))                                                    \
			log_at(LOG_LEVEL_DEBUG, __VA_ARGS__);                                      \
	} while (0)

/* The one report of a command that failed: "PROGRAM: msg" and its hint on standard error, and one
 * record in the log file. */
void log_failure(const struct error *err);

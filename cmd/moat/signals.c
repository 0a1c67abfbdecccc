/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/signals.h"

#include <errno.h>
#include <signal.h>
#include <strings.h>

#include "lib/base/str.h"

/* clang-format off */
static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },	      { "QUIT", SIGQUIT }, { "ILL", SIGILL },
	{ "TRAP", SIGTRAP }, { "ABRT", SIGABRT },     { "IOT", SIGIOT },   { "BUS", SIGBUS },
	{ "FPE", SIGFPE },   { "KILL", SIGKILL },     { "USR1", SIGUSR1 }, { "SEGV", SIGSEGV },
	{ "USR2", SIGUSR2 }, { "PIPE", SIGPIPE },     { "ALRM", SIGALRM }, { "TERM", SIGTERM },
	{ "CHLD", SIGCHLD }, { "CLD", SIGCHLD },      { "CONT", SIGCONT }, { "STOP", SIGSTOP },
	{ "TSTP", SIGTSTP }, { "TTIN", SIGTTIN },     { "TTOU", SIGTTOU }, { "URG", SIGURG },
	{ "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ },     { "PROF", SIGPROF }, { "VTALRM", SIGVTALRM },
	{ "WINCH", SIGWINCH }, { "IO", SIGIO },	      { "POLL", SIGPOLL }, { "PWR", SIGPWR },
	{ "SYS", SIGSYS },
#ifdef SIGSTKFLT
	{ "STKFLT", SIGSTKFLT },
#endif
};
/* clang-format on */

/* What kill(1) calls them: the C library keeps the first two for itself, and so must not be asked
 * where real-time signals begin. */
#define RTMIN 34
#define RTMAX 64

static int parse_real_time(const char *name)
{
	bool is_from_max = strncasecmp(name, "RTMAX", 5) == 0;
	uint32_t distance = 0;

	if (strncasecmp(name, "RTMIN", 5) != 0 && !is_from_max)
		return -EINVAL;
	name += 5;
	if (*name && *name != (is_from_max ? '-' : '+'))
		return -EINVAL;
	if (*name && (parse_u32(name + 1, &distance) < 0 || distance > RTMAX - RTMIN))
		return -EINVAL;
	return is_from_max ? RTMAX - (int)distance : RTMIN + (int)distance;
}

int signal_parse(const char *text)
{
	uint32_t number;

	if (parse_u32(text, &number) == 0)
		return number <= RTMAX ? (int)number : -EINVAL;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcasecmp(signals[i].name, text) == 0)
			return signals[i].number;
	return parse_real_time(text);
}

const char *signal_name(size_t index)
{
	return index < ARRAY_SIZE(signals) ? signals[index].name : NULL;
}

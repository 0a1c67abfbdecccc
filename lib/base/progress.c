/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"

#define QUIET_MS 1000
#define BAR_WIDTH 25
#define FIFTH 20

static struct {
	const char *program; /* NULL: nothing is shown */
	bool is_terminal;
	progress_fn relay;
	void *ctx;

	char what[64];
	int percent;
	long long begin_ms; /* of the first work, whatever came after */
	bool has_bar;
	long long bar_second; /* that it shows */
	int bar_percent;
	int told_percent; /* by the last line, of this work */
	bool has_told;
} state;

void progress_show(const char *program, enum progress_lines where)
{
	state.is_terminal = isatty(STDERR_FILENO);
	state.program = state.is_terminal || where == PROGRESS_EVERYWHERE ? program : NULL;
	state.begin_ms = now_ms();
}

void progress_relay(progress_fn fn, void *ctx)
{
	state.relay = fn;
	state.ctx = ctx;
}

bool progress_is_wanted(void)
{
	return state.program || state.relay;
}

/* Whatever becomes of it: nobody may be there. */
static void say(const struct strbuf *text)
{
	(void)write_all(STDERR_FILENO, text->buf, text->len);
}

static void add_bar(struct strbuf *text)
{
	int filled = state.percent * BAR_WIDTH / 100;

	strbuf_addstr(text, " [");
	for (int i = 0; i < BAR_WIDTH; i++)
		strbuf_addch(text, i < filled ? '#' : ' ');
	strbuf_addf(text, "] %3d %%", state.percent);
}

static void draw(long long second)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	if (state.has_bar && state.bar_percent == state.percent && state.bar_second == second)
		return;
	strbuf_addf(&text, "\r\x1b[K%s: %s", state.program, state.what);
	if (state.percent == PROGRESS_UNKNOWN)
		strbuf_addf(&text, " %lld s", second);
	else
		add_bar(&text);
	say(&text);
	state.has_bar = true;
	state.bar_percent = state.percent;
	state.bar_second = second;
}

static void tell(void)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int fifth = state.percent / FIFTH * FIFTH;

	if (state.has_told && fifth <= state.told_percent)
		return;
	strbuf_addf(&text, "%s: %s", state.program, state.what);
	if (fifth > 0)
		strbuf_addf(&text, ": %d %%", fifth);
	strbuf_addch(&text, '\n');
	say(&text);
	state.has_told = true;
	state.told_percent = fifth;
}

void progress_tick(void)
{
	long long passed_ms = now_ms() - state.begin_ms;

	if (!state.program || !*state.what || passed_ms < QUIET_MS)
		return;
	if (state.is_terminal)
		draw(passed_ms / 1000);
	else
		tell();
}

void progress_percent(const char *what, int percent)
{
	if (state.relay)
		state.relay(state.ctx, what, percent);
	if (!state.program)
		return;
	if (!streq(state.what, what)) {
		snprintf(state.what, sizeof(state.what), "%s", what);
		state.has_told = false;
	}
	state.percent = percent > 100 ? 100 : percent;
	progress_tick();
}

void progress_at(const char *what, uint64_t done, uint64_t total)
{
	double share = total ? (double)done / (double)total : 0;

	if (progress_is_wanted())
		progress_percent(what, total ? (int)(share * 100) : PROGRESS_UNKNOWN);
}

void progress_hide(void)
{
	if (state.has_bar)
		(void)write_all(STDERR_FILENO, "\r\x1b[K", strlen("\r\x1b[K"));
	state.has_bar = false;
}

void progress_clear(void)
{
	progress_hide();
	state.what[0] = '\0';
}

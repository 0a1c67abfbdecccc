/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-vmm QEMU'S ARGUMENTS: what `vm.hypervisor` of moat.json may name instead of QEMU. There is
 * no machine: it speaks as the agent of a guest would on the chardev "agent", with containers that
 * exist by its word alone, and misbehaves as the file with its sandbox's name says, which lies
 * beside the program and has lines like these. It shares no code with moat, so that the two do not
 * agree on a mistake.
 *
 *	FAKE_GUEST	MOMENT:DEED: what it does at the first such moment, not what is right.
 *			A moment is "start", "greet", "connect", "stdio" (a connection's first
 *			line) or a method of the agent's; "+METHOD" is after its right answer.
 *	FAKE_CUT	N:DEED: when N bytes were sent, in the middle of whatever that is.
 *	FAKE_EXIT	N: its containers end by themselves, with this status; else when signalled
 *	FAKE_REPORT	a file that gets the most memory its parent ever used, in KiB
 */
#define _GNU_SOURCE
#include "fake-vmm.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct guest guest = { .channel = -1, .qmp = -1, .console = -1, .cut = -1, .flooded_fd = -1 };

/* True: the deed was done instead of what is right. */
static bool is_the_moment(const char *moment, struct stream *st, uint32_t call)
{
	char *deed = guest.deed;

	if (!deed || strcmp(guest.moment, moment) != 0)
		return false;
	guest.deed = NULL;
	return !do_deed(deed, st, call);
}

/* --- the agent ------------------------------------------------------------------------------ */

static void finish_stream(uint32_t number)
{
	struct stream *st = find_number(number);

	if (st && number)
		control(DATA, FIN, st->id, 0);
}

static void say(uint32_t number, const char *text)
{
	struct stream *st = find_number(number);

	if (st && number)
		send_data(st, text, strlen(text));
}

static void end_container(int status)
{
	guest.has_ended = true;
	guest.status = status;
	finish_stream(guest.stdio[1]);
	finish_stream(guest.stdio[2]);
	for (size_t i = 0; i < guest.init_waiters_count; i++)
		answer_number(guest.init_waiters[i].stream, guest.init_waiters[i].call,
			      (uint64_t)status);
	guest.init_waiters_count = 0;
}

static void create_container(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	struct buffer none;

	for (unsigned int i = 0; i < 3; i++)
		guest.stdio[i] = (uint32_t)find_field(message, len, 9 + i, &none);
	answer(st, call, NULL);
}

static void start_container(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	const char *text = getenv("FAKE_EXIT");
	int status;

	answer(st, call, NULL);
	say(guest.stdio[1], "hello\n");
	if (text && sscanf(text, "%d", &status) == 1)
		end_container(status);
}

static void exec_process(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	struct buffer none;
	uint32_t ports[2];

	for (unsigned int i = 0; i < 2; i++)
		ports[i] = (uint32_t)find_field(message, len, 6 + i, &none);
	answer(st, call, NULL);
	say(ports[0], "exec\n");
	finish_stream(ports[0]);
	finish_stream(ports[1]);
}

/* Of the container itself, which Kata's agent knows by either name. */
static bool is_first_process(const uint8_t *message, size_t len)
{
	struct buffer container, process;

	(void)find_field(message, len, 1, &container);
	(void)find_field(message, len, 2, &process);
	return process.len == 0 || (container.len == process.len &&
				    memcmp(container.data, process.data, container.len) == 0);
}

/* An exec's process has always ended already. */
static void wait_process(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	if (!is_first_process(message, len))
		answer_number(st, call, 0);
	else if (guest.has_ended)
		answer_number(st, call, (uint64_t)guest.status);
	else if (guest.init_waiters_count < 64)
		guest.init_waiters[guest.init_waiters_count++] = (struct waiter){ st, call };
}

static void signal_process(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	struct buffer none;
	int sig = (int)find_field(message, len, 3, &none);

	answer(st, call, NULL);
	if (is_first_process(message, len) && (sig == SIGKILL || sig == SIGTERM))
		end_container(128 + sig);
}

static void list_processes(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	struct buffer b = { 0 };

	put_text(&b, 1, "[1]", 3);
	answer(st, call, &b);
	free(b.data);
}

static void never(struct stream *st, uint32_t call, const uint8_t *message, size_t len)
{
	/* GetOOMEvent waits for one. */
}

static const struct method {
	const char *name;
	void (*run)(struct stream *st, uint32_t call, const uint8_t *message, size_t len);
} methods[] = {
	{ "CreateContainer", create_container },
	{ "StartContainer", start_container },
	{ "ExecProcess", exec_process },
	{ "WaitProcess", wait_process },
	{ "SignalProcess", signal_process },
	{ "ListProcesses", list_processes },
	{ "GetOOMEvent", never },
};

static void on_request(struct stream *st, uint32_t call, const uint8_t *payload, size_t len)
{
	struct buffer method, message;
	char name[64], after[66];

	(void)find_field(payload, len, 2, &method);
	(void)find_field(payload, len, 3, &message);
	(void)snprintf(name, sizeof(name), "%.*s", (int)method.len, (const char *)method.data);
	(void)snprintf(after, sizeof(after), "+%s", name);
	if (is_the_moment(name, st, call))
		return;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i].name, name) != 0)
			continue;
		methods[i].run(st, call, message.data, message.len);
		(void)is_the_moment(after, st, 0);
		return;
	}
	answer(st, call, NULL);
	(void)is_the_moment(after, st, 0);
}

static void on_line(struct stream *st)
{
	char reply[32];
	bool is_stdio = strstr((const char *)st->in.data, "1027") != NULL;

	st->use = is_stdio ? STDIO : RPC;
	st->number = ++guest.last_number;
	if (is_the_moment(is_stdio ? "stdio" : "connect", st, 0))
		return;
	(void)snprintf(reply, sizeof(reply), "OK %u\n", st->number);
	send_data(st, reply, strlen(reply));
}

static void on_stream_data(struct stream *st)
{
	uint8_t *end;

	if (st->use == STDIO)
		st->in.len = 0;
	if (st->use == HANDSHAKE && !guest.is_talking) {
		append(&st->in, "", 0);
		st->in.data[st->in.len] = '\0';
		end = memchr(st->in.data, '\n', st->in.len);
		if (!end)
			return;
		on_line(st);
		drop(&st->in, (size_t)(end - st->in.data) + 1);
	}
	while (st->id && st->use == RPC && st->in.len >= TTRPC_HEADER && !guest.is_talking) {
		struct buffer in = st->in;
		uint32_t length, call;

		memcpy(&length, in.data, 4);
		memcpy(&call, in.data + 4, 4);
		length = be32toh(length);
		if (in.len < TTRPC_HEADER + (size_t)length)
			return;
		/* Before the call is served, since that may read more. */
		st->in = (struct buffer){ 0 };
		append(&st->in, in.data + TTRPC_HEADER + length, in.len - TTRPC_HEADER - length);
		on_request(st, be32toh(call), in.data + TTRPC_HEADER, length);
		free(in.data);
	}
}

/* --- yamux ---------------------------------------------------------------------------------- */

static struct stream *find_stream(uint32_t id)
{
	for (size_t i = 0; i < STREAMS; i++)
		if (guest.streams[i].id == id)
			return &guest.streams[i];
	return NULL;
}

static void forget_stream(struct stream *st)
{
	if (guest.flooded == st)
		guest.flooded = NULL;
	free(st->in.data);
	*st = (struct stream){ 0 };
}

static void open_stream(uint32_t id)
{
	struct stream *st = find_stream(0);

	if (!st) {
		control(WINDOW_UPDATE, RST, id, 0);
		return;
	}
	*st = (struct stream){ .id = id, .window = WINDOW };
	control(WINDOW_UPDATE, ACK, id, 0);
}

static void on_frame(uint8_t type, uint16_t flags, uint32_t id, uint32_t length,
		     const uint8_t *data)
{
	struct stream *st;

	if (type == PING && flags & SYN)
		control(PING, ACK, 0, length);
	if (type > WINDOW_UPDATE)
		return;
	if (flags & SYN)
		open_stream(id);
	st = id ? find_stream(id) : NULL;
	if (!st)
		return;
	if (type == WINDOW_UPDATE)
		st->window += length;
	if (type == DATA && length) {
		append(&st->in, data, length);
		control(WINDOW_UPDATE, 0, id, length);
		on_stream_data(st);
	}
	if (flags & (FIN | RST) && st->id == id) {
		if (flags & FIN && st->use != STDIO)
			control(DATA, FIN, id, 0);
		if (flags & RST || st->use != STDIO)
			forget_stream(st);
	}
}

/* Each frame is taken out before it is served, since serving it may come back here. */
static bool take_frame(void)
{
	const uint8_t *at = guest.in.data;
	uint32_t id, length, payload;
	uint16_t flags;
	uint8_t type, *data;

	if (guest.in.len < YAMUX_HEADER)
		return false;
	type = at[1];
	memcpy(&flags, at + 2, 2);
	memcpy(&id, at + 4, 4);
	memcpy(&length, at + 8, 4);
	length = be32toh(length);
	payload = type == DATA ? length : 0;
	if (guest.in.len < YAMUX_HEADER + (size_t)payload)
		return false;
	data = grow(NULL, payload + 1);
	memcpy(data, at + YAMUX_HEADER, payload);
	drop(&guest.in, YAMUX_HEADER + payload);
	on_frame(type, be16toh(flags), be32toh(id), length, data);
	free(data);
	return true;
}

static void read_channel(void)
{
	uint8_t buf[64 * 1024];
	ssize_t n = read(guest.channel, buf, sizeof(buf));

	if (n <= 0)
		exit(0);
	append(&guest.in, buf, (size_t)n);
	while (take_frame())
		;
}

/* --- the machine ---------------------------------------------------------------------------- */

/* What came while it was talking. */
static void serve_the_rest(void)
{
	for (size_t i = 0; i < STREAMS; i++)
		if (guest.streams[i].id && guest.streams[i].in.len)
			on_stream_data(&guest.streams[i]);
}

static void flood_some(void)
{
	static char text[PIECE];
	static size_t flooded;

	memset(text, 'f', sizeof(text));
	for (size_t i = 79; i < sizeof(text); i += 80)
		text[i] = '\n';
	if (guest.flooded && guest.flooded->window >= sizeof(text) &&
	    (guest.is_endless || flooded < FLOOD)) {
		send_data(guest.flooded, text, sizeof(text));
		flooded += sizeof(text);
	}
	/* As QEMU would: without waiting for who does not read. */
	if (guest.flooded_fd >= 0 && send(guest.flooded_fd, text, sizeof(text), MSG_DONTWAIT) < 0 &&
	    errno != EAGAIN)
		guest.flooded_fd = -1;
}

/* QEMU's control protocol: yes to everything. */
static void read_qmp(void)
{
	static const char yes[] = "{\"return\": {}}\r\n";
	char buf[4096];
	ssize_t n = read(guest.qmp, buf, sizeof(buf));

	if (n <= 0) {
		guest.qmp = -1;
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == '\n')
			(void)!write(guest.qmp, yes, sizeof(yes) - 1);
}

void pump(int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = guest.is_deaf ? -1 : guest.channel, .events = POLLIN },
		{ .fd = guest.qmp, .events = POLLIN },
	};

	(void)poll(fds, 2, timeout_ms);
	if (fds[0].revents)
		read_channel();
	if (fds[1].revents)
		read_qmp();
	report_memory();
}

static void find_chardevs(char **argv)
{
	for (char **arg = argv; *arg; arg++) {
		(void)sscanf(*arg, "socket,id=agent,fd=%d", &guest.channel);
		(void)sscanf(*arg, "socket,id=qmp,fd=%d", &guest.qmp);
		(void)sscanf(*arg, "socket,id=console,fd=%d", &guest.console);
	}
}

static void take_settings(const char *sandbox)
{
	char path[4096], line[4096], *end;
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	FILE *file;

	if (len < 0)
		exit(2);
	path[len] = '\0';
	end = strrchr(path, '/') + 1;
	(void)snprintf(end, (size_t)(path + sizeof(path) - end), "%s.settings", sandbox);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		(void)putenv(strdup(line));
	}
	if (file)
		(void)fclose(file);
}

static void find_settings(char **argv)
{
	for (char **arg = argv; arg[0] && arg[1]; arg++)
		if (strcmp(arg[0], "-name") == 0)
			take_settings(arg[1]);
}

/* "LEFT:RIGHT" of a setting. */
static char *split(const char *variable, char **ret_right)
{
	char *text = getenv(variable), *colon;

	*ret_right = NULL;
	if (!text || !*text)
		return NULL;
	text = strdup(text);
	colon = text ? strchr(text, ':') : NULL;
	if (!colon) {
		(void)fprintf(stderr, "fake-vmm: %s: no ':' in it\n", variable);
		exit(2);
	}
	*colon = '\0';
	*ret_right = colon + 1;
	(void)find_deed(*ret_right);
	return text;
}

int main(int argc, char **argv)
{
	static const char greeting[] = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";
	char *cut;

	(void)signal(SIGPIPE, SIG_IGN);
	find_chardevs(argv);
	find_settings(argv);
	if (guest.channel < 0 || guest.console < 0) {
		(void)fprintf(stderr, "fake-vmm: no chardevs for agent and console\n");
		return 2;
	}
	guest.moment = split("FAKE_GUEST", &guest.deed);
	cut = split("FAKE_CUT", &guest.cut_deed);
	if (cut)
		(void)sscanf(cut, "%lld", &guest.cut);
	if (guest.qmp >= 0)
		write_whole(guest.qmp, greeting, sizeof(greeting) - 1);
	if (!is_the_moment("start", NULL, 0))
		control(PING, SYN, 0, 0);
	(void)is_the_moment("greet", NULL, 0);
	for (;;) {
		pump(guest.flooded || guest.flooded_fd >= 0 ? 0 : 50);
		serve_the_rest();
		flood_some();
	}
}

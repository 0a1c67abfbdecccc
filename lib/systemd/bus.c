/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/systemd/bus.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/systemd/message.h"

#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE "org.freedesktop.systemd1.Manager"
#define DAEMON "org.freedesktop.DBus"
#define DAEMON_PATH "/org/freedesktop/DBus"
#define JOBS_RULE                                                                                  \
	"type='signal',sender='" MANAGER "',interface='" MANAGER_INTERFACE "',member='JobRemoved'"
/* Of each question. A manager that is reloading answers late. */
#define TIMEOUT_MS 30000
#define AUTH_LINES_MAX_BYTES 1024
#define JOBS_MAX 1024

struct job {
	char *path;
	char *result;
};

struct bus {
	int fd;
	bool has_daemon;
	uint32_t serial;
	struct strbuf in;
	/* That have ended. One may do so before we have its name. */
	struct job *jobs;
	size_t jobs_count;
};

void bus_close(struct bus *bus)
{
	if (!bus)
		return;
	for (size_t i = 0; i < bus->jobs_count; i++) {
		free(bus->jobs[i].path);
		free(bus->jobs[i].result);
	}
	free(bus->jobs);
	strbuf_done(&bus->in);
	close_fdp(&bus->fd);
	free(bus);
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Reads some more. */
static int receive(struct bus *bus, long long deadline_ms)
{
	struct pollfd readable = { .fd = bus->fd, .events = POLLIN };
	char buf[4096];

	for (;;) {
		long long left = deadline_ms - now_ms();
		int r = poll(&readable, 1, left > 0 ? (int)left : 0);
		ssize_t n;

		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r < 0)
			continue;
		n = read(bus->fd, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ECONNRESET;
		strbuf_add(&bus->in, buf, (size_t)n);
		return 0;
	}
}

static void consume(struct bus *bus, size_t len)
{
	bus->in.len -= len;
	memmove(bus->in.buf, bus->in.buf + len, bus->in.len);
}

static int send_all(struct bus *bus, const void *data, size_t len)
{
	const char *from = data;

	while (len) {
		ssize_t n = send(bus->fd, from, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

/* One line of the greeting, without its end. free(3) it. */
static int receive_line(struct bus *bus, char **ret)
{
	long long deadline_ms = now_ms() + TIMEOUT_MS;

	for (;;) {
		char *end = bus->in.len ? memmem(bus->in.buf, bus->in.len, "\r\n", 2) : NULL;
		int r;

		if (end) {
			size_t len = (size_t)(end - bus->in.buf);

			*ret = xstrndup(bus->in.buf, len);
			consume(bus, len + 2);
			return 0;
		}
		if (bus->in.len > AUTH_LINES_MAX_BYTES)
			return -EBADMSG;
		r = receive(bus, deadline_ms);
		if (r < 0)
			return r;
	}
}

static int receive_message(struct bus *bus, long long deadline_ms, struct message *ret)
{
	for (;;) {
		ssize_t size = bus->in.len ? message_size(bus->in.buf, bus->in.len) : 0;
		int r;

		if (size < 0)
			return (int)size;
		if (size > 0 && (size_t)size <= bus->in.len) {
			char *raw = xmemdup(bus->in.buf, (size_t)size);

			consume(bus, (size_t)size);
			return message_parse(raw, (size_t)size, ret);
		}
		r = receive(bus, deadline_ms);
		if (r < 0)
			return r;
	}
}

/* --- the greeting ----------------------------------------------------------------------------- */

/* Without a user's number: behind a user namespace ours is not the one that the peer sees, and it
 * asks the kernel anyway. */
static int greet(struct bus *bus, struct error *err)
{
	static const char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
	int r = send_all(bus, hello, sizeof(hello) - 1);

	for (int i = 0; r == 0 && i < 2; i++) {
		cleanup_free char *line = NULL;

		r = receive_line(bus, &line);
		if (r < 0)
			break;
		if (str_after(line, "OK"))
			return 0;
		if (!str_after(line, "DATA"))
			return error_set(err, -EACCES, "systemd: the connection was refused: %s",
					 line);
	}
	return error_sys(err, r < 0 ? r : -EBADMSG, "systemd: open the connection");
}

/* --- jobs ------------------------------------------------------------------------------------- */

/* JobRemoved (u id, o job, s unit, s result) */
static void note_job(struct bus *bus, const struct message *m)
{
	struct message_reader r = { m->body, m->body_len, 0 };
	const char *path, *unit, *result;
	uint32_t id;

	if (m->type != MESSAGE_SIGNAL || !streq_null(m->member, "JobRemoved") ||
	    !streq_null(m->interface, MANAGER_INTERFACE) || bus->jobs_count == JOBS_MAX ||
	    message_get_u32(&r, &id) < 0 || message_get_string(&r, &path) < 0 ||
	    message_get_string(&r, &unit) < 0 || message_get_string(&r, &result) < 0)
		return;
	bus->jobs = xrealloc(bus->jobs, bus->jobs_count + 1, sizeof(*bus->jobs));
	bus->jobs[bus->jobs_count++] = (struct job){ xstrdup(path), xstrdup(result) };
}

static const char *find_job(const struct bus *bus, const char *path)
{
	for (size_t i = 0; i < bus->jobs_count; i++)
		if (streq(bus->jobs[i].path, path))
			return bus->jobs[i].result;
	return NULL;
}

static int wait_job(struct bus *bus, const char *path, struct error *err)
{
	long long deadline_ms = now_ms() + TIMEOUT_MS;
	const char *result;

	while (!(result = find_job(bus, path))) {
		cleanup_message struct message m = { 0 };
		int r = receive_message(bus, deadline_ms, &m);

		if (r < 0)
			return error_sys(err, r, "systemd: wait for its job");
		note_job(bus, &m);
	}
	return streq(result, "done")
		       ? 0
		       : error_set(err, -EREMOTEIO, "systemd: its job ended as '%s'", result);
}

/* --- calls ------------------------------------------------------------------------------------ */

static int answer_error(const struct message *m, char **ret_name, struct error *err)
{
	struct message_reader r = { m->body, m->body_len, 0 };
	const char *text = NULL;

	if (m->signature && *m->signature == 's')
		(void)message_get_string(&r, &text); /* then it has a name only */
	if (ret_name)
		*ret_name = xstrdup(m->error ? m->error : "");
	error_set(err, -EREMOTEIO, "systemd: %s", text ? text : m->error ? m->error : "error");
	error_sanitize(err);
	return -EREMOTEIO;
}

static int call(struct bus *bus, struct message *m, struct message *ret_reply, char **ret_name,
		struct error *err)
{
	long long deadline_ms = now_ms() + TIMEOUT_MS;
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	int r;

	m->type = MESSAGE_CALL;
	m->serial = ++bus->serial;
	message_write(m, &out);
	r = send_all(bus, out.buf, out.len);
	while (r == 0) {
		cleanup_message struct message reply = { 0 };

		r = receive_message(bus, deadline_ms, &reply);
		if (r < 0)
			break;
		note_job(bus, &reply);
		if (reply.reply_serial != m->serial)
			continue;
		if (reply.type == MESSAGE_ERROR)
			return answer_error(&reply, ret_name, err);
		if (reply.type != MESSAGE_RETURN)
			continue;
		if (ret_reply) {
			*ret_reply = reply;
			reply.raw = NULL;
		}
		return 0;
	}
	return error_sys(err, r, "systemd: call '%s'", m->member);
}

int bus_call(struct bus *bus, const char *member, const char *signature, const struct strbuf *body,
	     struct message *ret_reply, char **ret_name, struct error *err)
{
	struct message m = {
		.path = MANAGER_PATH,
		.interface = MANAGER_INTERFACE,
		.member = member,
		.destination = bus->has_daemon ? MANAGER : NULL,
		.signature = signature,
		.body = body ? body->buf : NULL,
		.body_len = body ? body->len : 0,
	};

	return call(bus, &m, ret_reply, ret_name, err);
}

int bus_call_job(struct bus *bus, const char *member, const char *signature,
		 const struct strbuf *body, char **ret_name, struct error *err)
{
	cleanup_message struct message reply = { 0 };
	struct message_reader reader;
	const char *path;
	int r = bus_call(bus, member, signature, body, &reply, ret_name, err);

	if (r < 0)
		return r;
	reader = (struct message_reader){ reply.body, reply.body_len, 0 };
	if (message_get_string(&reader, &path) < 0)
		return error_set(err, -EBADMSG, "systemd: '%s' did not name its job", member);
	return wait_job(bus, path, err);
}

static int call_daemon(struct bus *bus, const char *member, const char *argument, struct error *err)
{
	cleanup_strbuf struct strbuf body = STRBUF_INIT;
	struct message m = {
		.path = DAEMON_PATH,
		.interface = DAEMON,
		.member = member,
		.destination = DAEMON,
	};

	if (argument) {
		message_put_string(&body, argument);
		m.signature = "s";
		m.body = body.buf;
		m.body_len = body.len;
	}
	return call(bus, &m, NULL, NULL, err);
}

/* The manager tells everybody on its own socket of its jobs, and on a bus who has asked. */
static int join_bus(struct bus *bus, struct error *err)
{
	int r = call_daemon(bus, "Hello", NULL, err);

	if (r == 0)
		r = call_daemon(bus, "AddMatch", JOBS_RULE, err);
	return r < 0 ? r : bus_call(bus, "Subscribe", NULL, NULL, NULL, NULL, err);
}

int bus_connect_fd(int fd, bool has_daemon, struct bus **ret, struct error *err)
{
	cleanup_bus struct bus *bus = xcalloc(1, sizeof(*bus));
	int r;

	bus->fd = fd;
	bus->has_daemon = has_daemon;
	r = greet(bus, err);
	if (r == 0 && has_daemon)
		r = join_bus(bus, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&bus);
	return 0;
}

struct address {
	char *path;
	bool has_daemon;
};

/* $DBUS_SESSION_BUS_ADDRESS, if it is a socket's path; NULL. free(3) it. */
static char *session_bus(void)
{
	const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");
	const char *path = address ? str_after(address, "unix:path=") : NULL;

	return path ? xstrndup(path, strcspn(path, ",;")) : NULL;
}

static size_t find_addresses(bool is_users, struct address ret[3])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *session = is_users ? session_bus() : NULL;
	size_t count = 0;

	if (!is_users) {
		ret[count++] = (struct address){ xstrdup("/run/systemd/private"), false };
		ret[count++] = (struct address){ xstrdup("/run/dbus/system_bus_socket"), true };
		return count;
	}
	if (runtime && *runtime == '/') {
		ret[count++] = (struct address){ xasprintf("%s/systemd/private", runtime), false };
		ret[count++] = (struct address){ xasprintf("%s/bus", runtime), true };
	}
	if (session)
		ret[count++] = (struct address){ session, true };
	return count;
}

int bus_connect(bool is_users, struct bus **ret, struct error *err)
{
	struct address addresses[3];
	size_t count = find_addresses(is_users, addresses);
	int r = -ENOENT, fd = -1;
	bool has_daemon = false;

	for (size_t i = 0; i < count; i++) {
		if (fd < 0) {
			fd = unix_connect(addresses[i].path);
			has_daemon = addresses[i].has_daemon;
			/* What is said of is the first one's reason. */
			r = i == 0 && fd < 0 ? fd : r;
		}
		free(addresses[i].path);
	}
	if (fd < 0)
		return error_sys(err, r, "systemd: connect to the %s manager",
				 is_users ? "user's" : "system's");
	return bus_connect_fd(fd, has_daemon, ret, err);
}

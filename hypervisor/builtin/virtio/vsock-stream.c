/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/vsock-internal.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#define PACKET_MAX (64 * 1024)
#define PIECES 64
/* So much is taken before the guest hears of it, unless it hears of something else. */
#define CREDIT_STEP (VIRTIO_VSOCK_BUFFER / 4)
#define SHUTDOWN_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* --- Where streams are ------------------------------------------------------------------------ */

static struct vsock_stream **bucket(struct vsock *v, uint32_t guest_port, uint32_t host_port)
{
	return &v->buckets[(guest_port ^ host_port) % VSOCK_BUCKETS];
}

struct vsock_stream *vsock_stream_find(struct vsock *v, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_stream *s = *bucket(v, guest_port, host_port);

	while (s && (s->guest_port != guest_port || s->host_port != host_port))
		s = s->next;
	return s;
}

static void leave_bucket(struct vsock_stream *s)
{
	struct vsock_stream **p = bucket(s->vsock, s->guest_port, s->host_port);

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	s->vsock->streams_count--;
}

static void join_line(struct vsock_stream *s)
{
	struct vsock *v = s->vsock;

	if (s->is_in_line)
		return;
	s->is_in_line = true;
	s->line_before = v->line_end;
	s->line_behind = NULL;
	if (v->line_end)
		v->line_end->line_behind = s;
	else
		v->line = s;
	v->line_end = s;
}

static void leave_line(struct vsock_stream *s)
{
	struct vsock *v = s->vsock;

	if (!s->is_in_line)
		return;
	s->is_in_line = false;
	*(s->line_before ? &s->line_before->line_behind : &v->line) = s->line_behind;
	*(s->line_behind ? &s->line_behind->line_before : &v->line_end) = s->line_before;
}

static void owe(struct vsock_stream *s, unsigned int debt)
{
	s->owes |= debt;
	join_line(s);
}

static void close_host(struct vsock_stream *s)
{
	backend_ignore(&s->host);
	close_fdp(&s->host.fd);
	close_fdp(&s->answer_fd);
	fifo_done(&s->output);
}

void vsock_stream_free(struct vsock_stream *s)
{
	leave_line(s);
	if (s->state == VSOCK_REFUSED)
		s->vsock->refusals_count--;
	else
		leave_bucket(s);
	close_host(s);
	free(s);
}

void vsock_stream_reset(struct vsock_stream *s)
{
	leave_bucket(s);
	close_host(s);
	s->state = VSOCK_REFUSED;
	s->vsock->refusals_count++;
	s->owes = 0;
	owe(s, VSOCK_OWES_RST);
}

void vsock_refuse(struct vsock *v, const struct vsock_packet *packet)
{
	struct vsock_stream *s = xcalloc(1, sizeof(*s));

	s->vsock = v;
	s->state = VSOCK_REFUSED;
	s->guest_port = packet->src_port;
	s->host_port = packet->dst_port;
	s->type = packet->type;
	s->host.fd = -1;
	s->answer_fd = -1;
	v->refusals_count++;
	owe(s, VSOCK_OWES_RST);
}

/* --- Ends ------------------------------------------------------------------------------------- */

/* How many bytes the guest has room for. It may have told us nonsense, for its own sockets. */
static uint32_t credit(const struct vsock_stream *s)
{
	uint32_t on_their_way = s->sent - s->peer_forwarded;

	return on_their_way < s->peer_buffer ? s->peer_buffer - on_their_way : 0;
}

static uint32_t shutdown_flags(const struct vsock_stream *s)
{
	if (s->is_input_done && s->is_output_done)
		return SHUTDOWN_BOTH;
	/* Who takes no more need not be told that no more comes. */
	return (s->is_input_done && !s->guest_takes_no_more ? VIRTIO_VSOCK_SHUTDOWN_SEND : 0) |
	       (s->host_takes_no_more ? VIRTIO_VSOCK_SHUTDOWN_RCV : 0);
}

static void watch(struct vsock_stream *s)
{
	uint32_t events = 0;

	if (s->state == VSOCK_OPEN && !s->has_input && !s->is_input_done && credit(s))
		events |= EPOLLIN;
	if (s->output.len)
		events |= EPOLLOUT;
	/* Who waits for its connection, or sends no more, can still hang up, which ends all. A pipe
	 * whose writer has gone may have something in it yet. */
	if (events || (s->state == VSOCK_CONNECTING && s->answer_fd < 0) ||
	    (s->state == VSOCK_OPEN && s->is_input_done && !s->is_output_done))
		backend_want(&s->host, events);
	else
		backend_ignore(&s->host);
}

static void forward(struct vsock_stream *s, uint32_t bytes)
{
	s->forwarded += bytes;
	if (s->forwarded - s->told_forwarded >= CREDIT_STEP)
		owe(s, VSOCK_OWES_CREDIT);
}

/* The host's side is closed for what the guest sends, which is taken for sent from now on. */
static void end_output(struct vsock_stream *s)
{
	s->host_takes_no_more = true;
	s->is_output_done = true;
	forward(s, (uint32_t)s->output.len);
	fifo_done(&s->output);
}

/* What follows from how far either direction has come. The stream may be refused afterwards. */
static void settle(struct vsock_stream *s)
{
	if (s->guest_sends_no_more && !s->output.len && !s->is_output_done) {
		s->is_output_done = true;
		(void)shutdown(s->host.fd, SHUT_WR); /* one that has gone needs none */
	}
	if (s->is_input_done && s->is_output_done) {
		close_host(s);
		if (s->guest_sends_no_more && s->guest_takes_no_more) {
			vsock_stream_reset(s);
			return;
		}
	} else {
		watch(s);
	}
	if (shutdown_flags(s) & ~s->told_shutdown)
		join_line(s);
}

static void flush(struct vsock_stream *s)
{
	size_t before = s->output.len;

	if (!before)
		return;
	if ((s->is_pipe ? fifo_flush : fifo_send)(&s->output, s->host.fd) < 0) {
		end_output(s);
		return;
	}
	forward(s, (uint32_t)(before - s->output.len));
	if (!s->output.len)
		fifo_done(&s->output);
}

static void on_host(void *ctx, int fd, uint32_t events)
{
	struct vsock_stream *s = ctx;
	struct vsock *v = s->vsock;

	if (s->state == VSOCK_CONNECTING) {
		vsock_stream_reset(s);
	} else {
		flush(s);
		if (s->is_input_done && (events & (EPOLLHUP | EPOLLERR)))
			end_output(s);
		if ((events & ~(uint32_t)EPOLLOUT) && !s->is_input_done && credit(s)) {
			s->has_input = true;
			join_line(s);
		}
		settle(s);
	}
	vsock_serve_guest(v);
}

struct vsock_stream *vsock_stream_new(struct vsock *v, int fd, uint32_t guest_port,
				      uint32_t host_port, enum vsock_state state)
{
	struct vsock_stream **first = bucket(v, guest_port, host_port);
	struct vsock_stream *s = xcalloc(1, sizeof(*s));

	s->vsock = v;
	s->next = *first;
	s->state = state;
	s->guest_port = guest_port;
	s->host_port = host_port;
	s->type = VIRTIO_VSOCK_TYPE_STREAM;
	s->host = (struct backend){ .loop = v->dev.loop, .fd = fd, .fn = on_host, .ctx = s };
	s->answer_fd = -1;
	*first = s;
	v->streams_count++;
	owe(s, state == VSOCK_CONNECTING ? VSOCK_OWES_REQUEST : VSOCK_OWES_RESPONSE);
	watch(s);
	return s;
}

int vsock_stream_pass(struct vsock *v, int fd, int answer_fd, uint32_t guest_port,
		      uint32_t host_port)
{
	int flags = fcntl(fd, F_GETFL);
	struct vsock_stream *s;
	struct stat st;

	/* Others may have the same pipe, so its flags are not for us to change. */
	if (flags < 0 || fstat(fd, &st) < 0 ||
	    !(S_ISSOCK(st.st_mode) || (S_ISFIFO(st.st_mode) && (flags & O_NONBLOCK)))) {
		close(fd);
		close(answer_fd);
		return -EINVAL;
	}
	s = vsock_stream_new(v, fd, guest_port, host_port, VSOCK_CONNECTING);
	s->answer_fd = answer_fd;
	s->is_pipe = S_ISFIFO(st.st_mode);
	s->is_input_done = (flags & O_ACCMODE) == O_WRONLY;
	s->is_output_done = (flags & O_ACCMODE) == O_RDONLY;
	s->host_takes_no_more = s->is_output_done;
	watch(s);
	return 0;
}

/* --- What the guest says ---------------------------------------------------------------------- */

/* As much as the socket takes; -errno: it takes nothing any more. */
static ssize_t send_now(struct vsock_stream *s, const struct virtqueue_chain *chain, uint32_t len)
{
	struct iovec pieces[PIECES];
	struct msghdr message = { .msg_iov = pieces };
	size_t done = 0;

	while (done < len) {
		ssize_t n;

		message.msg_iovlen = iovec_slice(chain->readable, chain->readable_count,
						 VSOCK_HEADER + done, len - done, pieces, PIECES);
		n = s->is_pipe ? writev(s->host.fd, pieces, (int)message.msg_iovlen)
			       : sendmsg(s->host.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return (ssize_t)done;
}

static void keep(struct vsock_stream *s, const struct virtqueue_chain *chain, uint32_t from,
		 uint32_t len)
{
	iovec_read(chain->readable, chain->readable_count, VSOCK_HEADER + from,
		   fifo_room(&s->output, len), len);
	fifo_commit(&s->output, len);
}

static void take_data(struct vsock_stream *s, const struct virtqueue_chain *chain, uint32_t len)
{
	ssize_t n = 0;

	s->vsock->dev.metrics.writes++;
	s->vsock->dev.metrics.written_bytes += len;
	s->received += len;
	if (s->is_output_done) {
		forward(s, len);
		return;
	}
	if (!s->output.len)
		n = send_now(s, chain, len);
	if (n < 0) {
		end_output(s);
		forward(s, len);
		return;
	}
	forward(s, (uint32_t)n);
	if ((uint32_t)n < len)
		keep(s, chain, (uint32_t)n, len - (uint32_t)n);
}

static bool hear_request(struct vsock_stream *s, const struct vsock_packet *p,
			 const struct virtqueue_chain *chain)
{
	/* The one that made it what it is; any other is of a guest that forgot this one. */
	return !chain;
}

static bool hear_response(struct vsock_stream *s, const struct vsock_packet *p,
			  const struct virtqueue_chain *chain)
{
	int fd = s->answer_fd >= 0 ? s->answer_fd : s->host.fd;
	char line[32];
	int n = snprintf(line, sizeof(line), "OK %u\n", s->host_port);

	if (s->state != VSOCK_CONNECTING || (s->owes & VSOCK_OWES_REQUEST) ||
	    send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		return false;
	close_fdp(&s->answer_fd);
	s->state = VSOCK_OPEN;
	return true;
}

static bool hear_shutdown(struct vsock_stream *s, const struct vsock_packet *p,
			  const struct virtqueue_chain *chain)
{
	s->guest_sends_no_more |= (p->flags & VIRTIO_VSOCK_SHUTDOWN_SEND) != 0;
	if ((p->flags & VIRTIO_VSOCK_SHUTDOWN_RCV) && !s->guest_takes_no_more) {
		s->guest_takes_no_more = true;
		s->is_input_done = true;
		s->has_input = false;
		(void)shutdown(s->host.fd, SHUT_RD); /* one that has gone needs none */
	}
	return s->state == VSOCK_OPEN;
}

static bool hear_data(struct vsock_stream *s, const struct vsock_packet *p,
		      const struct virtqueue_chain *chain)
{
	if (s->state != VSOCK_OPEN || s->guest_sends_no_more ||
	    p->len > VIRTIO_VSOCK_BUFFER - (s->received - s->forwarded))
		return false;
	take_data(s, chain, p->len);
	return true;
}

static bool hear_credit(struct vsock_stream *s, const struct vsock_packet *p,
			const struct virtqueue_chain *chain)
{
	return s->state == VSOCK_OPEN;
}

static bool hear_credit_request(struct vsock_stream *s, const struct vsock_packet *p,
				const struct virtqueue_chain *chain)
{
	owe(s, VSOCK_OWES_CREDIT);
	return s->state == VSOCK_OPEN;
}

/* False: the guest breaks the rules, and the stream is reset. */
typedef bool hear_fn(struct vsock_stream *s, const struct vsock_packet *p,
		     const struct virtqueue_chain *chain);

static hear_fn *const hearers[] = {
	[VIRTIO_VSOCK_OP_REQUEST] = hear_request,
	[VIRTIO_VSOCK_OP_RESPONSE] = hear_response,
	[VIRTIO_VSOCK_OP_SHUTDOWN] = hear_shutdown,
	[VIRTIO_VSOCK_OP_RW] = hear_data,
	[VIRTIO_VSOCK_OP_CREDIT_UPDATE] = hear_credit,
	[VIRTIO_VSOCK_OP_CREDIT_REQUEST] = hear_credit_request,
};

void vsock_stream_hear(struct vsock_stream *s, const struct vsock_packet *p,
		       const struct virtqueue_chain *chain)
{
	hear_fn *fn = p->op < ARRAY_SIZE(hearers) ? hearers[p->op] : NULL;

	if (p->op == VIRTIO_VSOCK_OP_RST) {
		vsock_stream_free(s);
		return;
	}
	s->peer_buffer = p->buf_alloc;
	s->peer_forwarded = p->fwd_cnt;
	s->has_asked_credit = false;
	if (fn && fn(s, p, chain))
		settle(s);
	else
		vsock_stream_reset(s);
}

/* --- What the guest hears --------------------------------------------------------------------- */

static uint32_t put_packet(struct vsock_stream *s, const struct virtqueue_chain *chain, uint16_t op,
			   uint32_t flags, uint32_t len)
{
	const struct virtio_vsock_hdr h = {
		.src_cid = htole64(VMADDR_CID_HOST),
		.dst_cid = htole64(s->vsock->guest_cid),
		.src_port = htole32(s->host_port),
		.dst_port = htole32(s->guest_port),
		.len = htole32(len),
		.type = htole16(s->type),
		.op = htole16(op),
		.flags = htole32(flags),
		.buf_alloc = htole32(VIRTIO_VSOCK_BUFFER),
		.fwd_cnt = htole32(s->forwarded),
	};

	s->told_forwarded = s->forwarded;
	s->owes &= ~(unsigned int)VSOCK_OWES_CREDIT;
	iovec_write(chain->writable, chain->writable_count, 0, &h, sizeof(h));
	return (uint32_t)sizeof(h) + len;
}

/* The other end has written all that it will. Whether it still reads shows a hang-up, which a unix
 * socket has when both are over. */
static void end_input(struct vsock_stream *s, bool is_broken)
{
	struct pollfd p = { .fd = s->host.fd };

	s->is_input_done = true;
	s->has_input = false;
	if (is_broken || (poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR))))
		end_output(s);
	settle(s);
}

static ssize_t receive(struct vsock_stream *s, const struct virtqueue_chain *chain, uint32_t room)
{
	struct iovec pieces[PIECES];
	struct msghdr message = { .msg_iov = pieces };
	ssize_t n;

	message.msg_iovlen = iovec_slice(chain->writable, chain->writable_count, VSOCK_HEADER, room,
					 pieces, PIECES);
	do
		n = s->is_pipe ? readv(s->host.fd, pieces, (int)message.msg_iovlen)
			       : recvmsg(s->host.fd, &message, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* 0: there are none. */
static uint32_t put_data(struct vsock_stream *s, const struct virtqueue_chain *chain)
{
	uint64_t room = chain->writable_bytes - VSOCK_HEADER;
	ssize_t n;

	if (!s->has_input || s->state != VSOCK_OPEN)
		return 0;
	if (room > credit(s))
		room = credit(s);
	if (!room) {
		s->has_input = false;
		if (!s->has_asked_credit)
			s->owes |= VSOCK_OWES_CREDIT_REQUEST;
		s->has_asked_credit = true;
		watch(s);
		return 0;
	}
	n = receive(s, chain, room < PACKET_MAX ? (uint32_t)room : PACKET_MAX);
	if (n == -EAGAIN) {
		s->has_input = false;
		watch(s);
	} else if (n <= 0) {
		end_input(s, n < 0);
	}
	if (n <= 0)
		return 0;
	s->sent += (uint32_t)n;
	s->vsock->dev.metrics.reads++;
	s->vsock->dev.metrics.read_bytes += (uint64_t)n;
	return put_packet(s, chain, VIRTIO_VSOCK_OP_RW, 0, (uint32_t)n);
}

static uint32_t put_shutdown(struct vsock_stream *s, const struct virtqueue_chain *chain)
{
	uint32_t flags = shutdown_flags(s);

	if (!(flags & ~s->told_shutdown))
		return 0;
	s->told_shutdown = flags;
	return put_packet(s, chain, VIRTIO_VSOCK_OP_SHUTDOWN, flags, 0);
}

/* Which packet pays which debt, the most urgent first. Data come before the rest. */
static const struct {
	enum vsock_debt debt;
	uint16_t op;
} payments[] = {
	{ VSOCK_OWES_RST, VIRTIO_VSOCK_OP_RST },
	{ VSOCK_OWES_REQUEST, VIRTIO_VSOCK_OP_REQUEST },
	{ VSOCK_OWES_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE },
	{ VSOCK_OWES_CREDIT_REQUEST, VIRTIO_VSOCK_OP_CREDIT_REQUEST },
	{ VSOCK_OWES_CREDIT, VIRTIO_VSOCK_OP_CREDIT_UPDATE },
};

#define URGENT (VSOCK_OWES_RST | VSOCK_OWES_REQUEST | VSOCK_OWES_RESPONSE)

static uint32_t pay(struct vsock_stream *s, const struct virtqueue_chain *chain, unsigned int which)
{
	for (size_t i = 0; i < ARRAY_SIZE(payments); i++) {
		if (!(s->owes & which & payments[i].debt))
			continue;
		s->owes &= ~(unsigned int)payments[i].debt;
		return put_packet(s, chain, payments[i].op, 0, 0);
	}
	return 0;
}

uint32_t vsock_stream_speak(struct vsock_stream *s, const struct virtqueue_chain *chain)
{
	uint32_t n = pay(s, chain, URGENT);

	leave_line(s);
	if (s->state == VSOCK_REFUSED) {
		vsock_stream_free(s);
		return n;
	}
	if (!n)
		n = put_data(s, chain);
	/* The socket's end may have been that of the stream. */
	if (!n && s->state == VSOCK_REFUSED)
		return 0;
	if (!n)
		n = put_shutdown(s, chain);
	if (!n)
		n = pay(s, chain, ~0U);
	if (n && (s->owes || s->has_input || (shutdown_flags(s) & ~s->told_shutdown)))
		join_line(s);
	return n;
}

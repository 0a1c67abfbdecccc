/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/listener.h"

#include <errno.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/json.h"
#include "lib/base/str.h"
#include "oci/config.h"
#include "oci/state.h"

static bool asks_about(const struct oci_seccomp *seccomp, const char *call)
{
	for (size_t i = 0; i < seccomp->syscalls_count; i++)
		if (seccomp->syscalls[i].action == OCI_SECCOMP_NOTIFY &&
		    strv_has(seccomp->syscalls[i].names, call))
			return true;
	return false;
}

int listener_take(const struct listener *listener, int number, int *ret_fd, struct error *err)
{
	cleanup_fd int pidfd = pidfd_open(listener->pid, 0);
	int fd = pidfd < 0 ? -1 : pidfd_getfd(pidfd, number, 0);

	/* Sending it, the process would wait for an agent that does not have it yet. */
	if (fd < 0 && errno == EPERM && !asks_about(listener->seccomp, "sendmsg"))
		return 1;
	if (fd < 0)
		return error_sys(err, errno, "take seccomp listener from process %d",
				 (int)listener->pid);
	*ret_fd = fd;
	return 0;
}

/* config-linux.md#containerprocessstate */
static void describe(const struct listener *listener, struct strbuf *text)
{
	cleanup_free char *state = oci_state_text(listener->state, false);

	strbuf_addf(text, "{\"ociVersion\":\"%s\",\"fds\":[\"seccompFd\"],\"pid\":%d", OCI_VERSION,
		    (int)listener->pid);
	if (listener->seccomp->listener_metadata) {
		strbuf_addstr(text, ",\"metadata\":");
		json_quote(text, listener->seccomp->listener_metadata);
	}
	strbuf_addf(text, ",\"state\":%s}", state);
}

/* The descriptor goes with the first byte; long annotations may need more than one message. */
static int send_all(int sock, const struct strbuf *text, int fd)
{
	ssize_t n = send_fds(sock, text->buf, text->len, &fd, 1);
	size_t sent = n > 0 ? (size_t)n : 0;

	while (n >= 0 && sent < text->len) {
		n = send(sock, text->buf + sent, text->len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			n = -errno;
		sent += n > 0 ? (size_t)n : 0;
	}
	return n < 0 ? (int)n : 0;
}

int listener_forward(const struct listener *listener, int fd, struct error *err)
{
	const char *path = listener->seccomp->listener_path;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_fd int sock = unix_connect(path);
	int r;

	if (sock < 0)
		return error_sys(err, sock, "linux.seccomp.listenerPath: connect to '%s'", path);
	describe(listener, &text);
	r = send_all(sock, &text, fd);
	return r < 0 ? error_sys(err, r, "linux.seccomp.listenerPath: send to '%s'", path) : 0;
}

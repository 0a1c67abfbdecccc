/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/fields.h"
#include "lib/base/str.h"

/* GetDiagnosticData: what a container left as the reason of its end. */
#define TERMINATION_LOG "io.kubernetes.container.terminationMessagePath"
#define TERMINATION_LOG_MAX 4096 /* what Kubernetes shows of it */

/* The container's own bytes, which it may have put anything into, a link or a FIFO included. */
static int read_log(const char *path, char **ret)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char *text = xcalloc(1, TERMINATION_LOG_MAX + 1);
	struct stat st;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, text, TERMINATION_LOG_MAX);
	if (n < 0) {
		free(text);
		return fd < 0 ? -errno : -EINVAL;
	}
	*ret = text;
	return 0;
}

int diagnostic_get(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_GetDiagnosticDataRequest *req = request;
	grpc_GetDiagnosticDataResponse *ret = response;
	const struct container *container = container_find(call->server, req->container_id, err);
	const char *path;
	int r;

	if (!container)
		return err->code;
	if (!req->log_type || !streq(req->log_type, "termination_log"))
		return error_set(err, -EINVAL, "log type '%.100s' is not known",
				 req->log_type ? req->log_type : "");
	path = string_map_get(&container->config->annotations, TERMINATION_LOG);
	for (size_t i = 0; path && i < container->config->mounts_count; i++) {
		const struct oci_mount *m = &container->config->mounts[i];

		if (!m->source || !streq(m->destination, path))
			continue;
		r = read_log(m->source, &ret->data);
		return r < 0 ? error_sys(err, r, "read '%s'", m->source) : 0;
	}
	return error_set(err, -ENOENT, "container '%s' has no termination log", container->id);
}

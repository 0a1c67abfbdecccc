/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/oom-notice.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/linux/mount.h"

#define FILE_NAME "oom"

/* A descriptor of the directory itself would have a "..", by which a shim that its guest took over
 * could leave its view of the files. A detached mount ends there. */
void oom_notice_open(struct oom_notice *notice, char *const *dirs)
{
	strv_each(dir, dirs) {
		int fd;

		if (notice->count == OOM_DIRS_MAX)
			return;
		fd = mount_clone(AT_FDCWD, dir, false);
		if (fd < 0)
			log_debug("open '%s': %s", dir, strerror(-fd));
		else
			notice->dirs[notice->count++] = fd;
	}
}

void oom_notice_done(struct oom_notice *notice)
{
	while (notice->count)
		close_fdp(&notice->dirs[--notice->count]);
}

static void leave_files(const struct oom_notice *notice)
{
	for (size_t i = 0; i < notice->count; i++) {
		cleanup_fd int fd = openat(notice->dirs[i], FILE_NAME,
					   O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

		if (fd < 0)
			log_debug("make '" FILE_NAME "': %s", strerror(errno));
	}
}

static int ask(struct oom_notice *notice, struct error *err);

/* Once is enough: nobody takes the file away again. */
static void on_event(void *ctx, const void *response, const struct error *err)
{
	struct oom_notice *notice = ctx;
	const grpc_OOMEvent *event = response;

	if (!event) {
		log_debug("out of memory: %s", err->msg); /* an agent that ends, or cannot tell */
		return;
	}
	if (streq_null(event->container_id, notice->id))
		leave_files(notice);
	else
		(void)ask(notice, NULL); /* the channel has ended, we are next */
}

static int ask(struct oom_notice *notice, struct error *err)
{
	static const grpc_GetOOMEventRequest request = { 0 };

	return agent_call_async(notice->client, AGENT_GET_OOM_EVENT, &request, -1, on_event, notice,
				err);
}

int oom_notice_watch(struct oom_notice *notice, struct agent_client *client, const char *id,
		     struct error *err)
{
	notice->client = client;
	notice->id = id;
	return notice->count ? ask(notice, err) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/container/handle.h"
#include "lib/engine/hooks.h"
#include "oci/annotations.h"

/*
 * The hooks that are the same in both isolations, because they run on the host and see a container
 * that runs or is gone. Those that come before belong to whoever makes the container.
 */
struct hooks_context container_hooks_context(const struct container *c, const char *kind,
					     enum oci_status status)
{
	return (struct hooks_context){
		.kind = kind,
		.id = c->id,
		.bundle = c->record.bundle,
		.annotations = &c->config->annotations,
		.stdout_path = oci_annotation(c->config, "run.oci.hooks.stdout"),
		.stderr_path = oci_annotation(c->config, "run.oci.hooks.stderr"),
		.pid = status == OCI_STATUS_STOPPED ? 0 : (pid_t)c->record.pid,
		.status = status,
	};
}

void container_run_poststop(const struct container *c)
{
	const struct oci_hooks *hooks = c->config ? &c->config->hooks : NULL;
	struct hooks_context context;
	struct error err = ERROR_INIT;

	if (!hooks || !hooks->poststop_count)
		return;
	context = container_hooks_context(c, "poststop", OCI_STATUS_STOPPED);
	for (size_t i = 0; i < hooks->poststop_count; i++) {
		/* One by one: the first that fails would end a list. */
		if (hooks_run(&context, &hooks->poststop[i], 1, &err) < 0)
			log_warning("%s", err.msg);
	}
}

int container_destroy(struct container *c, struct error *err)
{
	const struct container_backend *backend;
	int r = container_find_backend(c->record.isolation, &backend, err);

	if (r == 0)
		r = backend->destroy(c, err);
	if (r == 0)
		container_run_poststop(c);
	return r;
}

int container_run_poststart(struct container *c, struct error *err)
{
	const struct oci_hooks *hooks = c->config ? &c->config->hooks : NULL;
	const struct container_backend *backend;
	struct hooks_context context;
	int r;

	if (!hooks || !hooks->poststart_count)
		return 0;
	context = container_hooks_context(c, "poststart", OCI_STATUS_RUNNING);
	r = hooks_run(&context, hooks->poststart, hooks->poststart_count, err);
	if (r < 0 && container_find_backend(c->record.isolation, &backend, NULL) == 0)
		(void)backend->kill(c, SIGKILL, true, NULL); /* it may have ended by itself */
	return r;
}

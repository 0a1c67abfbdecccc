/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/templates.h"

#include <errno.h>
#include <sys/wait.h>

#include "lib/base/error.h"
#include "lib/base/str.h"

#ifdef MOAT_HAS_VM

#include "lib/sandbox/launch.h"
#include "lib/sandbox/rendezvous.h"

/* A boot under emulation on a busy host, and the time that a disk takes. */
#define TIMEOUT_MS 600000

static char **plan_options(const struct template_request *request)
{
	char **options = NULL;

	strv_pushf(&options, "--memory-mib=%u", request->memory_mib);
	strv_pushf(&options, "--vcpus=%u", request->vcpus);
	strv_pushf(&options, "--nics=%u", request->nics);
	if (request->has_disk_slots)
		strv_push(&options, xstrdup("--disk-slots"));
	if (request->has_low_ports)
		strv_push(&options, xstrdup("--low-ports"));
	if (request->replaces)
		strv_push(&options, xstrdup("--replace"));
	return options;
}

/* In a shim, which has all that a machine takes, and gives up what it may not have. */
int templates_create(const char *root, const struct template_request *request, char **ret_name,
		     struct error *err)
{
	cleanup_strv char **options = plan_options(request);
	const struct shim_launch launch = {
		.command = "template",
		.root = root,
		.id = "template",
		.console_fd = -1,
		.process_fd = -1,
		.image_fd = -1,
		.more = options,
	};
	cleanup_pid pid_t pid = 0;
	cleanup_fd int sync_fd = -1;
	int r = shim_launch(&launch, &pid, &sync_fd, err);

	if (r == 0)
		r = rendezvous_wait(sync_fd, RENDEZVOUS_CREATED, TIMEOUT_MS, "moat-shim", ret_name,
				    err);
	if (r == 0)
		(void)waitpid(steal_pid(&pid), NULL, 0); /* a child of ours that ends by itself */
	return r;
}

char *templates_default_dir(void)
{
	return template_store_default();
}

int templates_list(const struct settings_vm *settings, struct template_info **ret,
		   size_t *ret_count, struct error *err)
{
	cleanup_free char *store = NULL;
	int r = template_dir(settings, &store, err);

	return r < 0 ? r : template_list(store, ret, ret_count, err);
}

int templates_remove(const struct settings_vm *settings, const char *name, struct error *err)
{
	cleanup_free char *store = NULL;
	int r = template_dir(settings, &store, err);

	return r < 0 ? r : template_remove(store, name, err);
}

void templates_list_free(struct template_info *infos, size_t count)
{
	template_list_free(infos, count);
}

#else

char *templates_default_dir(void)
{
	return NULL;
}

static int refuse(struct error *err)
{
	return error_set(err, -EOPNOTSUPP, "this build has no virtual machines");
}

int templates_create(const char *root, const struct template_request *request, char **ret_name,
		     struct error *err)
{
	return refuse(err);
}

int templates_list(const struct settings_vm *settings, struct template_info **ret,
		   size_t *ret_count, struct error *err)
{
	return refuse(err);
}

int templates_remove(const struct settings_vm *settings, const char *name, struct error *err)
{
	return refuse(err);
}

void templates_list_free(struct template_info *infos, size_t count)
{
}

#endif

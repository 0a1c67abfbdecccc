/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/sandbox/channel.h"
#include "lib/sandbox/creation.h"
#include "lib/sandbox/image.h"
#include "lib/sandbox/rendezvous.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/shape.h"
#include "lib/sandbox/shim.h"

/*
 * A container that goes on in a saved virtual machine. The guest has all that `create` would make
 * in it; what is made here is what stands on the host. Its agent still knows the streams and calls
 * of another shim, until the channel says that there is a new one.
 */
#define CALL_TIMEOUT_MS 60000

static void take_size(struct opt_u32 *setting, uint32_t value)
{
	*setting = (struct opt_u32){ value, value > 0 };
}

/* The machine is what it was, whatever is configured by now. */
int creation_plan_restored(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = shape_read(c->options->image_fd, &c->shape, err);

	if (r == 0)
		r = creation_plan(c, SANDBOX_OWNER, SANDBOX_COPIED, err);
	if (r < 0)
		return r;
	c->plan->size = (struct sandbox_size){
		.memory_mib = c->shape.memory_mib,
		.vcpus = c->shape.vcpus,
	};
	take_size(&c->settings.vm.memory_max_mib, c->shape.memory_max_mib);
	take_size(&c->settings.vm.vcpus_max, c->shape.vcpus_max);
	c->vm_dir = xasprintf("%s/" SHIM_VM_DIR, state_dir_path(c->dir));
	return 0;
}

/* The image stays as it is, for the next time. */
int creation_unpack_disk(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const char *dir = state_dir_path(c->dir);
	struct sandbox_disk *disk = sandbox_plan_root_disk(c->plan);
	cleanup_fd int fd = openat(c->options->image_fd, SHAPE_DISK_NAME, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "open '" SHAPE_DISK_NAME "'");
	if (!disk || !disk->made_of)
		return error_set(err, -EINVAL, "root.path: a saved machine's was a directory");
	disk->host_path = xasprintf("%s/" IMAGE_NAME, dir);
	return image_unpack(fd, dir, c->settings.vm.disk_dir, err);
}

int creation_open_state(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const bool is_wanted = c->vm.driver->features & HV_FEATURE_SAVE_FILES;
	struct stat st;

	c->saved_fd = openat(c->options->image_fd, SHAPE_STATE_NAME, O_RDONLY | O_CLOEXEC);
	if (c->saved_fd < 0 || fstat(c->saved_fd, &st) < 0)
		return error_sys(err, errno, "open '" SHAPE_STATE_NAME "'");
	if (is_wanted != S_ISDIR(st.st_mode))
		return error_set(err, -EINVAL, "'" SHAPE_STATE_NAME "' is not of hypervisor '%s'",
				 c->vm.driver->name);
	c->vm.saved_fd = c->saved_fd;
	return 0;
}

int creation_make_old_network(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return sandbox_network_remake(&c->network, c->shape.nics, c->vm.accel == HV_ACCEL_KVM, err);
}

/* A machine begins as the saved one began. */
static int grow(const struct creation *c, const char *control, struct error *err)
{
	const struct shape *shape = &c->shape;
	const struct hypervisor *driver = c->vm.driver;
	uint32_t memory_mib = shape->memory_mib;
	int r = 0;

	if (shape->more_vcpus)
		r = driver->resize(control, shape->vcpus + shape->more_vcpus, 0, err);
	for (size_t i = 0; i < shape->pieces_mib_count && r == 0; i++) {
		memory_mib += shape->pieces_mib[i];
		r = driver->resize(control, 0, memory_mib, err);
	}
	return r;
}

int creation_load_vm(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	cleanup_free char *control = xasprintf("%s/%s", c->vm_dir, c->vm.driver->socket);
	int r = channel_restart(c->vm.channel, err);

	if (r == 0)
		r = grow(c, control, err);
	return r < 0 ? r : c->vm.driver->restore(control, HV_SAVED_ALL, c->saved_fd, err);
}

int creation_attach(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const grpc_AttachStdioRequest request = {
		.container_id = c->shape.container,
		.exec_id = c->shape.container,
		.stdin_port = c->process.ports[0],
		.stdout_port = c->process.ports[1],
		.stderr_port = c->process.ports[2],
		.new_container_id = c->record.id,
	};

	return creation_call(c, AGENT_ATTACH_STDIO, &request, CALL_TIMEOUT_MS, err);
}

/* It was saved frozen, so that nothing was on its way. */
int creation_thaw(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const grpc_ResumeContainerRequest request = { .container_id = c->record.id };
	int r = creation_call(c, AGENT_RESUME_CONTAINER, &request, CALL_TIMEOUT_MS, err);

	if (r == 0)
		(void)moat_link_tell(&c->moat, RENDEZVOUS_STARTED, NULL, NULL); /* it may go now */
	return r;
}

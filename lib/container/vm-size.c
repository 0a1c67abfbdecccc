/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/vm-size.h"

#include <errno.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/container/handle.h"
#include "lib/container/vm-agent.h"
#include "lib/engine/cgroup.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/shim.h"
#include "lib/sandbox/vm.h"
#include "oci/config.h"

bool vm_size_is_limited(const struct oci_resources *resources)
{
	return resources->memory.limit.is_set || resources->cpu.quota.is_set ||
	       resources->cpu.period.is_set;
}

/* The containers of one VM, opened, without the one that is asked for; the owner is the first of
 * all. */
struct pod {
	const struct container *asked;
	struct container **others;
	size_t count;
};

static void pod_done(struct pod *pod)
{
	for (size_t i = 0; i < pod->count; i++)
		container_close(pod->others[i]);
	free(pod->others);
}
#define cleanup_pod CLEANUP(pod_done)

static bool is_owner(const struct container *c)
{
	return streq_null(c->record.sandbox ? c->record.sandbox : c->id, c->id);
}

static const char *sandbox_id(const struct container *c)
{
	return c->record.sandbox ? c->record.sandbox : c->id;
}

/* What has ended needs nothing; what is being made beside us and has said nothing yet will ask
 * itself. */
static void consider(struct pod *pod, const char *id)
{
	cleanup_container struct container *c = NULL;
	cleanup_fd int pidfd = -1;

	if (streq(id, pod->asked->id) ||
	    container_open_record(pod->asked->root, id, &c, NULL) < 0 ||
	    !streq_null(c->record.sandbox, sandbox_id(pod->asked)))
		return;
	pidfd = record_pidfd(&c->record);
	container_load_config(c);
	if (pidfd < 0 || !c->config)
		return;
	pod->others = xrealloc(pod->others, pod->count + 1, sizeof(*pod->others));
	pod->others[pod->count++] = steal_ptr(&c);
	if (is_owner(pod->others[pod->count - 1])) {
		struct container *first = pod->others[0];

		pod->others[0] = pod->others[pod->count - 1];
		pod->others[pod->count - 1] = first;
	}
}

static void open_pod(struct pod *pod)
{
	cleanup_strv char **ids = NULL;

	(void)state_list(pod->asked->root, &ids, NULL); /* then it is alone */
	strv_each(id, ids) {
		consider(pod, id);
	}
}

static const struct container *owner_of(const struct pod *pod)
{
	return is_owner(pod->asked) || !pod->count ? pod->asked : pod->others[0];
}

static struct sandbox_size needed_by(const struct pod *pod)
{
	const struct container *owner = owner_of(pod);
	const struct oci_config **configs = xcalloc(pod->count + 1, sizeof(*configs));
	struct sandbox_size size;
	size_t n = 0;

	configs[n++] = owner->config;
	if (owner != pod->asked)
		configs[n++] = pod->asked->config;
	for (size_t i = 0; i < pod->count; i++)
		if (pod->others[i] != owner)
			configs[n++] = pod->others[i]->config;
	size = sandbox_size_for(configs, n);
	free(configs);
	return size;
}

/* Before the guest gets more, and never below what it has: its own use must not meet this limit. */
static int fit_host(const struct container *owner, uint32_t memory_mib, struct error *err)
{
	struct oci_resources resources = { 0 };
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = backend_open_cgroup(owner, &cg, err);

	if (r < 0 || !cg)
		return r;
	resources.memory = sandbox_host_resources(owner->config, memory_mib, false).memory;
	if (owner->config->linux_.resources.memory.limit.value < 0)
		resources.memory.limit = (struct opt_i64){ -1, true }; /* it may have had one */
	return backend_update_cgroup(owner, cg, &resources, &resources, err);
}

static void say_that_it_stays(const struct hv_status *status, const struct error *reason)
{
	log_warning(
		"the virtual machine stays smaller than the limits allow (%u vcpus, %llu MiB): %s",
		status->vcpus, (unsigned long long)(status->memory_bytes >> 20), reason->msg);
}

/* The guest brings up what came, and is told how many processors that are. */
static void grow(const struct container *owner, const struct hypervisor *driver,
		 const char *control, const struct sandbox_size *needed,
		 const struct hv_status *status)
{
	bool wants_vcpus = needed->vcpus > status->vcpus;
	bool wants_memory = needed->memory_mib > status->memory_bytes >> 20;
	struct error err = ERROR_INIT;
	int r = 0;

	if (!wants_vcpus && !wants_memory)
		return;
	if (!(driver->features & (HV_FEATURE_RESIZE_VCPUS | HV_FEATURE_RESIZE_MEMORY)))
		r = error_set(&err, -ENOTSUP, "hypervisor '%s' cannot be resized", driver->name);
	if (r == 0)
		r = driver->resize(control, wants_vcpus ? needed->vcpus : 0,
				   wants_memory ? needed->memory_mib : 0, &err);
	if (r == 0)
		r = vm_agent_online(owner, wants_vcpus ? needed->vcpus - status->vcpus : 0,
				    wants_memory, &err);
	if (r < 0)
		say_that_it_stays(status, &err);
}

int vm_size_fit(const struct container *c, struct error *err)
{
	cleanup_pod struct pod pod = { .asked = c };
	cleanup_free char *dir = xasprintf("%s/%s/" SHIM_VM_DIR, c->root, sandbox_id(c));
	cleanup_free char *control = NULL;
	const struct hypervisor *driver;
	struct hv_status status = { 0 };
	struct sandbox_size needed;
	struct error reason = ERROR_INIT;
	uint32_t memory_mib;
	int r;

	open_pod(&pod);
	needed = needed_by(&pod);
	r = hypervisor_running(dir, &driver, &control, &reason);
	if (r == 0)
		r = driver->query(control, &status, &reason);
	if (r < 0) {
		log_warning("the virtual machine is not resized: %s", reason.msg);
		return 0;
	}
	memory_mib = (uint32_t)(status.memory_bytes >> 20);
	if (needed.memory_mib > memory_mib)
		memory_mib = needed.memory_mib;
	r = fit_host(owner_of(&pod), memory_mib, err);
	if (r == 0)
		grow(owner_of(&pod), driver, control, &needed, &status);
	return r;
}

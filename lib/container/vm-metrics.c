/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/vm-metrics.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/container/backend.h"
#include "lib/container/vm-agent.h"
#include "lib/linux/process-tree.h"
#include "lib/metrics/guest.h"
#include "lib/metrics/procfs.h"
#include "lib/sandbox/shim.h"

static int open_process(const char *pid)
{
	cleanup_free char *path = xasprintf("/proc/%s", pid);

	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A shim and a virtiofsd have one thread that starts others. */
static char **read_children(int dirfd, const char *pid)
{
	cleanup_free char *path = xasprintf("task/%s/children", pid);

	return process_children(dirfd, path);
}

/* "PID (NAME) STATE PPID …", where the pid may be another process's by now. */
static char *name_of_child(int dirfd, const char *parent)
{
	cleanup_free char *text = metrics_read(dirfd, "stat");
	char *name = strchr(text, '('), *end = strrchr(text, ')'), *rest = end;
	const char *word = NULL;

	for (int column = 2; rest && column <= 4; column++)
		word = metrics_next_word(&rest);
	if (!name || !word || !streq(word, parent))
		return NULL;
	return xstrndup(name + 1, (size_t)(end - name - 1));
}

/* virtiofsd waits for a process that does its work, in a pid namespace. */
static void add_virtiofsd(struct metrics *m, int dirfd, const char *pid)
{
	cleanup_strv char **children = read_children(dirfd, pid);
	cleanup_fd int worker = children ? open_process(children[0]) : -1;

	metrics_add_process(m, "kata_virtiofsd", "virtiofsd", worker >= 0 ? worker : dirfd);
}

static void add_child(struct metrics *m, const char *pid, const char *shim)
{
	cleanup_fd int dirfd = open_process(pid);
	cleanup_free char *name = dirfd < 0 ? NULL : name_of_child(dirfd, shim);

	if (!name)
		return;
	if (streq(name, "virtiofsd"))
		add_virtiofsd(m, dirfd, pid);
	else
		metrics_add_process(m, "kata_hypervisor", "Hypervisor", dirfd);
}

static void add_exits(struct metrics *m, const struct hv_metrics *metrics)
{
	static const struct metrics_family exits = {
		"moat_vmm_exits_total", METRICS_COUNTER,
		"Times that virtual processors left the guest, by reason."
	};
	bool is_counted = false;

	for (size_t i = 0; i < HV_EXIT_COUNT; i++)
		is_counted |= metrics->exits[i] > 0;
	for (size_t i = 0; is_counted && i < HV_EXIT_COUNT; i++) {
		const struct metrics_label labels[] = {
			{ "reason", names_get(&hv_exit_names, i) },
			{ NULL },
		};

		metrics_add_u64(m, &exits, labels, metrics->exits[i]);
	}
}

static void add_device(struct metrics *m, const struct hv_device_metrics *d)
{
	static const struct metrics_family families[] = {
		{ "moat_vmm_device_read_bytes_total", METRICS_COUNTER,
		  "Bytes that a virtual device gave the guest." },
		{ "moat_vmm_device_reads_total", METRICS_COUNTER,
		  "Requests or packets by which it did." },
		{ "moat_vmm_device_written_bytes_total", METRICS_COUNTER,
		  "Bytes that a virtual device took from the guest." },
		{ "moat_vmm_device_writes_total", METRICS_COUNTER,
		  "Requests or packets by which it did." },
		{ "moat_vmm_device_dropped_total", METRICS_COUNTER,
		  "Packets and messages that had no place to go." },
	};
	const uint64_t values[] = { d->read_bytes, d->reads, d->written_bytes, d->writes,
				    d->dropped };
	const struct metrics_label labels[] = { { "device", d->id }, { NULL } };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		metrics_add_u64(m, &families[i], labels, values[i]);
}

/* What it counts itself. To be asked where the guest has answered: who is stopped would keep the
 * scrape waiting, and for longer than a guest may. */
static void add_vmm(struct metrics *m, const struct container *c)
{
	static const struct metrics_family vcpus = { "moat_vmm_vcpus", METRICS_GAUGE,
						     "Virtual processors." };
	static const struct metrics_family memory = { "moat_vmm_memory_bytes", METRICS_GAUGE,
						      "Memory of the virtual machine." };
	cleanup_free char *dir = xasprintf("%s/%s/" SHIM_VM_DIR, c->root, c->id);
	cleanup_free char *control = NULL;
	const struct hypervisor *driver;
	struct hv_metrics metrics;
	struct error err = ERROR_INIT;
	int r = hypervisor_running(dir, &driver, &control, &err);

	if (r == 0 && !(driver->features & HV_FEATURE_METRICS))
		return;
	if (r == 0)
		r = driver->metrics(control, &metrics, &err);
	if (r < 0) {
		log_debug("metrics of '%s': %s", c->id, err.msg);
		return;
	}
	metrics_add_u64(m, &vcpus, NULL, metrics.vcpus);
	metrics_add_u64(m, &memory, NULL, metrics.memory_bytes);
	add_exits(m, &metrics);
	for (size_t i = 0; i < metrics.devices_count; i++)
		add_device(m, &metrics.devices[i]);
}

static bool owns_machine(const struct container *c)
{
	return c->record.sandbox && streq(c->record.sandbox, c->id);
}

void vm_metrics_add_host(const struct container *c, struct metrics *m)
{
	static const struct metrics_family links = {
		"kata_shim_netdev", METRICS_GAUGE,
		"Links of the network namespace that the shim is in: the sandbox's."
	};
	cleanup_free char *pid = xasprintf("%u", c->record.pid);
	cleanup_fd int dirfd = open_process(pid), pidfd = record_pidfd(&c->record);
	cleanup_strv char **children = NULL;

	if (dirfd < 0 || pidfd < 0)
		return;
	metrics_add_process(m, "kata_shim", "Shim", dirfd);
	if (!owns_machine(c))
		return;
	metrics_add_links(m, &links, dirfd, "net/dev");
	children = read_children(dirfd, pid);
	strv_each(child, children)
		add_child(m, child, pid);
}

void vm_metrics_add_guest(const struct container *c, struct metrics *m, bool answers)
{
	static const struct metrics_family up = { "moat_guest_up", METRICS_GAUGE,
						  "Whether the guest's agent answered." };
	struct error err = ERROR_INIT;
	cleanup_free char *text = NULL;

	if (!owns_machine(c))
		return;
	if (answers && vm_agent_metrics(c, &text, &err) < 0)
		log_debug("metrics of '%s': %s", c->id, err.msg);
	if (text)
		(void)metrics_add_guest(m, text); /* a guest may have nothing to say */
	if (text)
		add_vmm(m, c);
	metrics_add_u64(m, &up, NULL, text != NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/firecracker/firecracker-internal.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

/* Of the guest alone: connections never leave the VMM. */
#define GUEST_CID 3
#define VCPUS_MAX 32

/* --- what cannot be -------------------------------------------------------------------------- */

static int check(const struct hv_config *c, struct error *err)
{
	const char *release = c->guest->release;
	const int arch = c->guest->arch;
	int r;

	if (arch != HV_ARCH_X86_64 && arch != HV_ARCH_AARCH64)
		return error_set(err, -ENOTSUP, "firecracker does not run on this architecture");
	r = hv_check_config(&hypervisor_firecracker, c, err);
	if (r < 0)
		return r;
	if (c->vcpus > VCPUS_MAX)
		return error_set(err, -ERANGE, "vcpus: firecracker has %d at most", VCPUS_MAX);
	if (arch == HV_ARCH_X86_64 && !c->guest->is_elf)
		return error_set(err, -ENOTSUP, "guest kernel '%s': firecracker boots ELF alone",
				 release);
	if (!c->guest->has_mmio)
		return error_set(err, -ENOTSUP, "guest kernel '%s': no virtio-mmio", release);
	if (c->is_preallocated)
		return error_set(err, -ENOTSUP,
				 "guest memory: firecracker takes it as it is touched");
	if (!c->control_path)
		return error_set(err, -EINVAL, "firecracker is told by its socket alone");
	if (c->is_restored && !c->dir)
		return error_set(err, -EINVAL, "a saved machine has a directory");
	if (c->is_restored && c->has_hugepages)
		return error_set(err, -ENOTSUP,
				 "a saved machine of firecracker's has no huge pages");
	r = hv_check_socket(hv_path(c, c->channel_path), err);
	return r < 0 ? r : hv_check_socket(hv_path(c, c->control_path), err);
}

/* --- requests, in this order ----------------------------------------------------------------- */

struct writing {
	struct fc_plan *plan;
	size_t count;
	struct json_writer *w;
};

static void begin(struct writing *w, char *owned_path)
{
	w->plan->requests[w->count].path = owned_path;
	w->w = json_writer_new(false);
	json_open_map(w->w);
}

static void end(struct writing *w)
{
	json_close_map(w->w);
	w->plan->requests[w->count++].body = json_finish(w->w);
}

static void add_text(struct writing *w, const char *key, const char *value)
{
	json_key(w->w, key);
	json_string(w->w, value);
}

static void add_number(struct writing *w, const char *key, uint32_t value)
{
	json_key(w->w, key);
	json_u64(w->w, value);
}

static void add_truth(struct writing *w, const char *key, bool value)
{
	json_key(w->w, key);
	json_bool(w->w, value);
}

static void add_machine(struct writing *w, const struct hv_config *c)
{
	begin(w, xstrdup("/machine-config"));
	add_number(w, "vcpu_count", c->vcpus);
	add_number(w, "mem_size_mib", c->memory_mib);
	if (c->has_hugepages)
		add_text(w, "huge_pages", "2M");
	end(w);
}

static void add_kernel(struct writing *w, const struct hv_config *c)
{
	cleanup_free char *line = hv_kernel_command_line(c);
	/* For the agent: a device that loses its driver goes on to use its memory, and the end of
	 * one direction of a connection is told to nobody. */
	cleanup_free char *whole =
		xasprintf("pci=off agent.keeps_devices agent.no_half_close %s", line);

	begin(w, xstrdup("/boot-source"));
	add_text(w, "kernel_image_path", c->guest->kernel);
	if (c->guest->initrd)
		add_text(w, "initrd_path", c->guest->initrd);
	add_text(w, "boot_args", whole);
	end(w);
}

/* Its ids know no dash. */
static char *drive_id(const char *id)
{
	char *name = xstrdup(id);

	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = '_';
	return name;
}

static void add_drive(struct writing *w, const char *id, const char *path, bool is_readonly)
{
	begin(w, xasprintf("/drives/%s", id));
	add_text(w, "drive_id", id);
	add_text(w, "path_on_host", path);
	add_truth(w, "is_root_device", false);
	add_truth(w, "is_read_only", is_readonly);
	end(w);
}

static void add_disk(struct writing *w, const struct hv_config *c, size_t i)
{
	const struct hv_disk *disk = &c->disks[i];
	cleanup_free char *id = drive_id(disk->id);
	cleanup_free char *path = hv_disk_path(c, i);

	add_drive(w, id, path, disk->is_readonly);
}

/* An interrupt each, of 19 that it has for devices; the channel and entropy have two. Of what is
 * plugged in little is read-only, and a drive is one or the other for good. */
#define DEVICES_MAX 19
#define READONLY_SPARES 1

static void add_spares(struct writing *w, const struct hv_config *c)
{
	const size_t taken = 2 + c->disks_count + c->nics_count;
	size_t count = c->has_disk_slots ? FC_SPARES_MAX : 0;

	if (taken + count > DEVICES_MAX)
		count = DEVICES_MAX - taken;
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *id = xasprintf(FC_SPARE_PREFIX "%zu", i);

		add_drive(w, id, FC_SPARE_NAME, i < READONLY_SPARES);
	}
}

static char *nic_id(size_t i)
{
	return xasprintf("net%zu", i);
}

static void add_nic(struct writing *w, size_t i, const struct hv_nic *nic, const char *tap)
{
	cleanup_free char *id = nic_id(i);
	cleanup_free char *mac =
		xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", nic->mac[0], nic->mac[1], nic->mac[2],
			  nic->mac[3], nic->mac[4], nic->mac[5]);

	begin(w, xasprintf("/network-interfaces/%s", id));
	add_text(w, "iface_id", id);
	add_text(w, "host_dev_name", tap);
	add_text(w, "guest_mac", mac);
	end(w);
}

static void add_channel(struct writing *w, const struct hv_config *c)
{
	begin(w, xstrdup("/vsock"));
	add_number(w, "guest_cid", GUEST_CID);
	add_text(w, "uds_path", hv_path(c, c->channel_path));
	end(w);
}

static void add_entropy(struct writing *w)
{
	begin(w, xstrdup("/entropy"));
	end(w);
}

static void add_start(struct writing *w)
{
	begin(w, xstrdup("/actions"));
	add_text(w, "action_type", "InstanceStart");
	end(w);
}

void fc_plan_done(struct fc_plan *plan)
{
	strv_free(plan->argv);
	for (size_t i = 0; i < FC_MAX_REQUESTS; i++) {
		free(plan->requests[i].path);
		free(plan->requests[i].body);
	}
}

/* What it logs goes to standard output, where the console is. */
static char **plan_argv(const struct hv_config *c)
{
	char **argv = NULL;

	strv_push(&argv, xstrdup(c->program ? c->program : "firecracker"));
	strv_push(&argv, xstrdup("--api-sock"));
	strv_push(&argv, xstrdup(hv_path(c, c->control_path)));
	strv_push(&argv, xstrdup("--level"));
	strv_push(&argv, xstrdup("Warning"));
	strv_each(arg, c->program_args)
		strv_push(&argv, xstrdup(arg));
	return argv;
}

static void add_machine_parts(struct writing *w, const struct hv_config *c, char *const *taps)
{
	add_machine(w, c);
	add_kernel(w, c);
	for (size_t i = 0; i < c->disks_count; i++)
		add_disk(w, c, i);
	add_spares(w, c);
	for (size_t i = 0; i < c->nics_count; i++)
		add_nic(w, i, &c->nics[i], taps[i]);
	add_channel(w, c);
	add_entropy(w);
	add_start(w);
}

/* Its memory is the file, of which it writes to no page: what is not touched is never read. */
static void add_load(struct writing *w, const struct hv_config *c, char *const *taps)
{
	begin(w, xstrdup(FC_LOAD));
	add_text(w, "snapshot_path", HV_SAVED_NAME "/" FC_STATE_NAME);
	json_key(w->w, "mem_backend");
	json_open_map(w->w);
	add_text(w, "backend_type", "File");
	add_text(w, "backend_path", HV_SAVED_NAME "/" FC_MEMORY_NAME);
	json_close_map(w->w);
	json_key(w->w, "network_overrides");
	json_open_array(w->w);
	for (size_t i = 0; i < c->nics_count; i++) {
		cleanup_free char *id = nic_id(i);

		json_open_map(w->w);
		add_text(w, "iface_id", id);
		add_text(w, "host_dev_name", taps[i]);
		json_close_map(w->w);
	}
	json_close_array(w->w);
	end(w);
}

static void add_metrics(struct writing *w)
{
	begin(w, xstrdup("/metrics"));
	add_text(w, "metrics_path", FC_FIFO_NAME);
	end(w);
}

int fc_plan(const struct hv_config *config, char *const *taps, struct fc_plan *ret,
	    struct error *err)
{
	struct writing w = { .plan = ret };
	int r = check(config, err);

	if (r < 0)
		return r;
	*ret = (struct fc_plan){ .argv = plan_argv(config) };
	if (config->dir)
		add_metrics(&w);
	(config->is_restored ? add_load : add_machine_parts)(&w, config, taps);
	return 0;
}

size_t fc_planned_fds(const struct hv_config *config, int *ret)
{
	size_t n = 0;

	ret[n++] = config->watch_fd;
	for (size_t i = 0; i < config->disks_count; i++)
		ret[n++] = config->disks[i].fd;
	if (config->is_restored)
		ret[n++] = config->saved_fd;
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/cloud-hypervisor/cloud-hypervisor-internal.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

/* A request of the guest's file system driver at most; as QEMU has it. */
#define VIRTIOFS_QUEUE_SIZE 1024
/* Of the guest alone: connections never leave the VMM. */
#define GUEST_CID 3

/*
 * All of a machine stands on the command line, so that it is there whole or not at all: the same
 * could be said over REST, piece by piece, to a VMM that runs by then. One that goes on is in its
 * files, which it is told of when it runs.
 */

static void add(char ***argv, const char *option, char *owned_value)
{
	strv_push(argv, xstrdup(option));
	strv_push(argv, owned_value);
}

/* --- what cannot be -------------------------------------------------------------------------- */

/* Its options are split at commas, and quotes and brackets mean something in them. */
static int check_path(const char *what, const char *path, struct error *err)
{
	if (path[strcspn(path, ",\"[]")])
		return error_set(err, -EINVAL,
				 "%s '%s': cloud-hypervisor takes no comma, quote or bracket", what,
				 path);
	return 0;
}

static int check_socket(const struct hv_config *c, const char *path, struct error *err)
{
	int r = hv_check_socket(hv_path(c, path), err);

	return r < 0 ? r : check_path("socket", hv_path(c, path), err);
}

static int check_share(const struct hv_config *c, struct error *err)
{
	int r;

	if (c->share != HV_SHARE_VIRTIOFS)
		return 0;
	if (!c->guest->has_virtiofs)
		return error_set(err, -ENOTSUP, "guest kernel '%s': no virtiofs",
				 c->guest->release);
	r = check_socket(c, c->virtiofs_path, err);
	return r < 0 ? r : check_path("share", c->share_tag, err);
}

static int check(const struct hv_config *c, struct error *err)
{
	const int arch = c->guest->arch;
	int r;

	if (arch != HV_ARCH_X86_64 && arch != HV_ARCH_AARCH64)
		return error_set(err, -ENOTSUP,
				 "cloud-hypervisor does not run on this architecture");
	r = hv_check_config(&hypervisor_cloud_hypervisor, c, err);
	if (r < 0)
		return r;
	if (!c->guest->has_pci || !c->guest->has_acpi)
		return error_set(err, -ENOTSUP, "guest kernel '%s': has not both PCI and ACPI",
				 c->guest->release);
	if (c->is_restored && (!c->dir || !c->control_path))
		return error_set(err, -EINVAL, "a saved machine has a directory and a socket");
	r = check_socket(c, c->channel_path, err);
	return r < 0 ? r : check_share(c, err);
}

/* --- arguments, in this order ---------------------------------------------------------------- */

static void add_control(const struct hv_config *c, char ***argv)
{
	add(argv, "--event-monitor", xasprintf("fd=%d", c->watch_fd));
	if (c->control_fd >= 0)
		add(argv, "--api-socket", xasprintf("fd=%d", c->control_fd));
}

static void add_vcpus(const struct hv_config *c, char ***argv)
{
	if (c->vcpus_max > c->vcpus)
		add(argv, "--cpus", xasprintf("boot=%u,max=%u", c->vcpus, c->vcpus_max));
	else
		add(argv, "--cpus", xasprintf("boot=%u", c->vcpus));
}

/* virtiofsd reads and writes the guest's memory itself. */
static void add_memory(const struct hv_config *c, char ***argv)
{
	const uint32_t piece = CH_MEMORY_PIECE_MIB;
	struct strbuf value = STRBUF_INIT;

	strbuf_addf(&value, "size=%uM", c->memory_mib);
	if (c->memory_max_mib > c->memory_mib)
		strbuf_addf(&value, ",hotplug_size=%uM",
			    (c->memory_max_mib - c->memory_mib + piece - 1) / piece * piece);
	if (c->share == HV_SHARE_VIRTIOFS)
		strbuf_addstr(&value, ",shared=on");
	if (c->has_hugepages)
		strbuf_addstr(&value, ",hugepages=on");
	if (c->is_preallocated)
		strbuf_addstr(&value, ",prefault=on");
	add(argv, "--memory", strbuf_steal(&value));
	if (c->gives_memory_back)
		add(argv, "--balloon", xstrdup("size=0,free_page_reporting=on"));
}

/* The agent is told that the end of one direction of a connection is told to nobody. */
static void add_kernel(const struct hv_config *c, char ***argv)
{
	cleanup_free char *line = hv_kernel_command_line(c);

	add(argv, "--kernel", xstrdup(c->guest->kernel));
	if (c->guest->initrd)
		add(argv, "--initramfs", xstrdup(c->guest->initrd));
	add(argv, "--cmdline", xasprintf("agent.no_half_close %s", line));
}

/* The serial port writes to standard output. */
static void add_console(char ***argv)
{
	add(argv, "--serial", xstrdup("tty"));
	add(argv, "--console", xstrdup("off"));
}

static void add_channel(const struct hv_config *c, char ***argv)
{
	add(argv, "--vsock", xasprintf("cid=%d,socket=%s", GUEST_CID, hv_path(c, c->channel_path)));
}

static void add_share(const struct hv_config *c, char ***argv)
{
	if (c->share != HV_SHARE_VIRTIOFS)
		return;
	add(argv, "--fs",
	    xasprintf("tag=%s,socket=%s,num_queues=1,queue_size=%d", c->share_tag,
		      hv_path(c, c->virtiofs_path), VIRTIOFS_QUEUE_SIZE));
}

/* The format is said, or a guest could make another file of the host's its disk by what it writes
 * at the beginning of this one. */
static void add_disks(const struct hv_config *c, char ***argv)
{
	if (c->disks_count)
		strv_push(argv, xstrdup("--disk"));
	for (size_t i = 0; i < c->disks_count; i++) {
		const struct hv_disk *disk = &c->disks[i];
		cleanup_free char *path = hv_disk_path(c, i);

		strv_pushf(argv, "path=%s,readonly=%s,id=%s,serial=%s,image_type=raw", path,
			   disk->is_readonly ? "on" : "off", disk->id, disk->id);
	}
}

static char *nic_id(size_t i)
{
	return xasprintf("net%zu", i);
}

static void add_nics(const struct hv_config *c, char ***argv)
{
	if (c->nics_count)
		strv_push(argv, xstrdup("--net"));
	for (size_t i = 0; i < c->nics_count; i++) {
		const struct hv_nic *nic = &c->nics[i];
		cleanup_free char *id = nic_id(i);

		strv_pushf(argv, "id=%s,fd=%d,mac=%02x:%02x:%02x:%02x:%02x:%02x", id, nic->fd,
			   nic->mac[0], nic->mac[1], nic->mac[2], nic->mac[3], nic->mac[4],
			   nic->mac[5]);
	}
}

static void add_machine(const struct hv_config *c, char ***argv)
{
	add_vcpus(c, argv);
	add_memory(c, argv);
	add_kernel(c, argv);
	add_console(argv);
	add_channel(c, argv);
	add_share(c, argv);
	add_disks(c, argv);
	add_nics(c, argv);
}

int ch_plan(const struct hv_config *config, char ***ret_argv, struct error *err)
{
	char **argv = NULL;
	int r = check(config, err);

	if (r < 0)
		return r;
	strv_push(&argv, xstrdup(config->program ? config->program : "cloud-hypervisor"));
	add_control(config, &argv);
	if (!config->is_restored)
		add_machine(config, &argv);
	strv_each(arg, config->program_args)
		strv_push(&argv, xstrdup(arg));
	*ret_argv = argv;
	return 0;
}

size_t ch_planned_fds(const struct hv_config *config, int *ret)
{
	size_t n = 0;

	ret[n++] = config->watch_fd;
	if (config->control_fd >= 0)
		ret[n++] = config->control_fd;
	for (size_t i = 0; i < config->disks_count; i++)
		ret[n++] = config->disks[i].fd;
	if (config->is_restored)
		ret[n++] = config->saved_fd;
	for (size_t i = 0; i < config->nics_count && !config->is_restored; i++)
		ret[n++] = config->nics[i].fd;
	return n;
}

char *ch_restore_request(const struct hv_config *config)
{
	struct json_writer *w = json_writer_new(false);

	json_open_map(w);
	json_key(w, "source_url");
	json_string(w, "file://" HV_SAVED_NAME);
	json_key(w, "net_fds");
	json_open_array(w);
	for (size_t i = 0; i < config->nics_count; i++) {
		cleanup_free char *id = nic_id(i);

		json_open_map(w);
		json_key(w, "id");
		json_string(w, id);
		json_key(w, "num_fds");
		json_u64(w, 1);
		json_close_map(w);
	}
	json_close_array(w);
	json_close_map(w);
	return json_finish(w);
}

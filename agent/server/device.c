/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/uevent.h"
#include "oci/config.h"

/*
 * The host knows a device by where it plugged it in; which name it got is the guest's
 * kernel's business, and it may not have got one yet. Everything is read from sysfs; uevents only
 * say when to look again.
 */
#define NAME_MAX_BYTES 256
#define PCI_ROOT '2' /* from 20 (hex) on the first of three numbers is that of a root bus */

struct search {
	const struct agent_server_options *options;
	const char *address;
	bool is_net; /* what is found is the name of a link, not a node */
	char *node;  /* found */
};

/* The first entry of @path that @is_wanted: its name. */
static char *find_entry(const char *path, bool (*is_wanted)(const char *name, const void *arg),
			const void *arg)
{
	cleanup_dir DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && is_wanted(entry->d_name, arg))
			return xstrdup(entry->d_name);
	return NULL;
}

static bool is_any(const char *name, const void *arg)
{
	return true;
}

static bool starts_with(const char *name, const void *arg)
{
	return str_after(name, arg);
}

static bool ends_with(const char *name, const void *arg)
{
	return str_ends_with(name, arg);
}

/* The kernel makes a disk's directory and node first and opens it (ENXIO until then) a moment
 * later; its event is sent after that. Other errors are for whoever uses it. */
static int take_node(struct search *s, const char *name)
{
	cleanup_free char *node = xasprintf("%s/%s", server_dev_dir(s->options), name);
	cleanup_fd int fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENXIO))
		return 0;
	s->node = steal_ptr(&node);
	return 1;
}

/* The node of the one disk, or the name of the one link, in @path. */
static int take_only(struct search *s, const char *path)
{
	cleanup_free char *name = find_entry(path, is_any, NULL);

	if (!name)
		return 0;
	if (s->is_net) {
		s->node = steal_ptr(&name);
		return 1;
	}
	return take_node(s, name);
}

/* Goes down from *@path to the entry that @is_wanted. */
static bool descend(char **path, bool (*is_wanted)(const char *name, const void *arg),
		    const void *arg)
{
	cleanup_free char *name = find_entry(*path, is_wanted, arg);
	cleanup_free char *above = *path;

	*path = xasprintf("%s/%s", above, name ? name : "");
	return name;
}

/* "02/03", "02/03.1": slot of a bridge, slot of the device behind it. Which number the bus behind a
 * bridge has is the kernel's choice. */
static int find_pci(void *ctx)
{
	struct search *s = ctx;
	cleanup_strv char **slots = strv_split(s->address, '/');
	bool has_root = strv_len(slots) == 3 && slots[0][0] >= PCI_ROOT;
	cleanup_free char *path = xasprintf("%s/devices/pci0000:%s", server_sys_dir(s->options),
					    has_root ? slots[0] : "00");
	char *below;

	for (size_t i = has_root; slots[i]; i++) {
		cleanup_free char *end =
			xasprintf(":%s%s", slots[i], strchr(slots[i], '.') ? "" : ".0");

		if (!descend(&path, ends_with, end))
			return 0;
	}
	if (!descend(&path, starts_with, "virtio"))
		return 0;
	below = xasprintf("%s/%s", path, s->is_net ? "net" : "block");
	free(path);
	path = below;
	return take_only(s, path);
}

/* "/dev/vda" */
static int find_node(void *ctx)
{
	struct search *s = ctx;

	if (access(s->address, F_OK) < 0)
		return 0;
	s->node = xstrdup(s->address);
	return 1;
}

/* What a virtio disk says in text, and a SCSI one behind a header of four bytes (SPC, "unit serial
 * number page"), its length the last. */
#define SCSI_HEADER_BYTES 4

static char *read_serial(const struct agent_server_options *options, const char *name)
{
	cleanup_free char *dir = xasprintf("%s/class/block/%s", server_sys_dir(options), name);
	cleanup_free char *virtio = xasprintf("%s/serial", dir);
	cleanup_free char *scsi = xasprintf("%s/device/vpd_pg80", dir);
	cleanup_free char *text = NULL;
	size_t len;

	if (read_file_at(AT_FDCWD, virtio, NAME_MAX_BYTES, &text, NULL) == 0) {
		text[strcspn(text, "\n")] = '\0';
		return steal_ptr(&text);
	}
	if (read_file_at(AT_FDCWD, scsi, NAME_MAX_BYTES, &text, &len) < 0 ||
	    len < SCSI_HEADER_BYTES)
		return NULL;
	return xstrndup(text + SCSI_HEADER_BYTES, (unsigned char)text[SCSI_HEADER_BYTES - 1]);
}

static bool has_serial(const char *name, const void *arg)
{
	const struct search *s = arg;
	cleanup_free char *serial = read_serial(s->options, name);

	return streq_null(serial, str_after(s->address, "serial:"));
}

/* A place that another disk has taken has its name before its size. */
static bool has_size(const struct agent_server_options *options, const char *name)
{
	cleanup_free char *path =
		xasprintf("%s/class/block/%s/size", server_sys_dir(options), name);
	cleanup_free char *text = NULL;

	return read_file_at(AT_FDCWD, path, NAME_MAX_BYTES, &text, NULL) < 0 || !streq(text, "0\n");
}

/* "serial:NAME", an addition of ours: what its owner called it, wherever it is plugged in. */
static int find_serial(void *ctx)
{
	struct search *s = ctx;
	cleanup_free char *path = xasprintf("%s/class/block", server_sys_dir(s->options));
	cleanup_free char *name = find_entry(path, has_serial, s);

	return name && has_size(s->options, name) ? take_node(s, name) : 0;
}

/* Hosts scan for themselves when they boot; what came later has to be looked for. */
static void scan_scsi(const struct search *s, const char *id, const char *lun)
{
	cleanup_free char *hosts = xasprintf("%s/class/scsi_host", server_sys_dir(s->options));
	cleanup_free char *order = xasprintf("0 %s %s", id, lun);
	cleanup_dir DIR *dir = opendir(hosts);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *path = xasprintf("%s/%s/scan", hosts, entry->d_name);

		if (entry->d_name[0] != '.')
			(void)write_file_at(AT_FDCWD, path, order); /* the wait tells */
	}
}

/* "ID:LUN" */
static int find_scsi(void *ctx)
{
	struct search *s = ctx;
	cleanup_free char *end = xasprintf(":0:%s", s->address);
	cleanup_free char *path = xasprintf("%s/class/scsi_device", server_sys_dir(s->options));
	char *below;

	if (!descend(&path, ends_with, end))
		return 0;
	below = xasprintf("%s/device/block", path);
	free(path);
	path = below;
	return take_only(s, path);
}

static uevent_find_fn choose_search(const char *type, const char *address)
{
	if (streq(type, "net"))
		return find_pci;
	if (str_after(address, "serial:"))
		return find_serial;
	if (address[0] == '/')
		return find_node;
	if (streq(type, "blk"))
		return find_pci;
	return streq(type, "scsi") ? find_scsi : NULL;
}

const char *const device_type_names[] = { "blk", "mmioblk", "scsi", "nvdimm", NULL };

int device_find(const struct agent_server_options *options, const char *type, const char *address,
		char **ret, struct error *err)
{
	struct search search = {
		.options = options,
		.address = address ? address : "",
		.is_net = streq(type, "net"),
	};
	uevent_find_fn find = choose_search(type, search.address);
	int timeout_ms = server_device_timeout_ms(options);
	int r;

	if (!find)
		return error_set(err, -EINVAL, "device '%.200s': not an address for '%s'",
				 search.address, type);
	if (find == find_scsi) {
		cleanup_strv char **parts = strv_split(search.address, ':');

		if (strv_len(parts) != 2)
			return error_set(err, -EINVAL, "device '%.200s': not 'ID:LUN'",
					 search.address);
		scan_scsi(&search, parts[0], parts[1]);
	}
	r = uevent_wait(find, &search, timeout_ms);
	if (r == -ETIMEDOUT)
		return error_set(err, -ENODEV, "device '%.200s': it did not appear in %d ms",
				 search.address, timeout_ms);
	if (r < 0)
		return error_sys(err, r, "device '%.200s': wait for it", search.address);
	*ret = search.node;
	return 0;
}

/* devices of a container */

static void patch_rules(struct oci_resources *resources, const struct oci_device *device,
			dev_t number)
{
	struct oci_device_rule *rule;

	for (size_t i = 0; i < resources->devices_count; i++) {
		rule = &resources->devices[i];
		if (!rule->type || !streq(rule->type, device->type) || !rule->major.is_set ||
		    rule->major.value != device->major || !rule->minor.is_set ||
		    rule->minor.value != device->minor)
			continue;
		rule->major.value = major(number);
		rule->minor.value = minor(number);
		return;
	}
	resources->devices =
		xrealloc(resources->devices, resources->devices_count + 1, sizeof(*rule));
	rule = &resources->devices[resources->devices_count++];
	*rule = (struct oci_device_rule){
		.allow = true,
		.type = xstrdup(device->type),
		.major = { major(number), true },
		.minor = { minor(number), true },
		.access = xstrdup("rwm"),
	};
}

static int patch_one(const struct agent_server_options *options, const grpc_Device *device,
		     struct oci_config *config, struct error *err)
{
	const char *address = device->id && *device->id ? device->id : device->vm_path;
	struct oci_linux *l = &config->linux_;
	cleanup_free char *node = NULL;
	struct stat st;
	int r;

	if (!device->type || !strv_has((char *const *)device_type_names, device->type))
		return error_set(err, -EOPNOTSUPP, "device type '%.100s' is not supported",
				 device->type ? device->type : "");
	/* These two have no other address than their node. */
	if ((streq(device->type, "mmioblk") || streq(device->type, "nvdimm")) && device->vm_path &&
	    *device->vm_path)
		address = device->vm_path;
	r = device_find(options, device->type, address, &node, err);
	if (r < 0)
		return r;
	if (stat(node, &st) < 0)
		return error_sys(err, errno, "device '%s'", node);
	for (size_t i = 0; i < l->devices_count; i++) {
		struct oci_device *d = &l->devices[i];

		if (!device->container_path || !streq_null(d->path, device->container_path))
			continue;
		patch_rules(&l->resources, d, st.st_rdev);
		d->major = major(st.st_rdev);
		d->minor = minor(st.st_rdev);
		return 0;
	}
	return error_set(err, -EINVAL, "device '%.200s': linux.devices does not have it",
			 device->container_path ? device->container_path : "");
}

int device_patch(const struct agent_server_options *options, const grpc_Device *devices,
		 size_t count, struct oci_config *config, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		int r = patch_one(options, &devices[i], config, err);

		if (r < 0)
			return r;
	}
	return 0;
}

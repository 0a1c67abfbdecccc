/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/config.h"

#include <unistd.h>

#include "lib/base/json.h"

/*
 * What `spec` writes, from tables. It is meant to be edited, so that it spells out what its peers'
 * does, in their order. The rootless one gives up what an ordinary user may not do: gid 5 is not
 * mapped, a fresh sysfs belongs to the owner of the network namespace, and one of those would have
 * no link to use. A machine of its own has no other network than its own.
 */

enum whom { EVERYBODY, ROOTFUL, ROOTLESS };

static bool is_for(enum whom whom, bool is_rootless)
{
	return whom == EVERYBODY || (whom == ROOTLESS) == is_rootless;
}

static const char *const env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"TERM=xterm",
};

static const char *const capabilities[] = {
	"CAP_AUDIT_WRITE",
	"CAP_KILL",
	"CAP_NET_BIND_SERVICE",
};
static const char *const capability_sets[] = { "bounding", "effective", "permitted" };

/* clang-format off */
static const struct template_mount {
	enum whom whom;
	const char *destination, *type, *source;
	const char *options[8];
} mounts[] = {
	{ EVERYBODY, "/proc", "proc", "proc", { NULL } },
	{ EVERYBODY, "/dev", "tmpfs", "tmpfs",
	  { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ ROOTFUL, "/dev/pts", "devpts", "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ ROOTLESS, "/dev/pts", "devpts", "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" } },
	{ EVERYBODY, "/dev/shm", "tmpfs", "shm",
	  { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ EVERYBODY, "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ ROOTFUL, "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ ROOTLESS, "/sys", "none", "/sys", { "rbind", "nosuid", "noexec", "nodev", "ro" } },
	{ EVERYBODY, "/sys/fs/cgroup", "cgroup", "cgroup",
	  { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static const struct template_namespace {
	enum whom whom;
	enum oci_namespace_type type;
} namespaces[] = {
	{ EVERYBODY, OCI_NS_PID },
	{ ROOTFUL, OCI_NS_NETWORK },
	{ EVERYBODY, OCI_NS_IPC },
	{ EVERYBODY, OCI_NS_UTS },
	{ EVERYBODY, OCI_NS_MOUNT },
	{ EVERYBODY, OCI_NS_CGROUP },
	{ ROOTLESS, OCI_NS_USER },
};
/* clang-format on */

static const char *const masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static void put_string(struct json_writer *w, const char *key, const char *value)
{
	json_key(w, key);
	json_string(w, value);
}

static void put_number(struct json_writer *w, const char *key, uint64_t value)
{
	json_key(w, key);
	json_u64(w, value);
}

static void put_bool(struct json_writer *w, const char *key, bool value)
{
	json_key(w, key);
	json_bool(w, value);
}

static void put_map(struct json_writer *w, const char *key)
{
	json_key(w, key);
	json_open_map(w);
}

static void put_array(struct json_writer *w, const char *key)
{
	json_key(w, key);
	json_open_array(w);
}

/* At most @max strings; NULL ends them earlier. */
static void put_strings(struct json_writer *w, const char *key, const char *const *v, size_t max)
{
	put_array(w, key);
	for (size_t i = 0; i < max && v[i]; i++)
		json_string(w, v[i]);
	json_close_array(w);
}

static void put_capabilities(struct json_writer *w)
{
	put_map(w, "capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(capability_sets); i++)
		put_strings(w, capability_sets[i], capabilities, ARRAY_SIZE(capabilities));
	json_close_map(w);
}

static void put_rlimits(struct json_writer *w)
{
	put_array(w, "rlimits");
	json_open_map(w);
	put_string(w, "type", names_get(&oci_rlimit_names, OCI_RLIMIT_NOFILE));
	put_number(w, "hard", 1024);
	put_number(w, "soft", 1024);
	json_close_map(w);
	json_close_array(w);
}

static void put_process(struct json_writer *w)
{
	static const char *const args[] = { "sh" };

	put_map(w, "process");
	put_bool(w, "terminal", true);
	put_map(w, "user");
	put_number(w, "uid", 0);
	put_number(w, "gid", 0);
	json_close_map(w);
	put_strings(w, "args", args, ARRAY_SIZE(args));
	put_strings(w, "env", env, ARRAY_SIZE(env));
	put_string(w, "cwd", "/");
	put_capabilities(w);
	put_rlimits(w);
	put_bool(w, "noNewPrivileges", true);
	json_close_map(w);
}

static void put_root(struct json_writer *w)
{
	put_map(w, "root");
	put_string(w, "path", "rootfs");
	put_bool(w, "readonly", true);
	json_close_map(w);
}

static void put_mounts(struct json_writer *w, bool is_rootless)
{
	put_array(w, "mounts");
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		const struct template_mount *m = &mounts[i];

		if (!is_for(m->whom, is_rootless))
			continue;
		json_open_map(w);
		put_string(w, "destination", m->destination);
		put_string(w, "type", m->type);
		put_string(w, "source", m->source);
		if (m->options[0])
			put_strings(w, "options", m->options, ARRAY_SIZE(m->options));
		json_close_map(w);
	}
	json_close_array(w);
}

/* Root in the container is the caller outside. */
static void put_mapping(struct json_writer *w, const char *key, uint32_t host_id)
{
	put_array(w, key);
	json_open_map(w);
	put_number(w, "containerID", 0);
	put_number(w, "hostID", host_id);
	put_number(w, "size", 1);
	json_close_map(w);
	json_close_array(w);
}

static void put_resources(struct json_writer *w)
{
	put_map(w, "resources");
	put_array(w, "devices");
	json_open_map(w);
	put_bool(w, "allow", false);
	put_string(w, "access", "rwm");
	json_close_map(w);
	json_close_array(w);
	json_close_map(w);
}

static void put_namespaces(struct json_writer *w, const struct oci_template *t)
{
	put_array(w, "namespaces");
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		bool is_machines = t->is_machine && namespaces[i].type == OCI_NS_NETWORK;

		if (!is_machines && !is_for(namespaces[i].whom, t->is_rootless))
			continue;
		json_open_map(w);
		put_string(w, "type", names_get(&oci_namespace_names, namespaces[i].type));
		json_close_map(w);
	}
	json_close_array(w);
}

static void put_linux(struct json_writer *w, const struct oci_template *t)
{
	put_map(w, "linux");
	if (t->is_rootless) {
		put_mapping(w, "uidMappings", geteuid());
		put_mapping(w, "gidMappings", getegid());
	} else {
		put_resources(w);
	}
	put_namespaces(w, t);
	put_strings(w, "maskedPaths", masked_paths, ARRAY_SIZE(masked_paths));
	put_strings(w, "readonlyPaths", readonly_paths, ARRAY_SIZE(readonly_paths));
	json_close_map(w);
}

char *oci_spec_template(const struct oci_template *t)
{
	struct json_writer *w = json_writer_new(true);

	json_open_map(w);
	put_string(w, "ociVersion", OCI_VERSION);
	put_process(w);
	put_root(w);
	put_string(w, "hostname", "moat");
	put_mounts(w, t->is_rootless);
	put_linux(w, t);
	json_close_map(w);
	return json_finish(w);
}

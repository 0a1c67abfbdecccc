/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/sandbox.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/sandbox/plan-internal.h"
#include "oci/annotations.h"
#include "oci/config.h"

/*
 * From the configuration that the caller wrote for a host kernel to the one that the agent runs
 * in the guest. Whatever names something of the host (a path, a namespace, a CPU, a device, a
 * security label) is replaced by its counterpart in the guest, left out with a warning where the
 * container can live without it, or refused with its place.
 */

/* In /proc/PID/ns, of those that a pod may share. */
static const char *const namespace_files[OCI_NS_COUNT] = {
	[OCI_NS_PID] = "pid",
	[OCI_NS_IPC] = "ipc",
	[OCI_NS_UTS] = "uts",
};

char *plan_share(struct planning *p, const struct sandbox_share *share)
{
	struct sandbox_plan *plan = p->plan;

	plan->shares = xrealloc(plan->shares, plan->shares_count + 1, sizeof(*share));
	plan->shares[plan->shares_count++] = *share;
	return xasprintf(SANDBOX_SHARE_GUEST_DIR "/%s", share->guest_name);
}

char *plan_copy(struct planning *p, const struct sandbox_copy *copy)
{
	struct sandbox_plan *plan = p->plan;

	plan->copies = xrealloc(plan->copies, plan->copies_count + 1, sizeof(*copy));
	plan->copies[plan->copies_count++] = *copy;
	return xstrdup(copy->guest_path);
}

void plan_replace(char **slot, char *owned)
{
	free(*slot);
	*slot = owned;
}

/* The share stays writable when root.readonly asks for a read-only root: the agent has to make
 * the mount points in it first, and remounts it then, as runtimes do on the host. */
static int plan_rootfs(struct planning *p, struct error *err)
{
	const char *root = p->host->root.path;
	struct sandbox_share share = { .is_recursive = true };

	if (!root || !*root)
		return error_set(err, -EINVAL, "root.path: missing");
	share.host_path = *root == '/' ? xstrdup(root) : xasprintf("%s/%s", p->bundle, root);
	if (sandbox_is_disk(share.host_path))
		return plan_root_disk(p, share.host_path, err);
	if (p->files == SANDBOX_COPIED) {
		plan_made_root_disk(p, share.host_path);
		return 0;
	}
	share.guest_name = xasprintf("%s/rootfs", p->id);
	plan_replace(&p->guest->root.path, plan_share(p, &share));
	return 0;
}

static struct oci_namespace *find_namespace(struct oci_config *config, enum oci_namespace_type type)
{
	return (struct oci_namespace *)oci_namespace_find(config, type);
}

static void remove_namespace(struct oci_linux *linux_, struct oci_namespace *entry)
{
	size_t i = (size_t)(entry - linux_->namespaces);

	free(entry->path);
	linux_->namespaces_count--;
	memmove(entry, entry + 1, (linux_->namespaces_count - i) * sizeof(*entry));
}

static void add_namespace(struct oci_linux *linux_, enum oci_namespace_type type)
{
	linux_->namespaces = xrealloc(linux_->namespaces, linux_->namespaces_count + 1,
				      sizeof(struct oci_namespace));
	linux_->namespaces[linux_->namespaces_count++] =
		(struct oci_namespace){ .type = (int)type };
}

static bool is_pods_to_share(enum oci_namespace_type type)
{
	return type == OCI_NS_PID || type == OCI_NS_IPC || type == OCI_NS_UTS;
}

/* What shares a namespace with the host, or joins another container's, gets one of its own: the
 * other side of that sharing is not in this VM. But what a member joins can only be the pod's,
 * which the sandbox's container is there to hold. */
static void plan_one_namespace(struct planning *p, enum oci_namespace_type type)
{
	struct oci_namespace *entry = find_namespace(p->guest, type);
	const char *name = names_get(&oci_namespace_names, type);

	if (!entry) {
		log_debug("linux.namespaces: instead of the host's %s namespace a new one", name);
		add_namespace(&p->guest->linux_, type);
	} else if (entry->path && p->role == SANDBOX_MEMBER && is_pods_to_share(type)) {
		p->plan->shared_namespaces |= 1u << type;
	} else if (entry->path) {
		log_debug("linux.namespaces: instead of '%s' a new %s namespace", entry->path,
			  name);
		plan_replace(&entry->path, NULL);
	}
}

/* Natively the container's user namespace owns its network, whose ports are all its root's
 * (CAP_NET_BIND_SERVICE). The guest's network is the guest's own. */
static void open_low_ports(struct sandbox_machine *machine)
{
	machine->has_low_ports = true;
}

/* The shim has entered the network namespace by now, and the guest's network is what was found
 * there; inside the guest nothing is left to separate. */
static int plan_namespaces(struct planning *p, struct error *err)
{
	static const enum oci_namespace_type own[] = { OCI_NS_PID, OCI_NS_MOUNT, OCI_NS_IPC,
						       OCI_NS_UTS, OCI_NS_CGROUP };
	struct oci_namespace *net = find_namespace(p->guest, OCI_NS_NETWORK);
	struct oci_namespace *user = find_namespace(p->guest, OCI_NS_USER);
	struct oci_namespace *time = find_namespace(p->guest, OCI_NS_TIME);

	if (!net && p->role == SANDBOX_OWNER)
		return error_set(err, -ENOTSUP,
				 "linux.namespaces: a virtual machine has no shared host network");
	if (user && user->path)
		return error_set(err, -ENOTSUP,
				 "linux.namespaces: a virtual machine cannot join '%s'",
				 user->path);

	if (time && time->path) {
		log_warning(
			"linux.namespaces: instead of '%s' a new time namespace, without offsets",
			time->path);
		plan_replace(&time->path, NULL);
	}
	if (user)
		open_low_ports(&p->plan->machine);
	if (net)
		remove_namespace(&p->guest->linux_, net);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		plan_one_namespace(p, own[i]);
	return 0;
}

/* startContainer runs in the container, hence in the guest; every other kind runs on the host,
 * where the network and the files it wants to prepare are, createContainer in the shim's
 * namespaces. */
static int plan_hooks(struct planning *p, struct error *err)
{
	struct oci_hooks *hooks = &p->guest->hooks;
	/* Released as a whole: the field table knows how to free a hook. */
	cleanup_oci_config struct oci_config *dropped = xcalloc(1, sizeof(*dropped));

	dropped->hooks = *hooks;
	*hooks = (struct oci_hooks){ 0 };
	hooks->start_container = steal_ptr(&dropped->hooks.start_container);
	hooks->start_container_count = dropped->hooks.start_container_count;
	dropped->hooks.start_container_count = 0;
	return 0;
}

/* Labels and profiles are names in the host kernel's policy, for which the host's own confinement
 * of the VMM stands in. */
void sandbox_guest_process(struct oci_process *process)
{
	/* Released as a whole, by the field table. */
	cleanup_oci_process struct oci_process *dropped = xcalloc(1, sizeof(*dropped));

	dropped->apparmor_profile = steal_ptr(&process->apparmor_profile);
	dropped->selinux_label = steal_ptr(&process->selinux_label);
}

/* The listener's path and metadata are nothing without SCMP_ACT_NOTIFY (config-linux.md#seccomp);
 * callers may give them always. */
static int plan_seccomp(struct oci_seccomp *seccomp, struct error *err)
{
	if (oci_seccomp_notifies(seccomp))
		return error_set(
			err, -ENOTSUP,
			"linux.seccomp.listenerPath: '%s' is out of a virtual machine's reach",
			seccomp->listener_path);
	plan_replace(&seccomp->listener_path, NULL);
	plan_replace(&seccomp->listener_metadata, NULL);
	return 0;
}

static int plan_security(struct planning *p, struct error *err)
{
	struct oci_linux *linux_ = &p->guest->linux_;

	if (p->guest->process)
		sandbox_guest_process(p->guest->process);
	plan_replace(&linux_->mount_label, NULL);
	return linux_->seccomp ? plan_seccomp(linux_->seccomp, err) : 0;
}

/* What is of the host's hardware. Memory comes from where the VMM gets it. */
static int plan_hardware(struct planning *p, struct error *err)
{
	const struct oci_linux *host = &p->host->linux_;
	cleanup_oci_config struct oci_config *dropped = xcalloc(1, sizeof(*dropped));

	if (host->net_devices_count)
		return error_set(err, -ENOTSUP,
				 "linux.netDevices: '%s' cannot be moved into a virtual machine",
				 host->net_devices[0].host_name);
	if (host->intel_rdt)
		return error_set(err, -ENOTSUP,
				 "linux.intelRdt: not supported for a virtual machine");
	if (host->memory_policy)
		log_warning("linux.memoryPolicy: left out, the guest has no such nodes");
	dropped->linux_.memory_policy = steal_ptr(&p->guest->linux_.memory_policy);
	dropped->vm = steal_ptr(&p->guest->vm);
	return 0;
}

static int copy_config(const struct oci_config *config, struct oci_config **ret, struct error *err)
{
	cleanup_free char *text = oci_config_text(config, false);

	return oci_config_parse_known("config.json", text, strlen(text), ret, err);
}

/* The guest does not know which of them are switched off. */
static int plan_annotations(struct planning *p, struct error *err)
{
	struct string_map kept = { 0 };

	for (size_t i = 0; i < p->host->annotations.count; i++) {
		const struct string_pair *pair = &p->host->annotations.items[i];

		if (!oci_annotation_is_ignored(p->host, pair->key))
			string_map_set(&kept, pair->key, pair->value);
	}
	string_map_done(&p->guest->annotations);
	p->guest->annotations = kept;
	return 0;
}

/* Devices come before mounts, which turn binds of device nodes into further entries. */
/* clang-format off */
static int (*const parts[])(struct planning *p, struct error *err) = {
	plan_vm,	   plan_rootfs,	    plan_namespaces, plan_hooks,        plan_security,
	plan_hardware,     plan_resources,  plan_devices,      plan_device_rules,
	plan_mounts,       plan_size,	    plan_annotations,
};
/* clang-format on */

int sandbox_plan_new(const char *id, enum sandbox_role role, enum sandbox_files files,
		     const char *bundle, const struct oci_config *config, struct sandbox_plan **ret,
		     struct error *err)
{
	cleanup_sandbox_plan struct sandbox_plan *plan = xcalloc(1, sizeof(*plan));
	struct planning p = {
		.id = id,
		.role = role,
		.files = files,
		.bundle = bundle,
		.host = config,
		.plan = plan,
	};
	int r = copy_config(config, &plan->guest_config, err);

	if (r < 0)
		return r;
	p.guest = plan->guest_config;
	plan->machine.has_members = sandbox_is_pods(id, config);
	/* Whoever joins a machine that shares nothing brings a disk. */
	plan->has_disk_slots = files == SANDBOX_COPIED || plan->machine.has_members;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		r = parts[i](&p, err);
		if (r < 0)
			return r;
	}
	*ret = steal_ptr(&plan);
	return 0;
}

void sandbox_plan_share_namespace(struct sandbox_plan *plan, int type, int pid)
{
	struct oci_namespace *entry = find_namespace(plan->guest_config, type);

	plan_replace(&entry->path, xasprintf("/proc/%d/ns/%s", pid, namespace_files[type]));
}

/* CRI-O's and containerd's words; podman uses the first. */
static const char *const pod_annotations[] = {
	"io.kubernetes.cri-o.SandboxID",
	"io.kubernetes.cri.sandbox-id",
};
static const char *const type_annotations[] = {
	"io.kubernetes.cri-o.ContainerType",
	"io.kubernetes.cri.container-type",
};

const char *sandbox_wanted(const char *id, const struct oci_config *config)
{
	for (size_t i = 0; i < ARRAY_SIZE(pod_annotations); i++) {
		const char *wanted = oci_annotation(config, pod_annotations[i]);

		if (wanted && *wanted && !streq(wanted, id))
			return wanted;
	}
	return NULL;
}

bool sandbox_is_pods(const char *id, const struct oci_config *config)
{
	for (size_t i = 0; i < ARRAY_SIZE(pod_annotations); i++)
		if (streq_null(oci_annotation(config, pod_annotations[i]), id))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(type_annotations); i++)
		if (streq_null(oci_annotation(config, type_annotations[i]), "sandbox"))
			return true;
	return false;
}

void sandbox_plan_free(struct sandbox_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->shares_count; i++) {
		free(plan->shares[i].host_path);
		free(plan->shares[i].guest_name);
		free(plan->shares[i].fs_type);
		strv_free(plan->shares[i].fs_options);
	}
	free(plan->shares);
	for (size_t i = 0; i < plan->copies_count; i++) {
		free(plan->copies[i].host_path);
		free(plan->copies[i].guest_path);
		free(plan->copies[i].place);
	}
	free(plan->copies);
	plan_free_vm(plan);
	oci_config_free(plan->guest_config);
	free(plan);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/cleanup.h"

struct error;
struct oci_config;
struct oci_process;
struct oci_resources;

/*
 * VM, agent, shared files and guest specification put together. Planning is pure (this header);
 * running one is the shim's (lib/sandbox/run.h).
 */

/* One host path that the guest gets to see, below the shared directory. */
struct sandbox_share {
	char *host_path;  /* absolute */
	char *guest_name; /* relative to the shared directory: "<id>/rootfs", "<id>/mount-3" */
	bool is_file;	  /* bind a file, not a directory */
	bool is_readonly;
	bool is_recursive; /* with what is mounted below it */
	/* A file system that is made for it from @host_path as its source; NULL: it is bound. */
	char *fs_type;
	char **fs_options; /* as mounts[] has them */
};

/* A file or block device of the host's that is a disk of the guest's. */
struct sandbox_disk {
	const char *id;
	char *host_path; /* absolute; NULL: it is made (disk_make()) */
	char *made_of;	 /* a directory of the host's, or NULL */
	const char *fstype;
	bool is_readonly;
	bool is_device;
	char guest_path[32]; /* /dev/vda … in the order of the plan, or "serial:ID" */
	char *mount_point;   /* in the guest; NULL: the agent does not mount it */
};
#define SANDBOX_DISKS_MAX 2

/* A file or a directory of the host's that the guest gets as it is now, where it has no share. */
struct sandbox_copy {
	char *host_path;  /* absolute */
	char *guest_path; /* below SANDBOX_SHARE_GUEST_DIR */
	char *place;	  /* of it in config.json: "mounts[3]" */
};

/* What config.json's vm section says of the machine; NULL: as it is without one. */
struct sandbox_machine {
	char *program; /* of the VMM */
	char **program_args;
	char *kernel;
	char *initrd;
	char *kernel_params; /* each with a blank in front */
	int arch;	     /* enum hv_arch of what runs in it; HV_ARCH_COUNT: nothing tells */
	bool has_own_root;   /* the kernel boots into the first disk, not into our initramfs */
	bool has_members;    /* a pod's, whose other containers come while it runs */
	bool has_low_ports;  /* whoever is in it may use them */
};
/* For that, behind the other parameters. */
#define SANDBOX_LOW_PORTS " sysctl.net.ipv4.ip_unprivileged_port_start=0"

/* Of a virtual machine. */
struct sandbox_size {
	uint32_t memory_mib;
	uint32_t vcpus;
};

struct sandbox_plan {
	struct oci_config *guest_config; /* what the agent gets */
	struct sandbox_share *shares;
	size_t shares_count;
	struct sandbox_copy *copies;
	size_t copies_count;
	struct sandbox_size size;
	unsigned int shared_namespaces; /* bits 1 << enum oci_namespace_type: the sandbox's */
	struct sandbox_machine machine;
	struct sandbox_disk disks[SANDBOX_DISKS_MAX];
	size_t disks_count;
	bool has_disk_slots; /* for those of members */
};

#define SANDBOX_GUEST_DIR "/run/kata-containers"
#define SANDBOX_SHARE_TAG "moat"
#define SANDBOX_SHARE_GUEST_DIR "/run/kata-containers/shared/containers"

/* Whose VM it will run in. The first container of a sandbox has one made for it; a member joins
 * one, and what it would share with others on the host, it shares with the sandbox's container. */
enum sandbox_role { SANDBOX_OWNER, SANDBOX_MEMBER };

/* How the host's files get into the guest: as parts of the shared directory; or the root file
 * system as a disk, and files and directories that are only read as copies. */
enum sandbox_files { SANDBOX_SHARED, SANDBOX_COPIED };

/* The id of another container whose VM @config asks to join, as container engines say it in their
 * annotations; NULL: none. Borrowed from @config. */
const char *sandbox_wanted(const char *id, const struct oci_config *config);

/* From a host configuration to the plan: bind mounts and the rootfs become shares, namespaces and
 * paths that mean the host only are replaced, limits are sized. What a VM cannot give is refused
 * with its place, or warned of where leaving it out is harmless. Pure but for stat(2) of bind
 * sources. @bundle: absolute. */
int sandbox_plan_new(const char *id, enum sandbox_role role, enum sandbox_files files,
		     const char *bundle, const struct oci_config *config, struct sandbox_plan **ret,
		     struct error *err);
/* The disk of the container's root file system, or NULL. */
struct sandbox_disk *sandbox_plan_root_disk(struct sandbox_plan *plan);
/* A member's root file system is a disk that is plugged in, by this name, which is borrowed. */
void sandbox_plan_name_disk(struct sandbox_plan *plan, const char *id);
/* Whether @path is a disk's, an image or a block device. */
bool sandbox_is_disk(const char *path);
/* Whether the container is there to hold a pod together, so that others will join it. */
bool sandbox_is_pods(const char *id, const struct oci_config *config);
/* The shared namespace of @type (enum oci_namespace_type) is that of the guest's process @pid. */
void sandbox_plan_share_namespace(struct sandbox_plan *plan, int type, int pid);
/* Makes the mappings of the container's user namespace, if it has one, from ids of the caller's
 * into those of the user namespace whose /proc/PID/uid_map and gid_map are given. Pure. */
int sandbox_plan_translate_ids(struct sandbox_plan *plan, const char *uid_map, const char *gid_map,
			       struct error *err);
void sandbox_plan_free(struct sandbox_plan *plan);
DEFINE_CLEANUP(sandbox_plan_free_p, struct sandbox_plan *, sandbox_plan_free)
#define cleanup_sandbox_plan CLEANUP(sandbox_plan_free_p)

/* Takes out of a process document what is the host's alone, for `exec`. */
void sandbox_guest_process(struct oci_process *process);

/* Takes out of a container's limits those that the guest cannot apply: they count the host's
 * processors and devices. */
void sandbox_guest_resources(struct oci_resources *resources);

/* How large the VM of some containers has to be; the sandbox's own is the first. As vm.hwConfig has
 * it, or what fits the limits of all of them, or what the engine says of the pod. Pure. */
struct sandbox_size sandbox_size_for(const struct oci_config *const *configs, size_t count);

/* What the sandbox's cgroup on the host gets: the container's limits as they apply to a VMM that
 * carries it, whose guest has @memory_mib at least. The result borrows from @config and is not
 * released. @is_booting: without the CPU quota, under which a guest may take minutes to come up; it
 * is applied once it has. */
struct oci_resources sandbox_host_resources(const struct oci_config *config, uint32_t memory_mib,
					    bool is_booting);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/fields.h"

struct error;

/*
 * config.json of the OCI runtime specification 1.3.0 as C structs, each described by a field
 * table (oci/config.c, oci/linux.c, oci/vm.c). Enums are indices into the names tables below;
 * OCI_UNSET where the specification gives no default. Everything is owned by struct oci_config.
 */
#define OCI_UNSET (-1)

/* The version of the specification that is implemented, and written into what is written. */
#define OCI_VERSION "1.3.0"
/* The oldest that is understood. */
#define OCI_VERSION_MIN "1.0.0"

struct oci_box {
	uint32_t height;
	uint32_t width;
};

struct oci_user {
	uint32_t uid;
	uint32_t gid;
	struct opt_u32 umask;
	uint32_t *additional_gids;
	size_t additional_gids_count;
	char *username;
};

/* Capability names as given ("CAP_CHOWN"); which of them exist is the engine's business: unknown
 * ones are warned of and ignored (config.md#linux-process). */
struct oci_capabilities {
	char **bounding;
	char **effective;
	char **inheritable;
	char **permitted;
	char **ambient;
};

enum oci_rlimit_type {
	OCI_RLIMIT_AS,
	OCI_RLIMIT_CORE,
	OCI_RLIMIT_CPU,
	OCI_RLIMIT_DATA,
	OCI_RLIMIT_FSIZE,
	OCI_RLIMIT_LOCKS,
	OCI_RLIMIT_MEMLOCK,
	OCI_RLIMIT_MSGQUEUE,
	OCI_RLIMIT_NICE,
	OCI_RLIMIT_NOFILE,
	OCI_RLIMIT_NPROC,
	OCI_RLIMIT_RSS,
	OCI_RLIMIT_RTPRIO,
	OCI_RLIMIT_RTTIME,
	OCI_RLIMIT_SIGPENDING,
	OCI_RLIMIT_STACK,
	OCI_RLIMIT_COUNT,
};
extern const struct names oci_rlimit_names;

struct oci_rlimit {
	int type; /* enum oci_rlimit_type */
	uint64_t soft;
	uint64_t hard;
};

enum oci_scheduler_policy {
	OCI_SCHED_OTHER,
	OCI_SCHED_FIFO,
	OCI_SCHED_RR,
	OCI_SCHED_BATCH,
	OCI_SCHED_ISO,
	OCI_SCHED_IDLE,
	OCI_SCHED_DEADLINE,
	OCI_SCHED_COUNT,
};
extern const struct names oci_scheduler_names;	    /* "SCHED_…" */
extern const struct names oci_scheduler_flag_names; /* "SCHED_FLAG_…", in the kernel's order */

/* sched_setattr(2); times in nanoseconds, for SCHED_DEADLINE. */
struct oci_scheduler {
	int policy; /* enum oci_scheduler_policy */
	struct opt_i64 nice;
	struct opt_i64 priority;
	char **flags; /* "SCHED_FLAG_…" */
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

enum oci_io_class { OCI_IO_RT, OCI_IO_BE, OCI_IO_IDLE, OCI_IO_COUNT };
extern const struct names oci_io_class_names; /* "IOPRIO_CLASS_…" */

struct oci_io_priority {
	int class_;	  /* enum oci_io_class */
	int64_t priority; /* 0 … 7 */
};

/* Lists of processors ("0-3,7") for a process that enters; NULL: left as it is. */
struct oci_cpu_affinity {
	char *initial; /* before it joins the container's cgroup */
	char *final;   /* after that */
};

struct oci_process {
	bool terminal;
	struct oci_box *console_size;
	struct oci_user user;
	char **args;
	char **env;
	char *cwd;
	struct oci_capabilities *capabilities; /* NULL: leave what the runtime has */
	struct oci_rlimit *rlimits;
	size_t rlimits_count;
	bool no_new_privileges;
	char *apparmor_profile;
	char *selinux_label;
	struct opt_i64 oom_score_adj;
	struct oci_scheduler *scheduler;
	struct oci_io_priority *io_priority;
	struct oci_cpu_affinity *exec_cpu_affinity;
};

struct oci_root {
	char *path;
	bool readonly;
};

struct oci_id_mapping {
	uint32_t container_id;
	uint32_t host_id;
	uint32_t size;
};

struct oci_mount {
	char *destination;
	char *type;
	char *source;
	char **options;
	struct oci_id_mapping *uid_mappings;
	size_t uid_mappings_count;
	struct oci_id_mapping *gid_mappings;
	size_t gid_mappings_count;
};

struct oci_hook {
	char *path;
	char **args;
	char **env;
	struct opt_i64 timeout; /* seconds */
};

struct oci_hooks {
	struct oci_hook *prestart;
	size_t prestart_count;
	struct oci_hook *create_runtime;
	size_t create_runtime_count;
	struct oci_hook *create_container;
	size_t create_container_count;
	struct oci_hook *start_container;
	size_t start_container_count;
	struct oci_hook *poststart;
	size_t poststart_count;
	struct oci_hook *poststop;
	size_t poststop_count;
};

enum oci_namespace_type {
	OCI_NS_PID,
	OCI_NS_NETWORK,
	OCI_NS_MOUNT,
	OCI_NS_IPC,
	OCI_NS_UTS,
	OCI_NS_USER,
	OCI_NS_CGROUP,
	OCI_NS_TIME,
	OCI_NS_COUNT,
};
extern const struct names oci_namespace_names;

struct oci_namespace {
	int type;   /* enum oci_namespace_type */
	char *path; /* NULL: a new one */
};

struct oci_device {
	char *path;
	char *type; /* "c" "u" "b" "p" */
	int64_t major;
	int64_t minor;
	struct opt_u32 file_mode; /* decimal in JSON */
	struct opt_u32 uid;
	struct opt_u32 gid;
};

struct oci_device_rule {
	bool allow;
	char *type; /* "a" "c" "b"; NULL: "a" */
	struct opt_i64 major;
	struct opt_i64 minor;
	char *access; /* of "rwm"; NULL: all */
};

struct oci_memory {
	struct opt_i64 limit; /* bytes, -1: unlimited */
	struct opt_i64 reservation;
	struct opt_i64 swap; /* memory + swap */
	struct opt_i64 kernel;
	struct opt_i64 kernel_tcp;
	struct opt_u64 swappiness;
	struct opt_bool disable_oom_killer;
	struct opt_bool use_hierarchy;
	struct opt_bool check_before_update;
};

struct oci_cpu {
	struct opt_u64 shares;
	struct opt_i64 quota; /* microseconds a period */
	struct opt_u64 burst;
	struct opt_u64 period; /* microseconds */
	struct opt_i64 realtime_runtime;
	struct opt_u64 realtime_period;
	char *cpus;
	char *mems;
	struct opt_i64 idle;
};

struct oci_pids {
	struct opt_i64 limit;
};

struct oci_weight_device {
	int64_t major;
	int64_t minor;
	struct opt_u32 weight;
	struct opt_u32 leaf_weight;
};

struct oci_throttle_device {
	int64_t major;
	int64_t minor;
	uint64_t rate; /* bytes or operations a second */
};

struct oci_block_io {
	struct opt_u32 weight; /* 10 … 1000 */
	struct opt_u32 leaf_weight;
	struct oci_weight_device *weight_devices;
	size_t weight_devices_count;
	struct oci_throttle_device *read_bps;
	size_t read_bps_count;
	struct oci_throttle_device *write_bps;
	size_t write_bps_count;
	struct oci_throttle_device *read_iops;
	size_t read_iops_count;
	struct oci_throttle_device *write_iops;
	size_t write_iops_count;
};

struct oci_hugepage_limit {
	char *page_size; /* "2MB" */
	uint64_t limit;	 /* bytes */
};

struct oci_interface_priority {
	char *name;
	uint32_t priority;
};

struct oci_network {
	struct opt_u32 class_id;
	struct oci_interface_priority *priorities;
	size_t priorities_count;
};

struct oci_rdma {
	char *device; /* the key in linux.resources.rdma */
	struct opt_u32 hca_handles;
	struct opt_u32 hca_objects;
};

struct oci_resources {
	struct oci_device_rule *devices;
	size_t devices_count;
	struct oci_memory memory;
	struct oci_cpu cpu;
	struct oci_pids pids;
	struct oci_block_io block_io;
	struct oci_hugepage_limit *hugepages;
	size_t hugepages_count;
	struct oci_network network;
	struct oci_rdma *rdma;
	size_t rdma_count;
	struct string_map unified;
};

enum oci_seccomp_action {
	OCI_SECCOMP_KILL,
	OCI_SECCOMP_KILL_PROCESS,
	OCI_SECCOMP_KILL_THREAD,
	OCI_SECCOMP_TRAP,
	OCI_SECCOMP_ERRNO,
	OCI_SECCOMP_TRACE,
	OCI_SECCOMP_ALLOW,
	OCI_SECCOMP_LOG,
	OCI_SECCOMP_NOTIFY,
	OCI_SECCOMP_ACTION_COUNT,
};
extern const struct names oci_seccomp_action_names; /* "SCMP_ACT_…" */

enum oci_seccomp_op {
	OCI_SECCOMP_NE,
	OCI_SECCOMP_LT,
	OCI_SECCOMP_LE,
	OCI_SECCOMP_EQ,
	OCI_SECCOMP_GE,
	OCI_SECCOMP_GT,
	OCI_SECCOMP_MASKED_EQ,
	OCI_SECCOMP_OP_COUNT,
};
extern const struct names oci_seccomp_op_names; /* "SCMP_CMP_…" */

extern const struct names oci_seccomp_arch_names; /* "SCMP_ARCH_…" */
extern const struct names oci_seccomp_flag_names; /* "SECCOMP_FILTER_FLAG_…" */

struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value;
	uint64_t value_two;
	int op; /* enum oci_seccomp_op */
};

struct oci_syscall {
	char **names;
	int action; /* enum oci_seccomp_action */
	struct opt_u32 errno_ret;
	struct oci_seccomp_arg *args;
	size_t args_count;
};

struct oci_seccomp {
	int default_action;
	struct opt_u32 default_errno_ret;
	char **architectures; /* "SCMP_ARCH_…" */
	char **flags;	      /* NULL: absent */
	char *listener_path;
	char *listener_metadata;
	struct oci_syscall *syscalls;
	size_t syscalls_count;
	/* From annotations (oci/annotations.h), and no fields. */
	const char *raw_filter; /* base64 of a program, instead of all the rest; or NULL */
	bool is_strict;		/* a call that nobody knows is an error */
};

/* Offsets of a time namespace's clocks. */
struct oci_time_offset {
	int64_t secs;
	uint32_t nanosecs;
};
struct oci_time_offsets {
	struct oci_time_offset *monotonic;
	struct oci_time_offset *boottime;
};

/* A network device of the runtime's namespace that moves into the container's. */
struct oci_net_device {
	char *host_name; /* the key in linux.netDevices */
	char *name;	 /* in the container; NULL: the same */
};

struct oci_intel_rdt {
	char *clos_id;
	char **schemata;
	char *l3_cache_schema;
	char *mem_bw_schema;
	bool enable_monitoring;
};

enum oci_memory_policy_mode {
	OCI_MPOL_DEFAULT,
	OCI_MPOL_BIND,
	OCI_MPOL_INTERLEAVE,
	OCI_MPOL_WEIGHTED_INTERLEAVE,
	OCI_MPOL_PREFERRED,
	OCI_MPOL_PREFERRED_MANY,
	OCI_MPOL_LOCAL,
	OCI_MPOL_COUNT,
};
extern const struct names oci_memory_policy_names;	/* "MPOL_…" */
extern const struct names oci_memory_policy_flag_names; /* "MPOL_F_…", in the kernel's order */

/* set_mempolicy(2) for the container's first process. */
struct oci_memory_policy {
	int mode;     /* enum oci_memory_policy_mode */
	char *nodes;  /* "0-3,7" */
	char **flags; /* "MPOL_F_…" */
};

enum oci_personality_domain {
	OCI_PERSONALITY_LINUX,
	OCI_PERSONALITY_LINUX32,
	OCI_PERSONALITY_COUNT
};
extern const struct names oci_personality_names; /* "LINUX" "LINUX32" */

struct oci_personality {
	int domain;   /* enum oci_personality_domain */
	char **flags; /* none is defined */
};

struct oci_linux {
	struct oci_id_mapping *uid_mappings;
	size_t uid_mappings_count;
	struct oci_id_mapping *gid_mappings;
	size_t gid_mappings_count;
	struct string_map sysctl;
	struct oci_resources resources;
	char *cgroups_path;
	struct oci_namespace *namespaces;
	size_t namespaces_count;
	struct oci_device *devices;
	size_t devices_count;
	struct oci_seccomp *seccomp;
	char *rootfs_propagation;
	char **masked_paths;
	char **readonly_paths;
	char *mount_label;
	struct oci_time_offsets *time_offsets;
	struct oci_net_device *net_devices;
	size_t net_devices_count;
	struct oci_intel_rdt *intel_rdt;
	struct oci_memory_policy *memory_policy;
	struct oci_personality *personality;
};

/* The specification's own way to ask for a VM (config-vm.md). */
struct oci_vm_program {
	char *path;
	char **parameters;
};
struct oci_vm_kernel {
	char *path;
	char **parameters;
	char *initrd;
};
struct oci_vm_image {
	char *path;
	char *format;
};
struct oci_vm_io_memory {
	struct opt_u64 first_gfn; /* guest frame; absent: the same as first_mfn */
	uint64_t first_mfn;	  /* machine frame */
	uint64_t count;		  /* of frames */
};
struct oci_vm_hw_config {
	char *device_tree;
	struct opt_u32 vcpus;
	struct opt_u64 memory; /* bytes */
	char **dt_devs;
	struct oci_vm_io_memory *io_memory;
	size_t io_memory_count;
	uint32_t *irqs;
	size_t irqs_count;
};
struct oci_vm {
	struct oci_vm_program *hypervisor;
	struct oci_vm_kernel *kernel; /* NULL: ours, though the specification requires one */
	struct oci_vm_image *image;
	struct oci_vm_hw_config *hw_config;
};

struct oci_config {
	char *oci_version;
	struct oci_root root;
	struct oci_process *process;
	char *hostname;
	char *domainname;
	struct oci_mount *mounts;
	size_t mounts_count;
	struct oci_hooks hooks;
	struct string_map annotations;
	struct oci_linux linux_;
	struct oci_vm *vm;
	char **ignored_annotations; /* see oci/annotations.h; no field */
};

extern const struct fields oci_config_fields;
extern const struct fields oci_process_fields;
extern const struct fields oci_mounts_fields; /* of struct oci_config, nothing but its mounts */
extern const struct fields oci_resources_fields;

#define OCI_CONFIG_MAX_BYTES (8u << 20)
extern const struct json_limits oci_limits;

/* Parses and validates a config.json. @name stands in messages ("config.json"). On success
 * *ret wants oci_config_free(). Errors: `config.json:41: linux.namespaces[2].type: …`.
 * What Go's writers mean by absent becomes NULL: strings that are "" (a namespace's path, a
 * label, a hostname …). A mount's relative destination is warned of and made absolute. */
int oci_config_parse(const char *name, const char *buf, size_t len, struct oci_config **ret,
		     struct error *err);
/* The same of one that was parsed before, by us or by who started us: without its warnings. */
int oci_config_parse_known(const char *name, const char *buf, size_t len, struct oci_config **ret,
			   struct error *err);
/* The same of one that the host has validated, in the guest: all that is asked for is what the
 * engine takes for granted to be there. Errors have no line. */
int oci_config_read(const char *name, const char *buf, size_t len, struct oci_config **ret,
		    struct error *err);
void oci_config_free(struct oci_config *config);
DEFINE_CLEANUP(oci_config_free_p, struct oci_config *, oci_config_free)
#define cleanup_oci_config CLEANUP(oci_config_free_p)

/* A process document, as `exec --process FILE` takes it. */
int oci_process_parse(const char *name, const char *buf, size_t len, struct oci_process **ret,
		      struct error *err);
int oci_process_read(const char *name, const char *buf, size_t len, struct oci_process **ret,
		     struct error *err); /* see oci_config_read() */
void oci_process_free(struct oci_process *process);
DEFINE_CLEANUP(oci_process_free_p, struct oci_process *, oci_process_free)
#define cleanup_oci_process CLEANUP(oci_process_free_p)
/* A deep copy: what `exec` starts from. */
struct oci_process *oci_process_copy(const struct oci_process *process);
/* One process object as JSON text, for the agent; free(3) it. */
char *oci_process_text(const struct oci_process *process);
/* A whole config as JSON text; free(3) it. */
char *oci_config_text(const struct oci_config *config, bool pretty);

/* A document of mounts alone, an array like that of config.json, as `mounts add` takes it. *ret has
 * nothing else. */
int oci_mounts_parse(const char *name, const char *buf, size_t len, struct oci_config **ret,
		     struct error *err);

/* A linux.resources document, as `update --resources FILE` takes it. */
int oci_resources_parse(const char *name, const char *buf, size_t len, struct oci_resources **ret,
			struct error *err);
int oci_resources_read(const char *name, const char *buf, size_t len, struct oci_resources **ret,
		       struct error *err); /* see oci_config_read() */
void oci_resources_free(struct oci_resources *resources);
DEFINE_CLEANUP(oci_resources_free_p, struct oci_resources *, oci_resources_free)
#define cleanup_oci_resources CLEANUP(oci_resources_free_p)

/* Whether any rule of it is SCMP_ACT_NOTIFY. */
bool oci_seccomp_notifies(const struct oci_seccomp *seccomp);

/* The entry of @type in linux.namespaces, or NULL when the container shares the runtime's. */
const struct oci_namespace *oci_namespace_find(const struct oci_config *config,
					       enum oci_namespace_type type);
/* What @id of the container is on the host; false: it has no such id. */
bool oci_id_on_host(const struct oci_id_mapping *mappings, size_t count, uint32_t id,
		    uint32_t *ret);
const struct oci_namespace *oci_linux_find_namespace(const struct oci_linux *linux_,
						     enum oci_namespace_type type);

/* What `spec` writes: a config.json that runs sh in rootfs/ with the defaults of its peers. */
struct oci_template {
	bool is_rootless; /* for an ordinary user */
	bool is_machine;  /* for a virtual machine */
};
char *oci_spec_template(const struct oci_template *t);

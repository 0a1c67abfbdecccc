/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/config.h"

#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "oci/tables.h"
#include "oci/validate.h"

/*
 * config.json as a whole: the tables of its portable part (config.md), and its way in and out.
 */

const struct json_limits oci_limits = {
	.max_bytes = OCI_CONFIG_MAX_BYTES,
	.max_depth = JSON_MAX_DEPTH,
	.max_values = 200000,
};

static const char *const rlimit_words[] = {
	[OCI_RLIMIT_AS] = "RLIMIT_AS",
	[OCI_RLIMIT_CORE] = "RLIMIT_CORE",
	[OCI_RLIMIT_CPU] = "RLIMIT_CPU",
	[OCI_RLIMIT_DATA] = "RLIMIT_DATA",
	[OCI_RLIMIT_FSIZE] = "RLIMIT_FSIZE",
	[OCI_RLIMIT_LOCKS] = "RLIMIT_LOCKS",
	[OCI_RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK",
	[OCI_RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE",
	[OCI_RLIMIT_NICE] = "RLIMIT_NICE",
	[OCI_RLIMIT_NOFILE] = "RLIMIT_NOFILE",
	[OCI_RLIMIT_NPROC] = "RLIMIT_NPROC",
	[OCI_RLIMIT_RSS] = "RLIMIT_RSS",
	[OCI_RLIMIT_RTPRIO] = "RLIMIT_RTPRIO",
	[OCI_RLIMIT_RTTIME] = "RLIMIT_RTTIME",
	[OCI_RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING",
	[OCI_RLIMIT_STACK] = "RLIMIT_STACK",
};
const struct names oci_rlimit_names = NAMES(rlimit_words);

static const struct field box_table[] = {
	FIELD_ALWAYS(struct oci_box, "height", U32, height),
	FIELD_ALWAYS(struct oci_box, "width", U32, width),
};
static const struct fields box_fields = FIELDS(struct oci_box, box_table);

static const struct field user_table[] = {
	FIELD_ALWAYS(struct oci_user, "uid", U32, uid),
	FIELD_ALWAYS(struct oci_user, "gid", U32, gid),
	FIELD(struct oci_user, "umask", OPT_U32, umask),
	FIELD_U32S(struct oci_user, "additionalGids", additional_gids),
	FIELD(struct oci_user, "username", STRING, username),
};
static const struct fields user_fields = FIELDS(struct oci_user, user_table);

static const struct field capabilities_table[] = {
	FIELD(struct oci_capabilities, "bounding", STRINGS, bounding),
	FIELD(struct oci_capabilities, "effective", STRINGS, effective),
	FIELD(struct oci_capabilities, "inheritable", STRINGS, inheritable),
	FIELD(struct oci_capabilities, "permitted", STRINGS, permitted),
	FIELD(struct oci_capabilities, "ambient", STRINGS, ambient),
};
static const struct fields capabilities_fields =
	FIELDS(struct oci_capabilities, capabilities_table);

static void init_rlimit(void *obj)
{
	((struct oci_rlimit *)obj)->type = OCI_UNSET;
}

static const struct field rlimit_table[] = {
	FIELD_ENUM_REQUIRED(struct oci_rlimit, "type", type, &oci_rlimit_names),
	FIELD_ALWAYS(struct oci_rlimit, "soft", U64, soft),
	FIELD_ALWAYS(struct oci_rlimit, "hard", U64, hard),
};
static const struct fields rlimit_fields =
	FIELDS_INIT(struct oci_rlimit, rlimit_table, init_rlimit);

static const char *const scheduler_words[] = {
	[OCI_SCHED_OTHER] = "SCHED_OTHER",
	[OCI_SCHED_FIFO] = "SCHED_FIFO",
	[OCI_SCHED_RR] = "SCHED_RR",
	[OCI_SCHED_BATCH] = "SCHED_BATCH",
	[OCI_SCHED_ISO] = "SCHED_ISO",
	[OCI_SCHED_IDLE] = "SCHED_IDLE",
	[OCI_SCHED_DEADLINE] = "SCHED_DEADLINE",
};
const struct names oci_scheduler_names = NAMES(scheduler_words);

static const char *const scheduler_flag_words[] = {
	"SCHED_FLAG_RESET_ON_FORK",  "SCHED_FLAG_RECLAIM",     "SCHED_FLAG_DL_OVERRUN",
	"SCHED_FLAG_KEEP_POLICY",    "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
	"SCHED_FLAG_UTIL_CLAMP_MAX",
};
const struct names oci_scheduler_flag_names = NAMES(scheduler_flag_words);

static void init_scheduler(void *obj)
{
	((struct oci_scheduler *)obj)->policy = OCI_UNSET;
}

static const struct field scheduler_table[] = {
	FIELD_ENUM_REQUIRED(struct oci_scheduler, "policy", policy, &oci_scheduler_names),
	FIELD(struct oci_scheduler, "nice", OPT_I64, nice),
	FIELD(struct oci_scheduler, "priority", OPT_I64, priority),
	FIELD(struct oci_scheduler, "flags", STRINGS, flags),
	FIELD(struct oci_scheduler, "runtime", U64, runtime),
	FIELD(struct oci_scheduler, "deadline", U64, deadline),
	FIELD(struct oci_scheduler, "period", U64, period),
};
static const struct fields scheduler_fields =
	FIELDS_INIT(struct oci_scheduler, scheduler_table, init_scheduler);

static const char *const io_class_words[] = {
	[OCI_IO_RT] = "IOPRIO_CLASS_RT",
	[OCI_IO_BE] = "IOPRIO_CLASS_BE",
	[OCI_IO_IDLE] = "IOPRIO_CLASS_IDLE",
};
const struct names oci_io_class_names = NAMES(io_class_words);

static void init_io_priority(void *obj)
{
	((struct oci_io_priority *)obj)->class_ = OCI_UNSET;
}

static const struct field io_priority_table[] = {
	FIELD_ENUM_REQUIRED(struct oci_io_priority, "class", class_, &oci_io_class_names),
	FIELD_ALWAYS(struct oci_io_priority, "priority", I64, priority),
};
static const struct fields io_priority_fields =
	FIELDS_INIT(struct oci_io_priority, io_priority_table, init_io_priority);

static const struct field cpu_affinity_table[] = {
	FIELD(struct oci_cpu_affinity, "initial", STRING, initial),
	FIELD(struct oci_cpu_affinity, "final", STRING, final),
};
static const struct fields cpu_affinity_fields =
	FIELDS(struct oci_cpu_affinity, cpu_affinity_table);

static const struct field process_table[] = {
	FIELD(struct oci_process, "terminal", BOOL, terminal),
	FIELD_OBJECT(struct oci_process, "consoleSize", OPT_OBJECT, console_size, &box_fields),
	FIELD_OBJECT(struct oci_process, "user", OBJECT, user, &user_fields),
	FIELD_REQUIRED(struct oci_process, "args", STRINGS, args),
	FIELD(struct oci_process, "env", STRINGS, env),
	FIELD_REQUIRED(struct oci_process, "cwd", STRING, cwd),
	FIELD_OBJECT(struct oci_process, "capabilities", OPT_OBJECT, capabilities,
		     &capabilities_fields),
	FIELD_OBJECTS(struct oci_process, "rlimits", rlimits, &rlimit_fields),
	FIELD(struct oci_process, "noNewPrivileges", BOOL, no_new_privileges),
	FIELD(struct oci_process, "apparmorProfile", STRING, apparmor_profile),
	FIELD(struct oci_process, "selinuxLabel", STRING, selinux_label),
	FIELD(struct oci_process, "oomScoreAdj", OPT_I64, oom_score_adj),
	FIELD_OBJECT(struct oci_process, "scheduler", OPT_OBJECT, scheduler, &scheduler_fields),
	FIELD_OBJECT(struct oci_process, "ioPriority", OPT_OBJECT, io_priority,
		     &io_priority_fields),
	FIELD_OBJECT(struct oci_process, "execCPUAffinity", OPT_OBJECT, exec_cpu_affinity,
		     &cpu_affinity_fields),
};
const struct fields oci_process_fields = FIELDS(struct oci_process, process_table);

static const struct field root_table[] = {
	FIELD_REQUIRED(struct oci_root, "path", STRING, path),
	FIELD(struct oci_root, "readonly", BOOL, readonly),
};
static const struct fields root_fields = FIELDS(struct oci_root, root_table);

static const struct field id_mapping_table[] = {
	FIELD_ALWAYS(struct oci_id_mapping, "containerID", U32, container_id),
	FIELD_ALWAYS(struct oci_id_mapping, "hostID", U32, host_id),
	FIELD_ALWAYS(struct oci_id_mapping, "size", U32, size),
};
const struct fields oci_id_mapping_fields = FIELDS(struct oci_id_mapping, id_mapping_table);

static const struct field mount_table[] = {
	FIELD_REQUIRED(struct oci_mount, "destination", STRING, destination),
	FIELD(struct oci_mount, "type", STRING, type),
	FIELD(struct oci_mount, "source", STRING, source),
	FIELD(struct oci_mount, "options", STRINGS, options),
	FIELD_OBJECTS(struct oci_mount, "uidMappings", uid_mappings, &oci_id_mapping_fields),
	FIELD_OBJECTS(struct oci_mount, "gidMappings", gid_mappings, &oci_id_mapping_fields),
};
static const struct fields mount_fields = FIELDS(struct oci_mount, mount_table);

static const struct field hook_table[] = {
	FIELD_REQUIRED(struct oci_hook, "path", STRING, path),
	FIELD(struct oci_hook, "args", STRINGS, args),
	FIELD(struct oci_hook, "env", STRINGS, env),
	FIELD(struct oci_hook, "timeout", OPT_I64, timeout),
};
static const struct fields hook_fields = FIELDS(struct oci_hook, hook_table);

static const struct field hooks_table[] = {
	FIELD_OBJECTS(struct oci_hooks, "prestart", prestart, &hook_fields),
	FIELD_OBJECTS(struct oci_hooks, "createRuntime", create_runtime, &hook_fields),
	FIELD_OBJECTS(struct oci_hooks, "createContainer", create_container, &hook_fields),
	FIELD_OBJECTS(struct oci_hooks, "startContainer", start_container, &hook_fields),
	FIELD_OBJECTS(struct oci_hooks, "poststart", poststart, &hook_fields),
	FIELD_OBJECTS(struct oci_hooks, "poststop", poststop, &hook_fields),
};
const struct fields oci_hooks_fields = FIELDS(struct oci_hooks, hooks_table);

static const struct field config_table[] = {
	FIELD(struct oci_config, "ociVersion", STRING, oci_version),
	FIELD_OBJECT(struct oci_config, "process", OPT_OBJECT, process, &oci_process_fields),
	FIELD_OBJECT(struct oci_config, "root", OBJECT, root, &root_fields),
	FIELD(struct oci_config, "hostname", STRING, hostname),
	FIELD(struct oci_config, "domainname", STRING, domainname),
	FIELD_OBJECTS(struct oci_config, "mounts", mounts, &mount_fields),
	FIELD_OBJECT(struct oci_config, "hooks", OBJECT, hooks, &oci_hooks_fields),
	FIELD(struct oci_config, "annotations", MAP, annotations),
	FIELD_OBJECT(struct oci_config, "linux", OBJECT, linux_, &oci_linux_fields),
	FIELD_OBJECT(struct oci_config, "vm", OPT_OBJECT, vm, &oci_vm_fields),
};
const struct fields oci_config_fields = FIELDS(struct oci_config, config_table);

/* Go leaves out an empty string when it writes and cannot tell it from an absent one when it
 * reads, so that "" means absent to every writer of config.json. */
static void drop_empty(char **s)
{
	if (*s && !**s) {
		free(*s);
		*s = NULL;
	}
}

static void normalize_process(struct oci_process *process)
{
	drop_empty(&process->apparmor_profile);
	drop_empty(&process->selinux_label);
	if (process->exec_cpu_affinity) {
		drop_empty(&process->exec_cpu_affinity->initial);
		drop_empty(&process->exec_cpu_affinity->final);
	}
}

/* Docker's way to leave the swappiness alone is -1, which its int64 becomes in an uint64. */
static void normalize_resources(struct oci_resources *resources)
{
	if (resources->memory.swappiness.value == UINT64_MAX)
		resources->memory.swappiness = (struct opt_u64){ 0 };
	drop_empty(&resources->cpu.cpus);
	drop_empty(&resources->cpu.mems);
	for (size_t i = 0; i < resources->devices_count; i++) {
		drop_empty(&resources->devices[i].type);
		drop_empty(&resources->devices[i].access);
	}
}

static void normalize_linux(struct oci_linux *linux_)
{
	drop_empty(&linux_->cgroups_path);
	drop_empty(&linux_->rootfs_propagation);
	drop_empty(&linux_->mount_label);
	normalize_resources(&linux_->resources);
	for (size_t i = 0; i < linux_->namespaces_count; i++)
		drop_empty(&linux_->namespaces[i].path);
	for (size_t i = 0; i < linux_->net_devices_count; i++)
		drop_empty(&linux_->net_devices[i].name);
	if (linux_->seccomp) {
		drop_empty(&linux_->seccomp->listener_path);
		drop_empty(&linux_->seccomp->listener_metadata);
	}
	if (linux_->intel_rdt) {
		drop_empty(&linux_->intel_rdt->clos_id);
		drop_empty(&linux_->intel_rdt->l3_cache_schema);
		drop_empty(&linux_->intel_rdt->mem_bw_schema);
	}
	if (linux_->memory_policy)
		drop_empty(&linux_->memory_policy->nodes);
}

static void normalize_vm(struct oci_vm *vm)
{
	if (vm->kernel)
		drop_empty(&vm->kernel->initrd);
	if (vm->image)
		drop_empty(&vm->image->format);
	if (vm->hw_config)
		drop_empty(&vm->hw_config->device_tree);
}

/* Whether the specification is older than 1.3. It is not known yet to be a version at all. */
static bool is_before_1_3(const char *version)
{
	const char *minor = version ? str_after(version, "1.") : NULL;

	return minor && *minor >= '0' && *minor <= '2' && !(minor[1] >= '0' && minor[1] <= '9');
}

/* A limit of 0 became one with 1.3 (config-linux.md#configLinuxPIDS). It was none before, and
 * podman and Docker write it for "unlimited". */
static void normalize_pids(struct oci_config *config)
{
	struct opt_i64 *limit = &config->linux_.resources.pids.limit;

	if (limit->is_set && limit->value == 0 && is_before_1_3(config->oci_version))
		limit->value = -1;
}

static void normalize(struct oci_config *config)
{
	drop_empty(&config->hostname);
	drop_empty(&config->domainname);
	if (config->process)
		normalize_process(config->process);
	normalize_linux(&config->linux_);
	normalize_pids(config);
	if (config->vm)
		normalize_vm(config->vm);
}

/* A relative destination is taken from "/" (config.md#configMounts); validation warned of it. */
static void make_destinations_absolute(struct oci_config *config)
{
	for (size_t i = 0; i < config->mounts_count; i++) {
		struct oci_mount *m = &config->mounts[i];
		char *relative = m->destination;

		if (*relative == '/')
			continue;
		m->destination = xasprintf("/%s", relative);
		free(relative);
	}
}

static int refuse_missing(const char *name, const struct fields *fields, const void *obj,
			  struct error *err)
{
	cleanup_strbuf struct strbuf path = STRBUF_INIT;
	const char *lack = fields_find_missing(fields, obj, &path);

	return lack ? error_set(err, -EINVAL, "%s: %s: %s", name, path.buf, lack) : 0;
}

/* One of two: oci_validate_…(), or require_…() where somebody else did that. The rules are no part
 * of a program that does not ask for the former. */
typedef int (*check_config)(const struct oci_source *source, const struct oci_config *config,
			    struct error *err);

static int require_config(const struct oci_source *source, const struct oci_config *config,
			  struct error *err)
{
	return refuse_missing(source->name, &oci_config_fields, config, err);
}

static int load_config(const struct oci_source *source, check_config check, struct oci_config **ret,
		       struct error *err)
{
	cleanup_oci_config struct oci_config *config = xmalloc(sizeof(*config));
	int r;

	fields_init(&oci_config_fields, config);
	r = fields_parse(&oci_config_fields, source->name, source->buf, source->len, &oci_limits,
			 config, err);
	if (r < 0)
		return r;
	normalize(config);
	r = check(source, config, err);
	if (r < 0)
		return r;
	make_destinations_absolute(config);
	*ret = steal_ptr(&config);
	return 0;
}

int oci_config_read(const char *name, const char *buf, size_t len, struct oci_config **ret,
		    struct error *err)
{
	const struct oci_source source = { .name = name, .buf = buf, .len = len };

	return load_config(&source, require_config, ret, err);
}

int oci_config_parse(const char *name, const char *buf, size_t len, struct oci_config **ret,
		     struct error *err)
{
	const struct oci_source source = { .name = name, .buf = buf, .len = len };

	return load_config(&source, oci_validate_config, ret, err);
}

int oci_config_parse_known(const char *name, const char *buf, size_t len, struct oci_config **ret,
			   struct error *err)
{
	const struct oci_source source = { .name = name, .buf = buf, .len = len, .is_known = true };

	return load_config(&source, oci_validate_config, ret, err);
}

static const struct field mounts_table[] = {
	FIELD_OBJECTS(struct oci_config, "mounts", mounts, &mount_fields),
};
const struct fields oci_mounts_fields = FIELDS(struct oci_config, mounts_table);

/* With the array as a member, so that all readers of mounts read it; lines stay what they are. */
int oci_mounts_parse(const char *name, const char *buf, size_t len, struct oci_config **ret,
		     struct error *err)
{
	cleanup_oci_config struct oci_config *config = xmalloc(sizeof(*config));
	cleanup_free char *text = xasprintf("{\"mounts\":%.*s}", (int)len, buf);
	const struct oci_source source = { name, text, strlen(text) };
	int r;

	fields_init(&oci_config_fields, config);
	r = fields_parse(&oci_mounts_fields, name, text, source.len, &oci_limits, config, err);
	if (r == 0)
		r = oci_validate_mounts(&source, config, err);
	if (r < 0)
		return r;
	make_destinations_absolute(config);
	*ret = steal_ptr(&config);
	return 0;
}

void oci_config_free(struct oci_config *config)
{
	if (!config)
		return;
	strv_free(config->ignored_annotations);
	fields_release(&oci_config_fields, config);
	free(config);
}

typedef int (*check_process)(const struct oci_source *source, const struct oci_process *process,
			     struct error *err);

static int require_process(const struct oci_source *source, const struct oci_process *process,
			   struct error *err)
{
	return refuse_missing(source->name, &oci_process_fields, process, err);
}

static int load_process(const struct oci_source *source, check_process check,
			struct oci_process **ret, struct error *err)
{
	cleanup_oci_process struct oci_process *process = xmalloc(sizeof(*process));
	int r;

	fields_init(&oci_process_fields, process);
	r = fields_parse(&oci_process_fields, source->name, source->buf, source->len, &oci_limits,
			 process, err);
	if (r < 0)
		return r;
	normalize_process(process);
	r = check(source, process, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&process);
	return 0;
}

int oci_process_parse(const char *name, const char *buf, size_t len, struct oci_process **ret,
		      struct error *err)
{
	return load_process(&(struct oci_source){ name, buf, len }, oci_validate_process, ret, err);
}

int oci_process_read(const char *name, const char *buf, size_t len, struct oci_process **ret,
		     struct error *err)
{
	return load_process(&(struct oci_source){ name, buf, len }, require_process, ret, err);
}

void oci_process_free(struct oci_process *process)
{
	if (!process)
		return;
	fields_release(&oci_process_fields, process);
	free(process);
}

struct oci_process *oci_process_copy(const struct oci_process *process)
{
	struct oci_process *copy = xmalloc(sizeof(*copy));

	fields_copy(&oci_process_fields, copy, process);
	return copy;
}

typedef int (*check_resources)(const struct oci_source *source,
			       const struct oci_resources *resources, struct error *err);

static int require_resources(const struct oci_source *source, const struct oci_resources *resources,
			     struct error *err)
{
	return refuse_missing(source->name, &oci_resources_fields, resources, err);
}

static int load_resources(const struct oci_source *source, check_resources check,
			  struct oci_resources **ret, struct error *err)
{
	cleanup_oci_resources struct oci_resources *resources = xmalloc(sizeof(*resources));
	int r;

	fields_init(&oci_resources_fields, resources);
	r = fields_parse(&oci_resources_fields, source->name, source->buf, source->len, &oci_limits,
			 resources, err);
	if (r < 0)
		return r;
	normalize_resources(resources);
	r = check(source, resources, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&resources);
	return 0;
}

int oci_resources_parse(const char *name, const char *buf, size_t len, struct oci_resources **ret,
			struct error *err)
{
	return load_resources(&(struct oci_source){ name, buf, len }, oci_validate_resources, ret,
			      err);
}

int oci_resources_read(const char *name, const char *buf, size_t len, struct oci_resources **ret,
		       struct error *err)
{
	return load_resources(&(struct oci_source){ name, buf, len }, require_resources, ret, err);
}

void oci_resources_free(struct oci_resources *resources)
{
	if (!resources)
		return;
	fields_release(&oci_resources_fields, resources);
	free(resources);
}

static char *text_of(const struct fields *fields, const void *obj, bool pretty)
{
	struct json_writer *w = json_writer_new(pretty);

	fields_write(fields, w, obj);
	return json_finish(w);
}

char *oci_process_text(const struct oci_process *process)
{
	return text_of(&oci_process_fields, process, false);
}

char *oci_config_text(const struct oci_config *config, bool pretty)
{
	return text_of(&oci_config_fields, config, pretty);
}

const struct oci_namespace *oci_linux_find_namespace(const struct oci_linux *linux_,
						     enum oci_namespace_type type)
{
	for (size_t i = 0; i < linux_->namespaces_count; i++)
		if (linux_->namespaces[i].type == (int)type)
			return &linux_->namespaces[i];
	return NULL;
}

bool oci_id_on_host(const struct oci_id_mapping *mappings, size_t count, uint32_t id, uint32_t *ret)
{
	for (size_t i = 0; i < count; i++)
		if (id >= mappings[i].container_id &&
		    id - mappings[i].container_id < mappings[i].size) {
			*ret = mappings[i].host_id + (id - mappings[i].container_id);
			return true;
		}
	return false;
}

const struct oci_namespace *oci_namespace_find(const struct oci_config *config,
					       enum oci_namespace_type type)
{
	return oci_linux_find_namespace(&config->linux_, type);
}

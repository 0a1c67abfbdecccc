/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "cmd/moat/command.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/container/container.h"
#include "oci/config.h"

struct values {
	const char *file;
	/* Filled by options alone: what it borrows from the command line is not released. */
	struct oci_resources resources;
	struct oci_intel_rdt rdt;
	const char *kernel_memory;
	const char *kernel_memory_tcp;
};

/* clang-format off */
#define AT(member) offsetof(struct values, member)
#define AT_RESOURCE(member) AT(resources.member)
static const struct option_spec specs[] = {
	{ "resources", 'r', OPTION_TEXT, AT(file), NULL, "FILE", "take linux.resources from this file (-: standard input), and no other option" },
	{ "memory", 0, OPTION_SIZE, AT_RESOURCE(memory.limit), NULL, "SIZE", "limit of memory (64m, 1g; -1: none)" },
	{ "memory-reservation", 0, OPTION_SIZE, AT_RESOURCE(memory.reservation), NULL, "SIZE", "soft limit of memory" },
	{ "memory-swap", 0, OPTION_SIZE, AT_RESOURCE(memory.swap), NULL, "SIZE", "limit of memory and swap together (-1: none)" },
	{ "cpu-period", 0, OPTION_OPT_U64, AT_RESOURCE(cpu.period), NULL, "USEC", "length of a period of the processor quota" },
	{ "cpu-quota", 0, OPTION_OPT_I64, AT_RESOURCE(cpu.quota), NULL, "USEC", "processor time in each period (-1: no limit)" },
	{ "cpu-burst", 0, OPTION_OPT_U64, AT_RESOURCE(cpu.burst), NULL, "USEC", "unused time that may be saved up" },
	{ "cpu-share", 0, OPTION_OPT_U64, AT_RESOURCE(cpu.shares), NULL, "N", "weight among other containers (2 to 262144)" },
	{ "cpu-rt-period", 0, OPTION_OPT_U64, AT_RESOURCE(cpu.realtime_period), NULL, "USEC", "length of a realtime period" },
	{ "cpu-rt-runtime", 0, OPTION_OPT_I64, AT_RESOURCE(cpu.realtime_runtime), NULL, "USEC", "realtime in each period" },
	{ "cpu-idle", 0, OPTION_OPT_I64, AT_RESOURCE(cpu.idle), NULL, "0|1", "1: run when nobody else wants to (SCHED_IDLE)" },
	{ "cpuset-cpus", 0, OPTION_TEXT, AT_RESOURCE(cpu.cpus), NULL, "LIST", "processors to run on (0-3,7)" },
	{ "cpuset-mems", 0, OPTION_TEXT, AT_RESOURCE(cpu.mems), NULL, "LIST", "memory nodes to use" },
	{ "pids-limit", 0, OPTION_OPT_I64, AT_RESOURCE(pids.limit), NULL, "N", "how many processes there may be (-1: no limit)" },
	{ "blkio-weight", 0, OPTION_OPT_U32, AT_RESOURCE(block_io.weight), NULL, "N", "weight of input and output (10 to 1000)" },
	{ "l3-cache-schema", 0, OPTION_TEXT, AT(rdt.l3_cache_schema), NULL, "TEXT", "Intel RDT: L3 cache" },
	{ "mem-bw-schema", 0, OPTION_TEXT, AT(rdt.mem_bw_schema), NULL, "TEXT", "Intel RDT: memory bandwidth" },
	{ "kernel-memory", 0, OPTION_TEXT, AT(kernel_memory), NULL, "SIZE", "obsolete: without effect" },
	{ "kernel-memory-tcp", 0, OPTION_TEXT, AT(kernel_memory_tcp), NULL, "SIZE", "obsolete: without effect" },
};
#undef AT_RESOURCE
#undef AT
/* clang-format on */
static const struct option_table options = OPTION_TABLE(specs);

static int read_resources(const char *path, struct oci_resources **ret, struct error *err)
{
	bool is_stdin = streq(path, "-");
	const char *name = is_stdin ? "standard input" : path;
	cleanup_free char *text = NULL;
	size_t len;
	int r = is_stdin ? read_whole_fd(STDIN_FILENO, OCI_CONFIG_MAX_BYTES, &text, &len)
			 : read_file_at(AT_FDCWD, path, OCI_CONFIG_MAX_BYTES, &text, &len);

	if (r < 0)
		return error_sys(err, r, "read resources '%s'", name);
	return oci_resources_parse(name, text, len, ret, err);
}

static int update_from_file(const struct globals *globals, const char *file, const char *id,
			    struct error *err)
{
	cleanup_oci_resources struct oci_resources *resources = NULL;
	int r = read_resources(file, &resources, err);

	return r < 0 ? r : container_update(globals->root, id, resources, NULL, err);
}

static int run(const struct globals *globals, void *data, char **args, struct error *err)
{
	struct values *values = data;
	bool has_rdt = values->rdt.l3_cache_schema || values->rdt.mem_bw_schema;

	if (values->file && *values->file)
		return update_from_file(globals, values->file, args[0], err);
	if (values->kernel_memory || values->kernel_memory_tcp)
		log_warning("kernel memory has no limit of its own any more: ignored");
	if (values->resources.block_io.weight.value == 0)
		values->resources.block_io.weight.is_set = false;
	return container_update(globals->root, args[0], &values->resources,
				has_rdt ? &values->rdt : NULL, err);
}

const struct command update_command = {
	.name = "update",
	.summary = "change the limits of a container",
	.arguments = "ID",
	.min_args = 1,
	.max_args = 1,
	.options = &options,
	.values_size = sizeof(struct values),
	.run = run,
};

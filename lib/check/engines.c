/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/fields.h"
#include "lib/check/check-internal.h"
#include "lib/check/toml.h"

/* Whether an engine that is installed knows a runtime 'moat', and one that is there. */
struct engine {
	const char *programs[3];
	/* Files, and directories of files that end in .conf or .toml; a later one goes before. */
	const char *files[5];
	const char *table, *key;
	char *(*cure)(const struct check *c);
};

static const char *const program_dirs[] = { "/usr/bin", "/usr/local/bin", "/usr/sbin" };

static bool is_installed(const struct check *c, const char *const *programs)
{
	for (; *programs; programs++) {
		for (size_t i = 0; i < ARRAY_SIZE(program_dirs); i++) {
			cleanup_free char *path = xasprintf("%s/%s", program_dirs[i], *programs);

			if (check_host_can(c, path, X_OK))
				return true;
		}
	}
	return false;
}

static int is_drop_in(const struct dirent *entry)
{
	return str_ends_with(entry->d_name, ".conf") || str_ends_with(entry->d_name, ".toml");
}

static void take_value(const struct check *c, const char *path, const struct engine *engine,
		       char **value)
{
	cleanup_free char *text = check_host_read(c, path);
	char *found = text ? toml_find(text, engine->table, engine->key) : NULL;

	if (!found)
		return;
	free(*value);
	*value = found;
}

static void take_directory(const struct check *c, const char *dir, const struct engine *engine,
			   char **value)
{
	cleanup_free char *whole = check_host_path(c, dir);
	struct dirent **entries = NULL;
	int count = scandir(whole, &entries, is_drop_in, alphasort);

	for (int i = 0; i < count; i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, entries[i]->d_name);

		take_value(c, path, engine, value);
		free(entries[i]);
	}
	free(entries);
}

static char *find_configured(const struct check *c, const struct engine *engine)
{
	char *value = NULL;

	for (const char *const *file = engine->files; *file; file++) {
		take_value(c, *file, engine, &value); /* of a directory there is none */
		take_directory(c, *file, engine, &value);
	}
	return value;
}

static void judge(struct check *c, const char *configured, char *cure)
{
	if (!configured) {
		check_warn(c, cure, "does not know the runtime 'moat'");
		return;
	}
	if (!check_host_can(c, configured, X_OK)) {
		check_warn(c, cure, "its runtime 'moat' is '%s', which is no program", configured);
		return;
	}
	free(cure);
	check_ok(c, "its runtime 'moat' is %s", configured);
}

static void check_engine(struct check *c, const struct engine *engine)
{
	cleanup_free char *configured = NULL;

	if (!is_installed(c, engine->programs)) {
		check_ok(c, "not installed");
		return;
	}
	configured = find_configured(c, engine);
	judge(c, configured, engine->cure(c));
}

static char *cure_podman(const struct check *c)
{
	return xasprintf("write '[engine.runtimes]' and 'moat = [\"%s\"]' to "
			 "/etc/containers/containers.conf.d/50-moat.conf",
			 c->host->program);
}

static void check_podman(struct check *c)
{
	static const struct engine podman = {
		.programs = { "podman" },
		.files = { "/usr/share/containers/containers.conf",
			   "/etc/containers/containers.conf", "/etc/containers/containers.conf.d" },
		.table = "engine.runtimes",
		.key = "moat",
		.cure = cure_podman,
	};

	check_engine(c, &podman);
}

static char *cure_crio(const struct check *c)
{
	return xasprintf("write '[crio.runtime.runtimes.moat]' and 'runtime_path = \"%s\"' to "
			 "/etc/crio/crio.conf.d/50-moat-handlers.conf; systemctl reload crio",
			 c->host->program);
}

static const struct engine crio = {
	.programs = { "crio" },
	.files = { "/etc/crio/crio.conf", "/etc/crio/crio.conf.d" },
	.table = "crio.runtime.runtimes.moat",
	.key = "runtime_path",
	.cure = cure_crio,
};

static void check_crio(struct check *c)
{
	check_engine(c, &crio);
}

/* Its pods' machines are their infra containers'. */
static void check_infra(struct check *c)
{
	struct engine setting = crio;
	cleanup_free char *value = NULL;

	if (!is_installed(c, crio.programs))
		return;
	setting.table = "crio.runtime";
	setting.key = "drop_infra_ctr";
	value = find_configured(c, &setting);
	if (streq_null(value, "false"))
		check_ok(c, "drop_infra_ctr = false");
	else
		check_warn(c,
			   xstrdup("write '[crio.runtime]' and 'drop_infra_ctr = false' to "
				   "/etc/crio/crio.conf.d/50-moat-handlers.conf"),
			   "a pod's virtual machine ends with its first container");
}

static char *cure_containerd(const struct check *c)
{
	return xasprintf("add the tables of 50-moat.toml to /etc/containerd/config.toml, with "
			 "'BinaryName = \"%s\"' (docs/engines.md)",
			 c->host->program);
}

static void check_containerd(struct check *c)
{
	/* Its drop-ins count once config.toml imports them. */
	struct engine containerd = {
		.programs = { "containerd" },
		.files = { "/etc/containerd/config.toml" },
		.table = "containerd.runtimes.moat.options",
		.key = "BinaryName",
		.cure = cure_containerd,
	};
	cleanup_free char *text = check_host_read(c, "/etc/containerd/config.toml");
	cleanup_free char *imports = text ? toml_find(text, "", "imports") : NULL;

	if (imports && str_after(imports, "/etc/containerd/conf.d/"))
		containerd.files[1] = "/etc/containerd/conf.d";
	check_engine(c, &containerd);
}

struct docker_runtime {
	char *name;
	char *path;
};
struct docker_daemon {
	struct docker_runtime *runtimes;
	size_t runtimes_count;
};
/* clang-format off */
static const struct field runtime_fields[] = {
	FIELD(struct docker_runtime, "path", STRING, path),
};
static const struct fields runtime_object = FIELDS(struct docker_runtime, runtime_fields);
static const struct field daemon_fields[] = {
	FIELD_KEYED(struct docker_daemon, "runtimes", runtimes, &runtime_object, struct docker_runtime, name),
};
/* clang-format on */
static const struct fields daemon_object = FIELDS(struct docker_daemon, daemon_fields);

static char *docker_path(const struct check *c)
{
	static const struct json_limits limits = { .max_bytes = 1u << 20,
						   .max_depth = 16,
						   .max_values = 10000 };
	cleanup_free char *text = check_host_read(c, "/etc/docker/daemon.json");
	struct docker_daemon daemon = { NULL };
	char *path = NULL;

	if (text && fields_parse(&daemon_object, "daemon.json", text, strlen(text), &limits,
				 &daemon, NULL) == 0)
		for (size_t i = 0; i < daemon.runtimes_count; i++)
			if (streq(daemon.runtimes[i].name, "moat") && daemon.runtimes[i].path)
				path = xstrdup(daemon.runtimes[i].path);
	fields_release(&daemon_object, &daemon);
	return path;
}

static void check_docker(struct check *c)
{
	static const char *const programs[] = { "dockerd", NULL };
	cleanup_free char *configured = NULL;

	if (!is_installed(c, programs)) {
		check_ok(c, "not installed");
		return;
	}
	configured = docker_path(c);
	judge(c, configured,
	      xasprintf("merge {\"runtimes\": {\"moat\": {\"path\": \"%s\"}}} into "
			"/etc/docker/daemon.json; systemctl reload docker",
			c->host->program));
}

static const struct check_spec specs[] = {
	{ "podman", check_podman },	 { "CRI-O", check_crio },
	{ "CRI-O's pods", check_infra }, { "containerd", check_containerd },
	{ "Docker", check_docker },
};
const struct check_field check_engines = CHECK_FIELD("engines", specs);

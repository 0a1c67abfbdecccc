/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/validate.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/base/error.h"
#include "lib/base/id-set.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "oci/config.h"

/* What all rules use, the portable part (config.md), and the vm section (config-vm.md). */

struct checker *checker_at(struct checker *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(c->path, sizeof(c->path), fmt, ap) < 0)
		c->path[0] = '\0';
	va_end(ap);
	return c;
}

struct checker *checker_down(struct checker *c, const char *step)
{
	size_t len = strlen(c->path);

	if (snprintf(c->path + len, sizeof(c->path) - len, "%s", step) < 0)
		c->path[len] = '\0';
	return c;
}

static unsigned int line_of(const struct checker *c)
{
	return json_locate(c->source->buf, c->source->len, &oci_limits, c->path);
}

static void add_value(struct strbuf *sb, const char *value)
{
	cleanup_strbuf struct strbuf quoted = STRBUF_INIT;

	if (!value)
		return;
	json_quote(&quoted, value);
	strbuf_addf(sb, ": %.200s", quoted.buf);
}

int checker_refuse(struct checker *c, const char *reason, const char *value)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_addstr(&text, reason);
	add_value(&text, value);
	return error_set(c->err, -EINVAL, "%s:%u: %s: %s", c->source->name, line_of(c), c->path,
			 text.buf);
}

int checker_refuse_number(struct checker *c, const char *reason, long long value)
{
	return error_set(c->err, -EINVAL, "%s:%u: %s: %s: %lld", c->source->name, line_of(c),
			 c->path, reason, value);
}

void checker_warn(struct checker *c, const char *reason, const char *value)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	if (c->source->is_known)
		return;
	strbuf_addstr(&text, reason);
	add_value(&text, value);
	log_warning("%s:%u: %s: %s", c->source->name, line_of(c), c->path, text.buf);
}

static bool is_absolute(const char *path)
{
	return path && *path == '/';
}

int check_path(struct checker *c, const char *at, const char *path)
{
	if (!path || !*path)
		return checker_refuse(checker_at(c, "%s", at), "must not be empty", NULL);
	if (!is_absolute(path))
		return checker_refuse(checker_at(c, "%s", at), "must be an absolute path", path);
	return 0;
}

static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* The kernel takes neither an id twice nor one twice from outside (user_namespaces(7)). */
static int check_overlap(struct checker *c, const char *at, const struct oci_id_mapping *maps,
			 size_t index)
{
	const struct oci_id_mapping *m = &maps[index];

	for (size_t i = 0; i < index; i++) {
		checker_at(c, "%s[%zu].containerID", at, index);
		if (overlap(maps[i].container_id, maps[i].size, m->container_id, m->size))
			return checker_refuse_number(c, "overlaps an earlier range",
						     m->container_id);
		checker_at(c, "%s[%zu].hostID", at, index);
		if (overlap(maps[i].host_id, maps[i].size, m->host_id, m->size))
			return checker_refuse_number(c, "overlaps an earlier range", m->host_id);
	}
	return 0;
}

/* user_namespaces(7) */
#define MAPPINGS_MAX 340

int check_mappings(struct checker *c, const char *at, const struct oci_id_mapping *maps,
		   size_t count)
{
	if (count > MAPPINGS_MAX)
		return checker_refuse_number(checker_at(c, "%s", at),
					     "more ranges than the kernel takes", (long long)count);
	for (size_t i = 0; i < count; i++) {
		const struct oci_id_mapping *m = &maps[i];
		uint32_t end;
		int r;

		if (!m->size)
			return checker_refuse(checker_at(c, "%s[%zu].size", at, i),
					      "must not be zero", NULL);
		/* 4294967295 is no id, so that a range cannot end with it either. */
		if (__builtin_add_overflow(m->container_id, m->size, &end) ||
		    __builtin_add_overflow(m->host_id, m->size, &end))
			return checker_refuse_number(checker_at(c, "%s[%zu].size", at, i),
						     "range of ids ends too high", m->size);
		r = check_overlap(c, at, maps, i);
		if (r < 0)
			return r;
	}
	return 0;
}

int check_words(struct checker *c, const char *at, char *const *words, const struct names *names)
{
	size_t i = 0;

	strv_each(word, words) {
		if (names_find(names, word) < 0)
			return checker_refuse(checker_at(c, "%s[%zu]", at, i), "unknown value",
					      word);
		i++;
	}
	return 0;
}

int check_id_set(struct checker *c, const char *at, const char *list)
{
	cleanup_id_set struct id_set set = ID_SET_INIT;

	if (list && id_set_parse(list, &set) < 0)
		return checker_refuse(checker_at(c, "%s", at), "not a list like 0-3,7", list);
	return 0;
}

bool is_interface_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IFNAMSIZ && !is_dots(name) && !strpbrk(name, "/: \t\n\v\f\r");
}

static const char *skip_digits(const char *s)
{
	return s + strspn(s, "0123456789");
}

/* Like a semantic version: "1.0", "1.0.2", "1.2.0-rc.1", "1.1.0+dev". Which one it is, is not
 * looked at: other runtimes' refusal of versions that they did not know yet broke their users. */
static bool is_version(const char *s)
{
	static const char suffix[] =
		"0123456789.-+abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (int part = 0; part < 3; part++) {
		const char *end = skip_digits(s);

		if (end == s)
			return false;
		s = end;
		if (*s != '.')
			return part > 0 &&
			       (!*s || ((*s == '-' || *s == '+') && s[1] && !s[strspn(s, suffix)]));
		s++;
	}
	return false;
}

static int check_version(struct checker *c)
{
	const char *version = c->config->oci_version;

	if (!version || !*version)
		return checker_refuse(checker_at(c, "ociVersion"), "missing", NULL);
	if (!is_version(version))
		return checker_refuse(checker_at(c, "ociVersion"), "not a version", version);
	return 0;
}

/* Without mappings of its own an id-mapped mount has the user namespace's, if there is one. */
static int check_idmap(struct checker *c, size_t i, const struct oci_mount *m)
{
	bool is_idmap = strv_has(m->options, "idmap"), is_ridmap = strv_has(m->options, "ridmap");

	if (!is_idmap && !is_ridmap)
		return 0;
	checker_at(c, "mounts[%zu].options", i);
	if (is_idmap && is_ridmap)
		return checker_refuse(c, "idmap and ridmap exclude each other", NULL);
	if (!m->uid_mappings_count && !oci_namespace_find(c->config, OCI_NS_USER))
		return checker_refuse(
			c,
			"an id-mapped mount needs uidMappings and gidMappings, or a user namespace",
			NULL);
	return 0;
}

static int check_mount(struct checker *c, size_t i, const struct oci_mount *m)
{
	char at[64];
	int r;

	if (!is_absolute(m->destination))
		checker_warn(checker_at(c, "mounts[%zu].destination", i),
			     "relative path is taken from '/'", m->destination);
	if (!m->uid_mappings_count != !m->gid_mappings_count)
		return checker_refuse(checker_at(c, "mounts[%zu]", i),
				      "uidMappings and gidMappings must be given together", NULL);
	snprintf(at, sizeof(at), "mounts[%zu].uidMappings", i);
	r = check_mappings(c, at, m->uid_mappings, m->uid_mappings_count);
	if (r < 0)
		return r;
	snprintf(at, sizeof(at), "mounts[%zu].gidMappings", i);
	r = check_mappings(c, at, m->gid_mappings, m->gid_mappings_count);
	if (r < 0)
		return r;
	return check_idmap(c, i, m);
}

static int check_mounts(struct checker *c)
{
	for (size_t i = 0; i < c->config->mounts_count; i++) {
		int r = check_mount(c, i, &c->config->mounts[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* sethostname(2) and setdomainname(2) take at most 64 bytes. */
#define UTS_NAME_MAX 64

static int check_uts_name(struct checker *c, const char *key, const char *value,
			  const char *no_namespace)
{
	if (!value)
		return 0;
	if (!oci_namespace_find(c->config, OCI_NS_UTS))
		return checker_refuse(checker_at(c, "%s", key), no_namespace, NULL);
	if (strlen(value) > UTS_NAME_MAX)
		return checker_refuse(checker_at(c, "%s", key), "longer than 64 bytes", value);
	return 0;
}

static int check_hostname(struct checker *c)
{
	return check_uts_name(c, "hostname", c->config->hostname,
			      "unable to set hostname without a private UTS namespace");
}

static int check_domainname(struct checker *c)
{
	return check_uts_name(c, "domainname", c->config->domainname,
			      "unable to set domainname without a private UTS namespace");
}

int check_env(struct checker *c, const char *at, char *const *env)
{
	size_t i = 0;

	strv_each(entry, env) {
		if (*entry == '=')
			return checker_refuse(checker_at(c, "%s[%zu]", at, i),
					      "invalid environment variable: name cannot be empty",
					      entry);
		if (!strchr(entry, '='))
			return checker_refuse(checker_at(c, "%s[%zu]", at, i),
					      "invalid environment variable: missing '='", entry);
		i++;
	}
	return 0;
}

static int check_hook(struct checker *c, const char *at, const struct oci_hook *hook)
{
	char path[96];
	int r;

	snprintf(path, sizeof(path), "%s.path", at);
	r = check_path(c, path, hook->path);
	if (r < 0)
		return r;
	if (hook->timeout.is_set && hook->timeout.value <= 0)
		return checker_refuse_number(checker_at(c, "%s.timeout", at),
					     "must be greater than zero", hook->timeout.value);
	if (hook->timeout.value > INT_MAX / 1000)
		return checker_refuse_number(checker_at(c, "%s.timeout", at), "too long",
					     hook->timeout.value);
	snprintf(path, sizeof(path), "%s.env", at);
	return check_env(c, path, hook->env);
}

static int check_hooks(struct checker *c)
{
	const struct oci_hooks *h = &c->config->hooks;
	const struct {
		const char *name;
		const struct oci_hook *hooks;
		size_t count;
	} kinds[] = {
		{ "prestart", h->prestart, h->prestart_count },
		{ "createRuntime", h->create_runtime, h->create_runtime_count },
		{ "createContainer", h->create_container, h->create_container_count },
		{ "startContainer", h->start_container, h->start_container_count },
		{ "poststart", h->poststart, h->poststart_count },
		{ "poststop", h->poststop, h->poststop_count },
	};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (size_t i = 0; i < kinds[k].count; i++) {
			char at[64];
			int r;

			snprintf(at, sizeof(at), "hooks.%s[%zu]", kinds[k].name, i);
			r = check_hook(c, at, &kinds[k].hooks[i]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int check_annotations(struct checker *c)
{
	if (string_map_get(&c->config->annotations, ""))
		return checker_refuse(checker_at(c, "annotations"), "a key must not be empty",
				      NULL);
	return 0;
}

static int check_vm_hypervisor(struct checker *c)
{
	const struct oci_vm *vm = c->config->vm;

	return vm && vm->hypervisor ? check_path(c, "vm.hypervisor.path", vm->hypervisor->path) : 0;
}

static int check_vm_kernel(struct checker *c)
{
	const struct oci_vm_kernel *kernel = c->config->vm ? c->config->vm->kernel : NULL;
	int r;

	if (!kernel)
		return 0;
	r = check_path(c, "vm.kernel.path", kernel->path);
	if (r < 0)
		return r;
	return kernel->initrd ? check_path(c, "vm.kernel.initrd", kernel->initrd) : 0;
}

static int check_vm_image(struct checker *c)
{
	static const char *const formats[] = { "raw", "qcow2", "vdi", "vmdk", "vhd" };
	static const struct names names = NAMES(formats);
	const struct oci_vm_image *image = c->config->vm ? c->config->vm->image : NULL;
	int r;

	if (!image)
		return 0;
	r = check_path(c, "vm.image.path", image->path);
	if (r < 0)
		return r;
	if (image->format && names_find(&names, image->format) < 0)
		return checker_refuse(checker_at(c, "vm.image.format"), "unknown value",
				      image->format);
	return 0;
}

static int check_vm_hw_config(struct checker *c)
{
	const struct oci_vm_hw_config *hw = c->config->vm ? c->config->vm->hw_config : NULL;

	if (hw && hw->vcpus.is_set && !hw->vcpus.value)
		return checker_refuse(checker_at(c, "vm.hwConfig.vcpus"), "must not be zero", NULL);
	if (hw && hw->memory.is_set && !hw->memory.value)
		return checker_refuse(checker_at(c, "vm.hwConfig.memory"), "must not be zero",
				      NULL);
	return 0;
}

static const struct rule config_rules[] = {
	{ "config.md#configSpecificationVersion", check_version },
	{ "config.md#configMounts", check_mounts },
	{ "config.md#configHostname", check_hostname },
	{ "config.md#configDomainname", check_domainname },
	{ "config.md#configHooks", check_hooks },
	{ "config.md#configAnnotations", check_annotations },
	{ "config-vm.md#HypervisorObject", check_vm_hypervisor },
	{ "config-vm.md#KernelObject", check_vm_kernel },
	{ "config-vm.md#ImageObject", check_vm_image },
	{ "config-vm.md#HwConfigObject", check_vm_hw_config },
};

static int run_rules(struct checker *c, const struct rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		int r = rules->rules[i].check(c);

		if (r < 0) {
			log_debug("%s: refused by %s of the runtime specification", c->source->name,
				  rules->rules[i].clause);
			return r;
		}
	}
	return 0;
}

/* Before all rules, which take it for granted. */
static int check_required(struct checker *c, const struct fields *fields, const void *obj)
{
	cleanup_strbuf struct strbuf path = STRBUF_INIT;
	const char *lack = fields_find_missing(fields, obj, &path);

	return lack ? checker_refuse(checker_at(c, "%s", path.buf), lack, NULL) : 0;
}

int oci_validate_config(const struct oci_source *source, const struct oci_config *config,
			struct error *err)
{
	static const struct rules portable = RULES(config_rules);
	struct checker c = {
		.source = source,
		.config = config,
		.process = config->process,
		.process_prefix = "process.",
		.resources = &config->linux_.resources,
		.resources_prefix = "linux.resources.",
		.err = err,
	};
	const struct rules *const tables[] = {
		&portable,	    config->process ? &oci_process_rules : NULL,
		&oci_linux_rules,   &oci_resources_rules,
		&oci_seccomp_rules,
	};

	int r = check_required(&c, &oci_config_fields, config);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(tables); i++)
		if (tables[i])
			r = run_rules(&c, tables[i]);
	return r;
}

int oci_validate_mounts(const struct oci_source *source, const struct oci_config *config,
			struct error *err)
{
	struct checker c = { .source = source, .config = config, .err = err };

	int r = check_required(&c, &oci_mounts_fields, config);

	return r < 0 ? r : check_mounts(&c);
}

int oci_validate_process(const struct oci_source *source, const struct oci_process *process,
			 struct error *err)
{
	struct checker c = {
		.source = source,
		.process = process,
		.process_prefix = "",
		.err = err,
	};
	int r = check_required(&c, &oci_process_fields, process);

	return r < 0 ? r : run_rules(&c, &oci_process_rules);
}

int oci_validate_resources(const struct oci_source *source, const struct oci_resources *resources,
			   struct error *err)
{
	struct checker c = {
		.source = source,
		.resources = resources,
		.resources_prefix = "",
		.err = err,
	};
	int r = check_required(&c, &oci_resources_fields, resources);

	return r < 0 ? r : run_rules(&c, &oci_resources_rules);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image/kconfig.h"

#include <errno.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

#define SYMBOLS_MAX 100000

struct symbol {
	char *name;
	char value;
};

struct kconfig {
	struct symbol *symbols; /* sorted by name */
	size_t count;
};

/* --- reading ------------------------------------------------------------------------------- */

static int compare_symbols(const void *a, const void *b)
{
	return strcmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

/* "CONFIG_NAME=y" or "=m"; numbers, strings and "is not set" are of no interest here. */
static bool parse_line(const char *line, size_t len, struct symbol *ret)
{
	static const char prefix[] = "CONFIG_";
	size_t prefix_len = sizeof(prefix) - 1;

	if (len < prefix_len + 3 || memcmp(line, prefix, prefix_len) != 0 || line[len - 2] != '=' ||
	    (line[len - 1] != 'y' && line[len - 1] != 'm'))
		return false;
	ret->name = xstrndup(line + prefix_len, len - prefix_len - 2);
	ret->value = line[len - 1];
	return true;
}

int kconfig_parse(const char *name, const char *text, size_t len, struct kconfig **ret,
		  struct error *err)
{
	struct kconfig *config = xcalloc(1, sizeof(*config));
	const char *end = text + len;
	size_t cap = 0;

	for (const char *line = text, *next; line < end; line = next + 1) {
		struct symbol symbol;

		next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			next = end;
		if (config->count == SYMBOLS_MAX)
			break;
		if (!parse_line(line, (size_t)(next - line), &symbol))
			continue;
		if (config->count == cap) {
			cap = cap ? cap * 2 : 1024;
			config->symbols = xrealloc(config->symbols, cap, sizeof(symbol));
		}
		config->symbols[config->count++] = symbol;
	}
	if (config->count == 0) {
		kconfig_free(config);
		return error_set(err, -EINVAL, "kernel configuration '%s': sets nothing", name);
	}
	qsort(config->symbols, config->count, sizeof(struct symbol), compare_symbols);
	*ret = config;
	return 0;
}

void kconfig_free(struct kconfig *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->count; i++)
		free(config->symbols[i].name);
	free(config->symbols);
	free(config);
}

/* --- expressions --------------------------------------------------------------------------- */

static char symbol_value(const struct kconfig *config, char *name)
{
	struct symbol key = { .name = name };
	const struct symbol *found =
		bsearch(&key, config->symbols, config->count, sizeof(key), compare_symbols);

	return found ? found->value : 'n';
}

/* n < m < y */
static int rank(char value)
{
	return value == 'y' ? 2 : value == 'm' ? 1 : 0;
}

static char value_of_all(const struct kconfig *config, const char *product)
{
	cleanup_strv char **names = strv_split(product, '+');
	char worst = 'y';

	strv_each(name, names) {
		char value = symbol_value(config, name);

		if (rank(value) < rank(worst))
			worst = value;
	}
	return worst;
}

char kconfig_value(const struct kconfig *config, const char *expression)
{
	cleanup_strv char **products = strv_split(expression, '|');
	char best = 'n';

	strv_each(product, products) {
		char value = value_of_all(config, product);

		if (rank(value) > rank(best))
			best = value;
	}
	return best;
}

/* --- needs --------------------------------------------------------------------------------- */

/* clang-format off */
static const struct need {
	bool is_required;
	bool is_builtin; /* before modules can be loaded, or not a thing that modules give */
	const char *expression;
	const char *what;
} needs[] = {
	{ true, true, "BLK_DEV_INITRD", "the agent is in an initramfs" },
	{ true, true, "BINFMT_ELF", "programs" },
	{ true, true, "DEVTMPFS", "/dev" },
	{ true, true, "PROC_FS", "/proc" },
	{ true, true, "SYSFS", "/sys" },
	{ true, true, "TMPFS", "tmpfs mounts" },
	{ true, true, "MULTIUSER", "users other than root" },
	{ true, true, "UNIX98_PTYS", "terminals" },
	{ true, true, "FUTEX+EPOLL+SIGNALFD+TIMERFD+EVENTFD", "the agent's event loop" },
	{ true, true, "FHANDLE", "mounts by descriptor" },
	{ true, true, "NET+UNIX", "sockets" },
	{ true, true, "NAMESPACES+UTS_NS+IPC_NS+PID_NS+NET_NS", "namespaces" },
	{ true, true, "CGROUPS+MEMCG+CGROUP_PIDS", "limits on memory and processes" },
	{ true, true, "CGROUP_SCHED+FAIR_GROUP_SCHED+CFS_BANDWIDTH", "limits on CPU time" },
	{ true, true, "SECCOMP+SECCOMP_FILTER", "system call filters" },
	{ true, false, "VIRTIO_PCI|VIRTIO_MMIO", "devices" },
	{ true, false, "VIRTIO_CONSOLE|VIRTIO_VSOCKETS", "the channel to the agent" },
	{ true, false, "VIRTIO_FS|9P_FS+NET_9P_VIRTIO", "files from the host" },
	{ false, false, "SERIAL_8250_CONSOLE|SERIAL_AMBA_PL011_CONSOLE", "kernel messages, which tell why a guest died" },
	{ false, true, "INET", "networking" },
	{ false, true, "IPV6", "networking with IPv6" },
	{ false, true, "USER_NS", "user namespaces" },
	{ false, true, "CPUSETS", "linux.resources.cpu.cpus" },
	{ false, true, "BPF_SYSCALL+CGROUP_BPF", "device rules" },
	{ false, true, "CGROUP_FREEZER", "pause" },
	{ false, true, "POSIX_MQUEUE", "/dev/mqueue" },
	{ false, true, "SYSVIPC", "System V IPC" },
	{ false, false, "OVERLAY_FS", "overlay mounts" },
	{ false, false, "HW_RANDOM_VIRTIO", "randomness from the host" },
	{ false, true, "TMPFS_XATTR", "extended attributes on tmpfs" },
};

static const struct {
	const char *expression;
	bool is_builtin;
	size_t offset;
} features[] = {
	{ "9P_FS+NET_9P_VIRTIO", false, offsetof(struct guest_image, has_9p) },
	{ "VIRTIO_FS", false, offsetof(struct guest_image, has_virtiofs) },
	{ "VIRTIO_VSOCKETS", false, offsetof(struct guest_image, has_vsock) },
	/* Without ACPI the command line says where devices are, and a module would not see it. */
	{ "VIRTIO_MMIO+VIRTIO_MMIO_CMDLINE_DEVICES", true, offsetof(struct guest_image, has_mmio) },
	{ "PCI+VIRTIO_PCI", false, offsetof(struct guest_image, has_pci) },
	{ "ACPI", true, offsetof(struct guest_image, has_acpi) },
};
/* clang-format on */

static void add_unset(const struct kconfig *config, const char *product, bool is_builtin,
		      struct strbuf *sb)
{
	cleanup_strv char **names = strv_split(product, '+');

	strv_each(name, names) {
		char value = symbol_value(config, name);

		if (value == 'n' || (value == 'm' && is_builtin))
			strbuf_addf(sb, " CONFIG_%s=y", name);
	}
}

/* "set CONFIG_A=y CONFIG_B=y, or CONFIG_C=y", naming what is not set only. */
static void add_cure(const struct kconfig *config, const struct need *need, struct strbuf *sb)
{
	cleanup_strv char **products = strv_split(need->expression, '|');
	const char *start = "set";

	strv_each(product, products) {
		strbuf_addstr(sb, start);
		add_unset(config, product, need->is_builtin, sb);
		start = ", or";
	}
}

void kconfig_check(const struct kconfig *config, char ***ret_missing, char ***ret_advised)
{
	*ret_missing = *ret_advised = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		cleanup_strbuf struct strbuf line = STRBUF_INIT;
		const struct need *need = &needs[i];
		char value = kconfig_value(config, need->expression);

		if (value == 'y' || (value == 'm' && !need->is_builtin))
			continue;
		strbuf_addf(&line, "%s: ", need->what);
		add_cure(config, need, &line);
		strv_push(need->is_required ? ret_missing : ret_advised, strbuf_steal(&line));
	}
}

void kconfig_describe(const struct kconfig *config, bool can_load, struct guest_image *image)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		char value = kconfig_value(config, features[i].expression);
		bool *has = (bool *)(void *)((char *)image + features[i].offset);

		*has = value == 'y' || (value == 'm' && can_load && !features[i].is_builtin);
	}
}

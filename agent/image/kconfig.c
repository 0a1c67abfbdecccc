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
	const char *otherwise;
} needs[] = {
	{ true, true, "BLK_DEV_INITRD", "an initramfs", "the kernel does not find the agent" },
	{ true, true, "BINFMT_ELF", "programs", "the agent does not run" },
	{ true, true, "DEVTMPFS", "/dev", "the agent finds no devices" },
	{ true, true, "PROC_FS", "/proc", "the agent does not start" },
	{ true, true, "SYSFS", "/sys", "the agent does not start" },
	{ true, true, "TMPFS", "tmpfs mounts", "the agent does not start" },
	{ true, true, "MULTIUSER", "users other than root", "containers run as root only" },
	{ true, true, "UNIX98_PTYS", "terminals", "the agent does not start" },
	{ true, true, "FUTEX+EPOLL+SIGNALFD+TIMERFD+EVENTFD", "the agent's event loop", "the agent does not start" },
	{ true, true, "FHANDLE", "mounts by descriptor", "containers get no mounts" },
	{ true, true, "NET+UNIX", "sockets", "the agent cannot be reached" },
	{ true, true, "NAMESPACES+UTS_NS+IPC_NS+PID_NS+NET_NS", "namespaces", "no container can be made" },
	{ true, true, "CGROUPS+MEMCG+CGROUP_PIDS", "limits on memory and processes", "no container can be made" },
	{ true, true, "CGROUP_SCHED+FAIR_GROUP_SCHED+CFS_BANDWIDTH", "limits on CPU time", "containers with one are refused" },
	{ true, true, "SECCOMP+SECCOMP_FILTER", "system call filters", "containers with one are refused" },
	{ true, false, "VIRTIO_PCI|VIRTIO_MMIO", "devices", "the guest has none" },
	{ true, false, "VIRTIO_CONSOLE|VIRTIO_VSOCKETS", "the channel to the agent", "the agent cannot be reached" },
	{ true, false, "VIRTIO_FS|9P_FS+NET_9P_VIRTIO", "files from the host", "containers have no root file system" },
	{ false, false, "SERIAL_8250_CONSOLE|SERIAL_AMBA_PL011_CONSOLE", "kernel messages", "nothing tells why a guest died" },
	{ false, false, "VIRTIO_NET", "network devices", "containers have a loopback device only" },
	{ false, true, "INET", "networking", "containers have no network" },
	{ false, true, "IPV6", "networking with IPv6", "IPv6 addresses and routes are refused" },
	{ false, false, "VIRTIO_BLK|SCSI_VIRTIO+BLK_DEV_SD", "disks", "root file systems and volumes cannot be block devices" },
	{ false, false, "EXT4_FS", "ext4", "disks cannot hold it" },
	{ false, false, "EROFS_FS", "erofs", "disks cannot hold it" },
	{ false, true, "USER_NS", "user namespaces", "containers with one are refused" },
	{ false, true, "CPUSETS", "linux.resources.cpu.cpus", "it is refused" },
	{ false, true, "BPF_SYSCALL+CGROUP_BPF", "device rules", "containers may use every device they can make a node for" },
	{ false, true, "CGROUP_FREEZER", "pause", "pause fails" },
	{ false, true, "POSIX_MQUEUE", "/dev/mqueue", "the mount fails that most configurations have" },
	{ false, true, "SYSVIPC", "System V IPC", "databases and others fail that use it" },
	{ false, false, "OVERLAY_FS", "overlay mounts", "engines cannot run in a container, and read-only disks cannot be written over" },
	{ false, false, "HW_RANDOM_VIRTIO", "randomness from the host", "the first random numbers may take long" },
	{ false, true, "TMPFS_XATTR", "extended attributes on tmpfs", "copies into tmpfs lose them" },
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
	{ "ACPI+VIRTIO_MMIO", false, offsetof(struct guest_image, has_acpi_mmio) },
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

static void add_lack(struct kernel_lacks *lacks, const struct need *need, char *cure)
{
	lacks->list = xrealloc(lacks->list, lacks->count + 1, sizeof(*lacks->list));
	lacks->list[lacks->count++] = (struct kernel_lack){
		.is_required = need->is_required,
		.what = need->what,
		.otherwise = need->otherwise,
		.cure = cure,
	};
	lacks->required_count += need->is_required;
}

void kconfig_check(const struct kconfig *config, struct kernel_lacks *ret)
{
	*ret = (struct kernel_lacks){ NULL };
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		struct strbuf cure = STRBUF_INIT;
		const struct need *need = &needs[i];
		char value = kconfig_value(config, need->expression);

		if (value == 'y' || (value == 'm' && !need->is_builtin))
			continue;
		add_cure(config, need, &cure);
		add_lack(ret, need, strbuf_steal(&cure));
	}
}

void kernel_lacks_done(struct kernel_lacks *lacks)
{
	for (size_t i = 0; i < lacks->count; i++)
		free(lacks->list[i].cure);
	free(lacks->list);
	*lacks = (struct kernel_lacks){ NULL };
}

void kconfig_describe(const struct kconfig *config, bool can_load, struct guest_image *image)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		char value = kconfig_value(config, features[i].expression);
		bool *has = (bool *)(void *)((char *)image + features[i].offset);

		*has = value == 'y' || (value == 'm' && can_load && !features[i].is_builtin);
	}
}

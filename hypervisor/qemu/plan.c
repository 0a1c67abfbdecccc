/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/qemu/qemu-internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/base/error.h"
#include "lib/base/str.h"

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)

/* A request of the guest's file system driver at most; QEMU's default for vhost-user-fs. */
#define VIRTIOFS_QUEUE_SIZE 1024

/*
 * Machines, the leanest first: the first one that serves is taken. On microvm devices sit on
 * virtio-mmio and QEMU tells the kernel where (or ACPI does); there is no firmware to wait for and
 * no bus to scan. Without ACPI its guest has one CPU whatever -smp says. With ACPI it has no timer
 * to calibrate the TSC by, and hangs in software emulation unless it is told the rate; KVM tells
 * by itself.
 */
struct machine {
	const char *type;
	const char *bus;	  /* suffix of a virtio device's name */
	const char *kernel_words; /* in front of the kernel's command line */
	bool wants_tsc;		  /* and the rate of the TSC, in software emulation */
	bool (*serves)(const struct hv_config *config);
	unsigned int features; /* of those that depend on the machine */
};

#define RESIZE (HV_FEATURE_RESIZE_VCPUS | HV_FEATURE_RESIZE_MEMORY)

/* The one limit of every microvm: its kernel finds devices without PCI, and is an ELF with a PVH
 * entry. virtiofs hangs on virtio-mmio. */
static bool serves_mmio(const struct hv_config *config)
{
	return config->guest->is_elf && config->guest->has_mmio &&
	       config->share != HV_SHARE_VIRTIOFS;
}

/* Channel devices are s390's own bus, which every kernel of it has. */
static bool serves_ccw(const struct hv_config *config)
{
	return true;
}

static bool serves_one_cpu(const struct hv_config *config)
{
	return serves_mmio(config) && config->vcpus == 1;
}

static bool serves_acpi(const struct hv_config *config)
{
	return serves_mmio(config) && config->guest->has_acpi &&
	       (config->accel == HV_ACCEL_KVM || config->tsc_khz);
}

static bool serves_pci(const struct hv_config *config)
{
	return config->guest->has_pci;
}

/* clang-format off */
static const struct machine machines_x86_64[] = {
	{ "microvm,acpi=off", "device", "pci=off ", true, serves_one_cpu, 0 },
	{ "microvm,acpi=on", "device", "pci=off ", true, serves_acpi, 0 },
	{ "q35,usb=off,sata=off,smbus=off,smm=off,vmport=off", "pci", "", false,
	  serves_pci, RESIZE | HV_FEATURE_POWER_DOWN },
	{ NULL },
};
static const struct machine machines_aarch64[] = {
	{ "virt,gic-version=max,usb=off", "pci", "", false, serves_pci,
	  HV_FEATURE_RESIZE_MEMORY | HV_FEATURE_POWER_DOWN },
	{ NULL },
};
static const struct machine machines_riscv64[] = {
	{ "virt,usb=off", "pci", "", false, serves_pci, 0 },
	{ NULL },
};
/* Without mitigations that the host's firmware may not offer: QEMU would refuse to start. */
static const struct machine machines_ppc64le[] = {
	{ "pseries,usb=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-large-decr=off,"
	  "cap-ccf-assist=off", "pci", "", false, serves_pci, RESIZE | HV_FEATURE_POWER_DOWN },
	{ NULL },
};
static const struct machine machines_s390x[] = {
	{ "s390-ccw-virtio", "ccw", "", false, serves_ccw,
	  HV_FEATURE_RESIZE_VCPUS | HV_FEATURE_POWER_DOWN },
	{ NULL },
};

/* A CPU model with pointer authentication makes emulated arm64 guests four times slower. */
static const struct arch {
	const char *programs[3]; /* ends in NULL */
	const struct machine *machines;
	const char *cpu[HV_ACCEL_COUNT];
} archs[HV_ARCH_COUNT] = {
	[HV_ARCH_X86_64] = {
		.programs = { "qemu-system-x86_64", "qemu-kvm" },
		.machines = machines_x86_64,
		.cpu = { [HV_ACCEL_KVM] = "host", [HV_ACCEL_TCG] = "max" },
	},
	[HV_ARCH_AARCH64] = {
		.programs = { "qemu-system-aarch64", "qemu-kvm" },
		.machines = machines_aarch64,
		.cpu = { [HV_ACCEL_KVM] = "host", [HV_ACCEL_TCG] = "cortex-a57" },
	},
	[HV_ARCH_RISCV64] = {
		.programs = { "qemu-system-riscv64", "qemu-kvm" },
		.machines = machines_riscv64,
		.cpu = { [HV_ACCEL_KVM] = "host", [HV_ACCEL_TCG] = "rv64" },
	},
	[HV_ARCH_PPC64LE] = {
		.programs = { "qemu-system-ppc64", "qemu-kvm" },
		.machines = machines_ppc64le,
		.cpu = { [HV_ACCEL_KVM] = "host", [HV_ACCEL_TCG] = "power9" },
	},
	[HV_ARCH_S390X] = {
		.programs = { "qemu-system-s390x", "qemu-kvm" },
		.machines = machines_s390x,
		.cpu = { [HV_ACCEL_KVM] = "host", [HV_ACCEL_TCG] = "max" },
	},
};

/* QEMU's names of machine types begin so; a version may follow. */
static const struct {
	const char *prefix;
	const struct machine *machine;
} types[] = {
	{ "microvm-", &machines_x86_64[0] },
	{ "pc-q35-", &machines_x86_64[2] },
#if defined(__riscv)
	{ "virt-", &machines_riscv64[0] },
#else
	{ "virt-", &machines_aarch64[0] },
#endif
	{ "pseries-", &machines_ppc64le[0] },
	{ "s390-ccw-virtio-", &machines_s390x[0] },
};
/* clang-format on */

/* What depends on no machine, once QEMU runs it. */
#define EVERY_MACHINE                                                                              \
	(HV_FEATURE_DISKS | HV_FEATURE_PAUSE | HV_FEATURE_PLUG | HV_FEATURE_SAVE |                 \
	 HV_FEATURE_MEMORY_FILE | HV_FEATURE_METRICS | HV_FEATURE_NICS)

unsigned int qemu_machine_features(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_after(type, types[i].prefix))
			return EVERY_MACHINE | types[i].machine->features;
	return 0;
}

static const char *const accel_args[HV_ACCEL_COUNT] = {
	[HV_ACCEL_KVM] = "kvm",
	[HV_ACCEL_TCG] = "tcg,thread=multi,tb-size=" STRINGIFY(HV_TRANSLATION_MIB),
};

struct plan {
	const struct hv_config *config;
	enum hv_arch arch;
	const struct machine *machine;
	char **argv;
};

static void add(struct plan *p, const char *option, const char *value)
{
	strv_push(&p->argv, xstrdup(option));
	if (value)
		strv_push(&p->argv, xstrdup(value));
}

static void addf(struct plan *p, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void addf(struct plan *p, const char *option, const char *fmt, ...)
{
	char *value;
	va_list ap;

	strv_push(&p->argv, xstrdup(option));
	va_start(ap, fmt);
	if (vasprintf(&value, fmt, ap) < 0)
		abort();
	va_end(ap);
	strv_push(&p->argv, value);
}

/* QEMU separates an option's parts by commas; one inside a value is doubled. */
static char *escape(const char *value)
{
	cleanup_strbuf struct strbuf sb = STRBUF_INIT;

	for (const char *c = value; *c; c++)
		strbuf_addstr(&sb, *c == ',' ? ",," : (char[]){ *c, '\0' });
	return strbuf_steal(&sb);
}

/* --- choices ------------------------------------------------------------------------------- */

static unsigned int wanted_features(const struct hv_config *config)
{
	return (config->vcpus_max > config->vcpus ? HV_FEATURE_RESIZE_VCPUS : 0u) |
	       (config->memory_max_mib > config->memory_mib ? HV_FEATURE_RESIZE_MEMORY : 0u);
}

static const struct machine *find_machine(enum hv_arch arch, const struct hv_config *config)
{
	const unsigned int wanted = wanted_features(config);

	for (const struct machine *m = archs[arch].machines; m->type; m++)
		if ((m->features & wanted) == wanted && m->serves(config))
			return m;
	return NULL;
}

/* virtiofsd reads and writes the guest's memory itself, and only memory that has a file of its own
 * can be of huge pages. */
static bool has_shared_memory(const struct hv_config *c)
{
	return c->share == HV_SHARE_VIRTIOFS || c->has_hugepages || c->is_preallocated;
}

/* What cannot be meant or cannot work, before any machine is looked for. */
static int check_config(enum hv_arch arch, const struct hv_config *config, struct error *err)
{
	const struct guest_image *guest = config->guest;

	int r = hv_check_config(&hypervisor_qemu, config, err);

	if (r < 0)
		return r;
	if (config->share == HV_SHARE_VIRTIOFS &&
	    !(guest->has_virtiofs && (guest->has_pci || arch == HV_ARCH_S390X)))
		return error_set(err, -ENOTSUP, "guest kernel '%s': no virtiofs over PCI",
				 guest->release);
	if (config->memory && has_shared_memory(config))
		return error_set(err, -ENOTSUP,
				 "guest memory: a file is neither of huge pages nor virtiofsd's");
	return 0;
}

/* --- arguments, in this order -------------------------------------------------------------- */

static bool has_backend(const struct hv_config *c)
{
	return c->memory || has_shared_memory(c);
}

/* A backend does not take descriptors, and asks of a name only that it can be opened. */
static void add_backend(struct plan *p)
{
	const struct hv_config *c = p->config;

	if (c->memory)
		addf(p, "-object",
		     "memory-backend-file,id=ram,size=%uM,mem-path=/proc/self/fd/%d,share=%s",
		     c->memory_mib, c->memory->fd, c->memory->is_private ? "off" : "on");
	else
		addf(p, "-object", "memory-backend-memfd,id=ram,size=%uM,share=on%s%s",
		     c->memory_mib, c->has_hugepages ? ",hugetlb=on" : "",
		     c->is_preallocated ? ",prealloc=on" : "");
}

static void add_memory(struct plan *p)
{
	const struct hv_config *c = p->config;

	if (c->memory_max_mib > c->memory_mib)
		addf(p, "-m", "%uM,slots=%d,maxmem=%uM", c->memory_mib, HV_PIECES_MAX,
		     c->memory_max_mib);
	else
		addf(p, "-m", "%uM", c->memory_mib);
	if (has_backend(c))
		add_backend(p);
}

static void add_vcpus(struct plan *p)
{
	const struct hv_config *c = p->config;

	if (c->vcpus_max > c->vcpus)
		addf(p, "-smp", "%u,maxcpus=%u", c->vcpus, c->vcpus_max);
	else
		addf(p, "-smp", "%u", c->vcpus);
}

static void add_machine(struct plan *p)
{
	const struct hv_config *c = p->config;

	add(p, "-name", NULL);
	strv_push(&p->argv, escape(c->name));
	addf(p, "-M", "%s%s", p->machine->type, has_backend(c) ? ",memory-backend=ram" : "");
	add(p, "-accel", accel_args[c->accel]);
	add(p, "-cpu", archs[p->arch].cpu[c->accel]);
	add_memory(p);
	add_vcpus(p);
}

/* Nothing that was not asked for; and a process that cannot start others or gain rights. */
static void add_limits(struct plan *p)
{
	add(p, "-nodefaults", NULL);
	add(p, "-no-user-config", NULL);
	add(p, "-display", "none");
	add(p, "-no-reboot", NULL);
	add(p, "-sandbox",
	    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

/* Where it is loaded like any other program, one that runs already is not missed, and QEMU keeps no
 * copy of it. */
static void add_kernel(struct plan *p)
{
	const struct hv_config *c = p->config;
	cleanup_free char *line = hv_kernel_command_line(c);
	cleanup_strbuf struct strbuf words = STRBUF_INIT;

	strbuf_addstr(&words, p->machine->kernel_words);
	if (p->machine->wants_tsc && c->accel == HV_ACCEL_TCG && c->tsc_khz)
		strbuf_addf(&words, "tsc_early_khz=%u ", c->tsc_khz);
	strbuf_addstr(&words, line);
	add(p, "-kernel", c->guest->kernel);
	if (c->guest->initrd)
		add(p, "-initrd", c->guest->initrd);
	add(p, "-append", words.buf);
}

static void add_control(struct plan *p)
{
	addf(p, "-chardev", "socket,id=watch,fd=%d", p->config->watch_fd);
	add(p, "-mon", "chardev=watch,mode=control");
	if (p->config->control_fd >= 0) {
		addf(p, "-chardev", "socket,id=control,fd=%d,server=on,wait=off",
		     p->config->control_fd);
		add(p, "-mon", "chardev=control,mode=control");
	}
	addf(p, "-chardev", "socket,id=console,fd=%d", p->config->console_fd);
	add(p, "-serial", "chardev:console");
	addf(p, "-device", "virtio-rng-%s", p->machine->bus);
}

static void add_serial_channel(struct plan *p)
{
	addf(p, "-device", "virtio-serial-%s,id=serial,max_ports=2", p->machine->bus);
	addf(p, "-chardev", "socket,id=agent,fd=%d", p->config->channel_fd);
	add(p, "-device", "virtserialport,bus=serial.0,nr=1,chardev=agent,name=agent");
}

static void add_vsock_channel(struct plan *p)
{
	addf(p, "-device", "vhost-vsock-%s,guest-cid=%u,vhostfd=%d", p->machine->bus,
	     p->config->guest_cid, p->config->channel_fd);
}

static void add_no_share(struct plan *p)
{
	(void)p;
}

static void add_9p(struct plan *p)
{
	cleanup_free char *path = escape(p->config->share_path);
	cleanup_free char *tag = escape(p->config->share_tag);

	/* Files of several file systems are seen as one: their inode numbers must not meet. */
	addf(p, "-fsdev", "local,id=share,path=%s,security_model=passthrough,multidevs=remap",
	     path);
	addf(p, "-device", "virtio-9p-%s,fsdev=share,mount_tag=%s", p->machine->bus, tag);
}

static void add_virtiofs(struct plan *p)
{
	cleanup_free char *tag = escape(p->config->share_tag);

	addf(p, "-chardev", "socket,id=share,fd=%d", p->config->virtiofs_fd);
	addf(p, "-device", "vhost-user-fs-%s,chardev=share,tag=%s,queue-size=%d", p->machine->bus,
	     tag, VIRTIOFS_QUEUE_SIZE);
}

static void add_disk(struct plan *p, size_t i)
{
	const struct hv_disk *disk = &p->config->disks[i];
	const char *readonly = disk->is_readonly ? "on" : "off";

	addf(p, "-add-fd", "fd=%d,set=%zu", disk->fd, i + 1);
	addf(p, "-blockdev",
	     "driver=raw,node-name=%s,read-only=%s,file.driver=%s,file.filename=/dev/fdset/%zu",
	     disk->id, readonly, disk->is_device ? "host_device" : "file", i + 1);
	addf(p, "-device", "virtio-blk-%s,drive=%s,serial=%s", p->machine->bus, disk->id, disk->id);
}

/* A guest names its disks in the order in which it meets them. That is ours but on virtio-mmio,
 * where QEMU fills the slots from behind. */
static void add_disks(struct plan *p)
{
	const size_t count = p->config->disks_count;
	const bool is_backwards = streq(p->machine->bus, "device");

	for (size_t i = 0; i < count; i++)
		add_disk(p, is_backwards ? count - 1 - i : i);
	if (p->config->has_disk_slots)
		addf(p, "-device", "virtio-scsi-%s,id=" QEMU_SCSI_ID, p->machine->bus);
}

/* The guest tells which pages it has freed, in pieces of 2 or 4 MiB and some seconds later. To drop
 * them QEMU punches holes into the file that they are of, which others may use: a template. */
static void add_balloon(struct plan *p)
{
	if (p->config->gives_memory_back && !p->config->memory)
		addf(p, "-device", "virtio-balloon-%s,free-page-reporting=on", p->machine->bus);
}

/* On PCI QEMU would look for a program to boot from the network with. */
static void add_nic(struct plan *p, size_t i)
{
	const struct hv_nic *nic = &p->config->nics[i];
	const bool is_pci = streq(p->machine->bus, "pci");
	cleanup_free char *vhost =
		nic->vhost_fd < 0 ? xstrdup("") : xasprintf(",vhost=on,vhostfd=%d", nic->vhost_fd);

	addf(p, "-netdev", "tap,id=net%zu,fd=%d%s", i, nic->fd, vhost);
	addf(p, "-device", "virtio-net-%s,netdev=net%zu,mac=%02x:%02x:%02x:%02x:%02x:%02x%s",
	     p->machine->bus, i, nic->mac[0], nic->mac[1], nic->mac[2], nic->mac[3], nic->mac[4],
	     nic->mac[5], is_pci ? ",romfile=" : "");
}

static void add_nics(struct plan *p)
{
	for (size_t i = 0; i < p->config->nics_count; i++)
		add_nic(p, i);
}

static void (*const channels[HV_CHANNEL_COUNT])(struct plan *p) = {
	[HV_CHANNEL_SERIAL] = add_serial_channel,
	[HV_CHANNEL_VSOCK] = add_vsock_channel,
};

static void (*const shares[HV_SHARE_COUNT])(struct plan *p) = {
	[HV_SHARE_NONE] = add_no_share,
	[HV_SHARE_9P] = add_9p,
	[HV_SHARE_VIRTIOFS] = add_virtiofs,
};

static int refuse_machines(enum hv_arch arch, const struct hv_config *config, struct error *err)
{
	const char *release = config->guest->release;

	if (wanted_features(config))
		return error_set(err, -ENOTSUP,
				 "guest kernel '%s': serves no machine that can be resized",
				 release);
	if (arch != HV_ARCH_X86_64)
		return error_set(err, -ENOTSUP, "guest kernel '%s': has no PCI", release);
	return error_set(err, -ENOTSUP, "guest kernel '%s': has neither PCI nor what microvm needs",
			 release);
}

int qemu_plan(const struct hv_config *config, char ***ret_argv, struct error *err)
{
	const enum hv_arch arch = (enum hv_arch)config->guest->arch;
	struct plan p = { .config = config, .arch = arch };
	int r = check_config(arch, config, err);

	if (r < 0)
		return r;
	p.machine = find_machine(arch, config);
	if (!p.machine)
		return refuse_machines(arch, config, err);

	add(&p, config->program ? config->program : archs[arch].programs[0], NULL);
	add_machine(&p);
	add_limits(&p);
	if (config->is_restored)
		add(&p, "-incoming", "defer");
	if (!config->is_restored || arch != HV_ARCH_X86_64)
		add_kernel(&p);
	add_control(&p);
	channels[config->channel](&p);
	shares[config->share](&p);
	add_disks(&p);
	add_nics(&p);
	add_balloon(&p);
	strv_each(arg, config->program_args)
		add(&p, arg, NULL);
	*ret_argv = p.argv;
	return 0;
}

const char *const *qemu_program_names(enum hv_arch arch)
{
	return archs[arch].programs;
}

bool qemu_wants_tsc(const struct hv_config *config)
{
	return config->guest->arch == HV_ARCH_X86_64 && config->accel == HV_ACCEL_TCG &&
	       serves_mmio(config);
}

size_t qemu_planned_fds(const struct hv_config *config, int *ret)
{
	size_t n = 0;

	ret[n++] = config->watch_fd;
	ret[n++] = config->console_fd;
	ret[n++] = config->channel_fd;
	if (config->share == HV_SHARE_VIRTIOFS)
		ret[n++] = config->virtiofs_fd;
	if (config->control_fd >= 0)
		ret[n++] = config->control_fd;
	if (config->memory)
		ret[n++] = config->memory->fd;
	for (size_t i = 0; i < config->disks_count; i++)
		ret[n++] = config->disks[i].fd;
	for (size_t i = 0; i < config->nics_count; i++) {
		ret[n++] = config->nics[i].fd;
		if (config->nics[i].vhost_fd >= 0)
			ret[n++] = config->nics[i].vhost_fd;
	}
	return n;
}

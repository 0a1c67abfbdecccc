/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct loop;

/*
 * What a virtual machine is. This directory knows VMs only: no containers, no OCI. A driver plans
 * (pure: configuration to command line), launches, and acts on a running VM.
 */
enum hv_accel { HV_ACCEL_AUTO, HV_ACCEL_KVM, HV_ACCEL_TCG, HV_ACCEL_COUNT };
extern const struct names hv_accel_names;

/* A guest's processor; one of another kind than the host's is emulated. Words are uname -m's. */
enum hv_arch {
	HV_ARCH_X86_64,
	HV_ARCH_AARCH64,
	HV_ARCH_RISCV64,
	HV_ARCH_PPC64LE,
	HV_ARCH_S390X,
	HV_ARCH_COUNT,
};
extern const struct names hv_arch_names;
enum hv_arch hv_host_arch(void);
/* Whose program begins with @data; HV_ARCH_COUNT: none of these, or no 64-bit ELF file. */
#define HV_ELF_HEAD_BYTES 20
enum hv_arch hv_elf_arch(const void *data, size_t len);

/* How files reach the guest. 9p needs a guest kernel with it; virtiofs needs
 * PCI and a daemon, unless the VMM serves it by itself. */
enum hv_share { HV_SHARE_NONE, HV_SHARE_9P, HV_SHARE_VIRTIOFS, HV_SHARE_COUNT };
extern const struct names hv_share_names;

/* How connections reach the agent. SERIAL: one virtio-serial port carrying yamux streams. HYBRID:
 * vsock to the guest; on the host a socket that the VMM makes, where a connection's first line is
 * "CONNECT PORT" and the VMM's answer "OK NUMBER". */
enum hv_channel { HV_CHANNEL_SERIAL, HV_CHANNEL_VSOCK, HV_CHANNEL_HYBRID, HV_CHANNEL_COUNT };
extern const struct names hv_channel_names;

/* The guest: a kernel and its initramfs, and what that kernel can do. From DIR/guest.json, which
 * moat-image writes. */
struct guest_image {
	char *kernel;  /* absolute paths */
	char *initrd;  /* NULL: the kernel boots into a disk */
	char *release; /* uname -r */
	int arch;      /* enum hv_arch; a manifest that names none is of the host's */
	bool is_elf;   /* x86_64: uncompressed ELF with a PVH entry, else bzImage */
	bool has_9p, has_virtiofs, has_vsock, has_pci, has_acpi;
	bool has_mmio;	    /* virtio-mmio whose devices are on the command line */
	bool has_acpi_mmio; /* the same in ACPI's tables */
};
/* @dir: NULL is $MOAT_GUEST or else guest_image_default_dir(). -ENOENT: "no guest image in '…'". */
int guest_image_load(const char *dir, struct guest_image *ret, struct error *err);
/* One of @arch (HV_ARCH_COUNT: of any): @dir itself, or else the directory "@dir-ARCH" beside it. */
int guest_image_load_for(const char *dir, enum hv_arch arch, struct guest_image *ret,
			 struct error *err);
void guest_image_done(struct guest_image *image);
/* The text of a guest.json; .kernel and .initrd may be relative to its directory. free(3) it. */
char *guest_image_format(const struct guest_image *image);
/* Where the image is: "guest" in the build tree that the running program is of, or in the data
 * directory. free(3) it. */
char *guest_image_default_dir(void);
/* That build tree, known by its build.ninja, or NULL: an installed program. free(3) it. */
char *guest_build_tree(void);

/* A disk of the guest's: raw, with a file system or a partition table on it. The VMM gets it as a
 * descriptor, so that nothing of the host's has to be within its reach. */
struct hv_disk {
	const char
		*id; /* [A-Za-z0-9-]+, also its serial number in the guest, of which that sees 20 */
	int fd;	     /* opened for reading alone if @is_readonly, else for both */
	bool is_readonly;
	bool is_device; /* a block device, not a file */
};
#define HV_DISK_ID_MAX 20
#define HV_DISKS_MAX 8

/* A network interface of the guest's, whose other side is a tap of the host's. */
struct hv_nic {
	int fd;	      /* of the tap (/dev/net/tun), with IFF_VNET_HDR */
	int vhost_fd; /* /dev/vhost-net, which carries the packets by itself; -1: the VMM does */
	unsigned char mac[6];
};
#define HV_NICS_MAX 8

/* A file that is the guest's memory, of exactly that size. */
struct hv_memory {
	int fd;		 /* opened for both; inherited */
	bool is_private; /* what the guest writes stays the VMM's own, the file as it is */
};

/* Code that an emulating VMM has translated, which it keeps at most so much of. */
#define HV_TRANSLATION_MIB 256

struct hv_config {
	const char *name; /* sandbox id, for the process list */
	/* A directory of this VM's own, where a VMM with HV_FEATURE_PATHS stands: what lies there
	 * has the same path for every such machine, so also for one that goes on from what
	 * another saved. NULL: it has none. */
	const char *dir;
	const struct guest_image *guest;
	enum hv_accel accel; /* KVM or TCG by now */
	uint32_t memory_mib;
	uint32_t vcpus;
	/* How far the VM can grow by resize(); 0: it cannot. */
	uint32_t memory_max_mib;
	uint32_t vcpus_max;
	bool has_hugepages;		/* its memory is of the host's huge pages */
	bool is_preallocated;		/* and taken at once, not as it is touched */
	const struct hv_memory *memory; /* where else it is; NULL: the VMM's own */
	bool gives_memory_back;	   /* what the guest frees is the host's again; not with @memory */
	bool is_restored;	   /* it does not boot but waits for restore(), with all the rest
				    * as it was when it was saved; what its devices are joined
				    * with on the host may be another */
	int saved_fd;		   /* @is_restored, with HV_FEATURE_SAVE_FILES: the directory that
				    * save() was given; inherited */
	uint32_t tsc_khz;	   /* hv_host_tsc_khz(), for a TCG guest that has no timer to
				   * calibrate by; 0: launch() asks */
	const char *kernel_params; /* appended last; NULL: none */
	const char *program;	   /* path of the VMM; NULL: found on a fixed search path */
	char *const *program_args; /* appended last; NULL: none */
	bool is_jailed;		   /* the VMM sees of the host's files what it needs alone */

	enum hv_share share;
	const char *share_path; /* host directory */
	const char *share_tag;	/* mount tag */
	int virtiofs_fd;	/* VIRTIOFS: connected vhost-user socket for the VMM; inherited */
	const char *virtiofs_path; /* the same for HV_FEATURE_PATHS: where it listens */

	enum hv_channel channel;
	int channel_fd;		  /* SERIAL: our end stays with the caller, this one is inherited;
				   * VSOCK: /dev/vhost-vsock with the CID set */
	uint32_t guest_cid;	  /* VSOCK */
	const char *channel_path; /* HYBRID: where the socket is to be */

	/* Those it starts with: /dev/vda, /dev/vdb … in this order. */
	const struct hv_disk *disks;
	size_t disks_count;
	bool has_disk_slots; /* plug() can add more */

	const struct hv_nic *nics; /* in any order: a guest knows them by their address */
	size_t nics_count;

	/* Where others reach the VMM: a listening socket, whose path is what the functions that act
	 * on a running VM are given; inherited. -1: nobody can. */
	int control_fd;
	const char *control_path; /* NULL: launch() cannot ask it anything */

	/* The VMM's ends of socket pairs, inherited; both sides read and write. The console is a
	 * socket and not a file because the guest decides how much it writes: whoever holds the
	 * other end bounds it. A full socket slows the guest down and nobody else. */
	int watch_fd; /* for watch() */
	int console_fd;
};

/* A launched VM. */
struct hv_vm {
	pid_t pid; /* a child of ours, dies with us */
	int pidfd;
};

/* What a driver can do; and what a running VM can, which its machine decides. */
enum hv_feature {
	HV_FEATURE_9P = 1 << 0,
	HV_FEATURE_VIRTIOFS = 1 << 1,
	HV_FEATURE_CHANNEL_SERIAL = 1 << 2,
	HV_FEATURE_CHANNEL_VSOCK = 1 << 3,
	HV_FEATURE_TCG = 1 << 4,
	HV_FEATURE_DISKS = 1 << 5,
	HV_FEATURE_PAUSE = 1 << 6,
	HV_FEATURE_POWER_DOWN = 1 << 7, /* asks the guest to end; the rest need not ask it */
	HV_FEATURE_PLUG = 1 << 8,
	HV_FEATURE_RESIZE_VCPUS = 1 << 9,
	HV_FEATURE_RESIZE_MEMORY = 1 << 10,
	HV_FEATURE_SAVE = 1 << 11,
	HV_FEATURE_METRICS = 1 << 12,
	HV_FEATURE_NICS = 1 << 13,
	HV_FEATURE_CHANNEL_HYBRID = 1 << 14,
	HV_FEATURE_PATHS = 1 << 15,	   /* what it does not inherit has to have a path */
	HV_FEATURE_SERVES_FILES = 1 << 16, /* virtiofs by itself, without a daemon */
	HV_FEATURE_OTHER_DISKS = 1 << 17,  /* a restored machine's disks need not have the size that
					    * they had */
	HV_FEATURE_DEAR_SLOTS = 1 << 18,   /* slots cost a guest memory, used or not */
	HV_FEATURE_MEMORY_FILE = 1 << 19,  /* config->memory, and so HV_SAVED_DEVICES */
	HV_FEATURE_SAVE_FILES = 1 << 20,   /* a saved machine is several files in a directory, and
					    * launch() already loads them */
	HV_FEATURE_LOCKS = 1 << 22,	   /* it takes locks on disks, as QEMU does */
	HV_FEATURE_SAVE_HANGS_UP = 1
				   << 21, /* by saving it a guest loses its connections, so that it
					     * goes on elsewhere alone */
};

enum hv_state { HV_STATE_RUNNING, HV_STATE_PAUSED, HV_STATE_ENDED, HV_STATE_OTHER, HV_STATE_COUNT };
extern const struct names hv_state_names;

/* What of a VM is written or read. */
enum hv_saved { HV_SAVED_ALL, HV_SAVED_DEVICES };

/* How often resize() can add memory. */
#define HV_PIECES_MAX 16

struct hv_status {
	enum hv_state state;
	unsigned int features; /* of the running machine */
	uint32_t vcpus;
	uint64_t memory_bytes;
	/* Of that, what resize() added, piece by piece. */
	uint32_t pieces_mib[HV_PIECES_MAX];
	size_t pieces_count;
	char machine[64]; /* the driver's word for it */
};

/* By whose name it is: a disk's id, else what it is ("vsock") and, of several, which ("net0"). */
struct hv_device_metrics {
	char id[HV_DISK_ID_MAX + 1];
	uint64_t read_bytes, reads; /* towards the guest: requests, packets, as it counts them */
	uint64_t written_bytes, writes; /* from the guest */
	uint64_t dropped;		/* what had no place to go */
};
#define HV_DEVICES_MAX 24

/* Why vcpus leave the guest, as far as a VMM counts it. */
enum hv_exit {
	HV_EXIT_PORT,
	HV_EXIT_MMIO,
	HV_EXIT_UNANSWERED, /* those of both where nobody is */
	HV_EXIT_HALT,
	HV_EXIT_SIGNAL,
	HV_EXIT_OTHER,
	HV_EXIT_COUNT,
};
extern const struct names hv_exit_names;

struct hv_metrics {
	uint32_t vcpus;
	uint64_t memory_bytes;
	uint64_t exits[HV_EXIT_COUNT]; /* all zero: not counted */
	size_t devices_count;	       /* of those that the VMM counts for */
	struct hv_device_metrics devices[HV_DEVICES_MAX];
};

/* What its owner hears from a VMM. Neither may free the watch. */
struct hv_watch_handlers {
	/* Why the guest ends, as the VMM says before it ends itself: "the guest reset itself". */
	void (*on_reason)(void *ctx, const char *reason);
	/* Once: it is of a version that cannot do, broke the protocol, or closed the connection. */
	void (*on_end)(void *ctx, const struct error *err);
	void *ctx;
};
struct hv_watch;

struct hypervisor {
	const char *name;
	const char *socket; /* what its control socket is called, by which a running VM is known */
	unsigned int features;
	/* Its program for guests of @arch on this host, or on the one whose root directory is at
	 * @root (else ""). */
	int (*find_program)(enum hv_arch arch, const char *root, char **ret, struct error *err);
	/* The program (by name when config->program is NULL) and its arguments as a strv,
	 * descriptors by number. Pure. */
	int (*plan)(const struct hv_config *config, char ***ret_argv, struct error *err);
	/* Starts it: standard output and error on @log_fd, only planned descriptors (none of them
	 * below 3) inherited, a session of its own, dies with the calling thread. */
	int (*launch)(const struct hv_config *config, int log_fd, struct hv_vm *ret,
		      struct error *err);

	/* For its owner: @fd is the other end of config->watch_fd, and owned from here on. */
	int (*watch)(struct loop *loop, int fd, const struct hv_watch_handlers *handlers,
		     struct hv_watch **ret, struct error *err);
	void (*unwatch)(struct hv_watch *watch); /* NULL is accepted */
	/* Handles what the VMM has said by now, for use when the loop no longer runs. */
	void (*drain)(struct hv_watch *watch);
	/* Whether the VMM has said anything at all. */
	bool (*is_heard)(const struct hv_watch *watch);

	/* The rest acts on a running VM, from any process, by the path of its control socket. One
	 * that is not there, or does not answer within some seconds, is an error; what the VM
	 * cannot do is -ENOTSUP. */
	int (*query)(const char *control, struct hv_status *ret, struct error *err);
	int (*pause)(const char *control, struct error *err);
	/* Also gives up what save() may still be writing, whose caller has gone. */
	int (*resume)(const char *control, struct error *err);
	int (*power_down)(const char *control, struct error *err);
	int (*quit)(const char *control, struct error *err);
	/* The disk appears in the guest, whose serial number is its id, or what serial() tells. */
	int (*plug)(const char *control, const struct hv_disk *disk, struct error *err);
	int (*unplug)(const char *control, const char *id, struct error *err);
	/* NULL: the VMM takes our word for it. */
	int (*serial)(const struct hv_disk *disk, char ret[HV_DISK_ID_MAX + 1], struct error *err);
	/* Makes it as large as this at least; it never shrinks. 0: as it is. The guest has to bring
	 * online what came. */
	int (*resize)(const char *control, uint32_t vcpus, uint32_t memory_mib, struct error *err);
	/* Pauses it and writes its whole state to @fd, a file, or with HV_FEATURE_SAVE_FILES an
	 * empty directory; it stays paused. HV_SAVED_DEVICES: but for its memory, which
	 * config->memory has. */
	int (*save)(const char *control, enum hv_saved what, int fd, struct error *err);
	/* Makes one that was launched with config->is_restored, and then resized as the saved one
	 * was, piece by piece, go on from what save() wrote to @fd,
	 * with the same @what, from the position of @fd. One that cannot has ended, and said why on
	 * its standard error. */
	int (*restore)(const char *control, enum hv_saved what, int fd, struct error *err);
	int (*metrics)(const char *control, struct hv_metrics *ret, struct error *err);
};
extern const struct hypervisor hypervisor_builtin;
extern const struct hypervisor hypervisor_qemu;
extern const struct hypervisor hypervisor_cloud_hypervisor;
extern const struct hypervisor hypervisor_firecracker;
const struct hypervisor *hypervisor_find(const char *name); /* NULL: no such driver */
const struct hypervisor *hypervisor_at(size_t i); /* NULL: no more; the first is the usual one */

/* What somebody calls one: a driver's name, or the absolute path of a program, whose name begins as
 * one of its driver's does (else it is the usual driver's). NULL: the usual one. *ret_program is
 * borrowed from @wish; NULL: the driver is to look for one. */
int hypervisor_choose(const char *wish, const struct hypervisor **ret, const char **ret_program,
		      struct error *err);

/* What a machine is to be able to. */
struct hv_needs {
	const struct guest_image *guest;
	enum hv_accel accel;   /* AUTO: KVM where it can run the guest */
	int share;	       /* enum hv_share; HV_SHARE_COUNT: whichever can be */
	unsigned int features; /* of PLUG, RESIZE_VCPUS, RESIZE_MEMORY, MEMORY_FILE */
	const struct kvm_fitness *kvm;
	const char *root; /* of the host, as for find_program() */
};
/* What @wish is of whoever leaves the choice to hypervisor_select(). */
#define HYPERVISOR_AUTO "auto"
/* The best that can do all of it and is on this host. *ret_why, for free(3) and unless it is NULL:
 * why not those that are better, "" if there are none. -ENOTSUP: none can, and why, one by one. */
int hypervisor_select(const struct hv_needs *needs, const struct hypervisor **ret, char **ret_why,
		      struct error *err);
/* How files reach such a guest best; HV_SHARE_COUNT: the guest has none of what the driver has. */
enum hv_share hv_best_share(const struct hypervisor *driver, const struct guest_image *guest);

/* Which one runs the VM whose control socket is in @dir, and the path of that, for free(3).
 * -ENOENT: there is none. */
int hypervisor_running(const char *dir, const struct hypervisor **ret, char **ret_control,
		       struct error *err);

/* Tells it to end by SIGKILL, for a caller who has other things to do until hv_stop(). */
void hv_kill(const struct hv_vm *vm);
/* Ends it with SIGKILL and reaps it. Safe on a zeroed one. */
void hv_stop(struct hv_vm *vm);

/* The kernel's command line of config->guest, without what a driver's machine puts in front of it;
 * pure; free(3) it. */
char *hv_kernel_command_line(const struct hv_config *config);

/* What a guest of @accel sees of this host, and of its kernel: a state that was saved on another
 * one need not go on here. free(3) it. */
char *hv_host_text(enum hv_accel accel);

/* The rate of this host's time stamp counter, measured in about 10 ms; 0 where there is none. */
uint32_t hv_host_tsc_khz(void);
/* The same, cached for this boot in @cache_dir (NULL: not cached). */
uint32_t hv_cached_tsc_khz(const char *cache_dir);

/* Whether /dev/kvm can run a Linux guest: opens it and runs a tiny guest of our own that executes
 * what a kernel needs (popcnt, cmpxchg16b, int3 with a handler, a timed loop). Some nested ones
 * cannot. The verdict is cached for this boot in @cache_dir (NULL: not cached). */
struct kvm_fitness {
	bool is_fit;
	char reason[200]; /* why not: "no /dev/kvm", "popcnt: internal error", … */
};
void kvm_probe(const char *cache_dir, struct kvm_fitness *ret);

/* AUTO becomes KVM or TCG; KVM on a host without is an error. A KVM that exists but cannot is
 * logged once a boot. */
int hv_choose_accel(enum hv_accel wanted, const char *cache_dir, enum hv_accel *ret,
		    struct error *err);

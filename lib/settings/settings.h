/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/fields.h"

struct error;

/*
 * moat.json: what holds for every container unless its command line, the environment or, where that
 * is allowed, an annotation says otherwise. JSON with comments. /etc/moat/moat.json and then, in
 * alphabetical order, /etc/moat/moat.json.d/<name>.json; for users other than root the same below
 * $XDG_CONFIG_HOME/moat (or ~/.config/moat) after them. Later files replace what earlier ones say,
 * key by key. $MOAT_CONFIG, which --config sets, names one file to read instead of all of these.
 *
 * Trusted, as the command line is. A key that nobody knows is to be warned of with its place, since
 * it may be a misspelt one or a later version's.
 */
#define SETTINGS_VARIABLE "MOAT_CONFIG"
#define SETTINGS_SYSTEM_DIR "/etc/moat"

/* "auto" "kvm" "tcg", and "9p" "virtiofs" "none": words of the hypervisor's, which maps them by name. */
extern const struct names settings_accelerator_names;
extern const struct names settings_share_names;
/* "auto" and those of the hypervisor's architectures. */
extern const struct names settings_guest_arch_names;
/* Drivers: what vm.hypervisor can be beside a program's path. */
extern const struct names settings_hypervisor_names;
/* Whether machines start from templates, see lib/sandbox/template.h. AUTO: from those that exist;
 * ON: the first that finds none makes one. */
enum settings_template { TEMPLATE_AUTO, TEMPLATE_ON, TEMPLATE_OFF, TEMPLATE_COUNT };
extern const struct names settings_template_names;

/* Whether a guest says which memory it has freed. AUTO: with KVM, where the device for it is found
 * in no time. */
enum settings_page_reporting {
	PAGE_REPORTING_AUTO,
	PAGE_REPORTING_ON,
	PAGE_REPORTING_OFF,
	PAGE_REPORTING_COUNT,
};
extern const struct names settings_page_reporting_names;

#define SETTINGS_BOOT_TIMEOUT_MAX_S 86400

/* Where nobody says anything. */
#define SETTINGS_DEFAULT_MEMORY_MIB 256
#define SETTINGS_DEFAULT_VCPUS 1
#define SETTINGS_DEFAULT_BOOT_TIMEOUT_S 60

struct settings_vm {
	struct opt_u32 memory_mib;     /* of a VM whose container has no limit */
	struct opt_u32 vcpus;	       /* of one without a quota */
	struct opt_u32 memory_max_mib; /* how far one can grow; not said: it cannot */
	struct opt_u32 vcpus_max;
	struct opt_u32 boot_timeout_s; /* until its agent answers */
	char *image;		       /* directory of a guest image */
	char *kernel;		       /* another kernel for it */
	char *initrd;		       /* another initramfs for it */
	char **kernel_parameters;      /* after ours */
	char *hypervisor;	       /* driver or program */
	char **hypervisor_parameters;  /* after ours */
	struct opt_bool jail;	       /* whether VMMs are in one; not said: they are */
	int guest_arch;		       /* index into the names */
	int accelerator;	       /* index into the names, -1: not said */
	int share;
	int page_reporting;	 /* enum settings_page_reporting */
	int template_use;	 /* enum settings_template */
	char *template_dir;	 /* where templates are; NULL: the usual place */
	struct opt_u32 disk_mib; /* of a disk that is made of a root file system */
	char *disk_dir;		 /* where; not said: with the container's state */
};

struct settings {
	int isolation;		   /* enum isolation, -1: not said */
	int log_level;		   /* enum log_level, -1 */
	char **allow_annotations;  /* those that may override what is said here */
	char **ignore_annotations; /* those that change nothing; see oci/annotations.h */
	struct settings_vm vm;
	char **warnings; /* for the commands that make containers, since others stay silent */
	struct string_map origins; /* "vm.vcpus" to "FILE:LINE" */
};

/* Reads them all. What is missing, file or key, is as settings_init() leaves it. */
int settings_load(struct settings *ret, struct error *err);

/* One text into @settings, over what is there. Errors read "NAME:LINE: vm.vcpus: …". Pure. */
int settings_parse(const char *name, const char *buf, size_t len, struct settings *settings,
		   struct error *err);

void settings_init(struct settings *settings);
void settings_done(struct settings *settings);
#define cleanup_settings CLEANUP(settings_done)

/* Each key there is, in an order for people; *@f of @obj is its value (field_write()), and @origin
 * where it is said, or NULL. */
typedef void (*settings_visit)(void *ctx, const char *key, const struct field *f, const void *obj,
			       const char *origin);
void settings_each(const struct settings *settings, settings_visit visit, void *ctx);

/* What the environment's @variable says, else the word of @slot, else NULL. Borrowed. */
const char *settings_word(const char *variable, const struct names *words, int slot);
/* What is to run virtual machines: $MOAT_HYPERVISOR, or else moat.json's; NULL: neither says. */
const char *settings_hypervisor(const struct settings_vm *vm);

/* The files that settings_load() reads if they exist, as a strv; drop-ins as a pattern. */
char **settings_files(void);

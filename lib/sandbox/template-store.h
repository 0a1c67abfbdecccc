/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/hypervisor.h"

struct error;

/*
 * Templates on disk: virtual machines that were saved when their agent listened. Each is a
 * directory <store>/<name> with the guest's memory, the state of its devices and template.json,
 * which says what it is of. It is made beside its place and renamed, so there is a whole one or
 * none, whoever is killed when. Only one process makes a template at a time; a rest of one that
 * was killed is cleared away by whoever comes next.
 *
 * The store and what is in it belong to its user and nobody else may write to it, or it is not
 * used: whoever can change a template is the kernel of every guest made from it.
 */
struct template_info {
	char *name; /* of its directory: the shape's */

	/* The shape, of which there is one template. */
	uint32_t memory_mib, vcpus, nics, disks;
	bool has_disk_slots, has_low_ports;
	char *accelerator, *channel, *share;
	char *hypervisor, *kernel, *initrd; /* paths */
	char *kernel_parameters;

	/* What it was made of. With another one it is stale. */
	char *moat;	/* version */
	char *host;	/* hv_host_text() */
	char **files;	/* the paths above with size, change and number, one text each */
	char **command; /* the VMM's, without what differs from machine to machine */

	/* How its files are recognized. */
	char *created;
	char *memory_changed; /* texts, since not every reader of JSON has such numbers */
	char *state_sum;

	const char *problem; /* of template_list(): why it is not used; NULL: nothing known */
};
void template_info_done(struct template_info *info);
#define cleanup_template_info CLEANUP(template_info_done)

/* Fills in what follows from the rest: files, host, version and name. */
int template_info_complete(struct template_info *info, enum hv_accel accel, struct error *err);

/* As one JSON object; free(3) it. */
char *template_info_text(const struct template_info *info);

/* Where templates are when moat.json does not say. NULL: a user without a home. free(3) it. */
char *template_store_default(void);

/* One that is to be used. */
struct template
{
	char *name;
	struct hv_memory memory;
	int state_fd;
};
#define TEMPLATE_INIT ((struct template){ .memory = { .fd = -1 }, .state_fd = -1 })
void template_close(struct template *t);

/* The template of @wanted. -ENOENT: there is none; -ESTALE: one that was made of something else;
 * other errors: what is there is damaged. */
int template_open(const char *store, const struct template_info *wanted, struct template *ret,
		  struct error *err);

/* One that is being made. */
struct template_draft {
	char *store, *name;
	char *dir; /* its place until then, for what is needed meanwhile */
	int store_fd, dir_fd;
	struct hv_memory memory; /* to be the machine's */
	int state_fd;		 /* empty */
};
#define TEMPLATE_DRAFT_INIT                                                                        \
	((struct template_draft){                                                                  \
		.store_fd = -1, .dir_fd = -1, .memory = { .fd = -1 }, .state_fd = -1 })
/* Waits for who makes the same one. Unless it @replaces, 1 when there is a good one (by then):
 * there is nothing to do. */
int template_begin(const char *store, const struct template_info *info, bool replaces,
		   struct template_draft *ret, struct error *err);
/* Memory and state are written. @info as before. */
int template_commit(struct template_draft *draft, const struct template_info *info,
		    struct error *err);
void template_abandon(struct template_draft *draft); /* after a commit, too: closes it */

/* All of them by name; none where there is no store. */
int template_list(const char *store, struct template_info **ret, size_t *ret_count,
		  struct error *err);
void template_list_free(struct template_info *infos, size_t count);

/* -ENOENT: there is none of that name. Machines that run are not concerned. */
int template_remove(const char *store, const char *name, struct error *err);

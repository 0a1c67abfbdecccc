/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"

struct error;

/*
 * What is known on disk about a container: <root>/<id>/ with
 *
 *	state.json   this record, written by rename
 *	config.json  the bundle's, as it was at create
 *	exec.fifo    native: the init waits here while it is created
 *	start.sock   vm: the shim waits here while the container is created
 *	log/         what was said about it: journal.h
 *	vm/          vm: sockets (only the sandbox's first container)
 *
 * Whoever changes the container holds a flock(2) on the directory itself, so that a lock cannot
 * outlive what it protects. It is given up by state_dir_close(), also for descriptors that a
 * child inherited.
 *
 * @root of the functions below may be relative; "/" is refused: "Option --root argument should
 * not be set to /" (callers match that).
 *
 * The record says what was intended; the kernel says what is true. A process is identified by its
 * pid and start time (field 22 of /proc/PID/stat), so a reused pid is never taken for ours. Only
 * fields that cannot be derived are stored.
 */
enum isolation { ISOLATION_VM, ISOLATION_NATIVE, ISOLATION_COUNT };
extern const struct names isolation_names; /* "vm" "native" */

enum record_phase {
	RECORD_CREATING, /* whoever holds the lock is making it; without one, it died doing so */
	RECORD_CREATED,
	RECORD_PHASE_COUNT,
};

#define RECORD_VERSION 1

struct record {
	uint32_t version;
	char *id;
	int isolation; /* enum isolation */
	int phase;     /* enum record_phase */
	char *bundle;  /* absolute */
	char *rootfs;  /* absolute */
	/* Native, without a mount namespace: the mount that rootfs was in (statx(2)), else 0. */
	uint64_t rootfs_mount;
	char *created;	    /* RFC 3339 with nanoseconds, UTC */
	char *cgroup;	    /* path in each hierarchy */
	char *unit;	    /* systemd's scope whose cgroup that is, or NULL */
	char *intel_rdt;    /* what is to be removed of resctrl, beneath its root */
	uint32_t owner;	    /* uid */
	uint32_t pid;	    /* native: init; vm: the shim; 0: not there yet */
	uint64_t pid_start; /* clock ticks since boot */
	bool has_terminal;
	bool has_no_keyring; /* native: its processes stay in their caller's session keyring */
	char **ignored_annotations; /* as moat.json had it at create */
	char *sandbox;		    /* vm: id of the container whose shim owns the VM */
	char *disk;	     /* vm: what a member's root is called in the VM, if it is a disk */
	bool is_paused;	     /* vm: pause was asked for */
	char *agent_address; /* vm: "hvsock:///…/vm/agent.sock" or "vsock://CID"; see client.h */
};

void record_done(struct record *record); /* frees what it owns, zeroes it */
#define cleanup_record CLEANUP(record_done)

#define RECORD_MAX_BYTES (1u << 20)
/* The text of a record, as record_read() finds it. Errors read "state.json:LINE: …"; one of a
 * newer moat: "state.json: version 2 is newer than this moat knows (1)". On error @ret is empty. */
int record_parse(const char *buf, size_t len, struct record *ret, struct error *err);
char *record_text(const struct record *record); /* free(3) it */

/* A container's directory, opened. */
struct state_dir;

/* Whether the caller's containers are a user's own: without root, or as the root of a user
 * namespace ($USER says who it really is, as runc has it). */
bool state_is_rootless(void);

/* The default root: /run/moat, or rootless $XDG_RUNTIME_DIR/moat, where that is not set below
 * /run/user/UID. free(3) it. */
int state_default_root(char **ret, struct error *err);

/* Below a root: what commands remember for each other, which anybody may remove. No container's id
 * has an '@'. free(3) it. */
char *state_cache_dir(const char *root);

/* 1–1024 of [A-Za-z0-9_+.-], not "." or "..": else "invalid container ID format: 'x'". */
int state_check_id(const char *id, struct error *err);

/* Makes <root>/<id>, locked, without a record: "container with given ID already exists" (-EEXIST)
 * when there is one, also one without a record, as a killed create leaves it. Makes the root too,
 * mode 0700. */
int state_dir_create(const char *root, const char *id, struct state_dir **ret, struct error *err);
/* Opens an existing one, not locked: "container 'x' does not exist" (-ENOENT). It may lack a
 * record: record_read() says the same then, and state_dir_remove() removes it all the same. */
int state_dir_open(const char *root, const char *id, struct state_dir **ret, struct error *err);
void state_dir_close(struct state_dir *dir); /* and unlocks */
DEFINE_CLEANUP(state_dir_close_p, struct state_dir *, state_dir_close)
#define cleanup_state_dir CLEANUP(state_dir_close_p)

/* Exclusive; waits at most @timeout_ms: "container 'x' is busy: another command holds its lock"
 * (-EBUSY). -ENOENT when it was removed meanwhile, even if a new one has the same id. */
int state_dir_lock(struct state_dir *dir, int timeout_ms, struct error *err);
/* Whether somebody (else) holds the lock at this moment. */
bool state_dir_is_locked(const struct state_dir *dir);
int state_dir_fd(const struct state_dir *dir);		 /* O_DIRECTORY, borrowed */
const char *state_dir_path(const struct state_dir *dir); /* absolute, borrowed */

int record_read(const struct state_dir *dir, struct record *ret, struct error *err);
int record_write(const struct state_dir *dir, const struct record *record, struct error *err);

/* Removes the directory and everything in it, the record first; @dir, which should be locked, stays
 * to be closed. */
int state_dir_remove(struct state_dir *dir, struct error *err);

/* Ids under @root in alphabetical order, as a strv; a missing root has none. */
int state_list(const char *root, char ***ret, struct error *err);

/* Start time of a process, or 0 when it is gone or a zombie. */
uint64_t process_start_time(pid_t pid);
/* A pidfd of the record's process, -ESRCH when it has ended (or its pid is another's now). */
int record_pidfd(const struct record *record);

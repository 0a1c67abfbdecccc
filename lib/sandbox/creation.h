/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/proto/method.h"
#include "lib/base/error.h"
#include "lib/sandbox/copies.h"
#include "lib/sandbox/files.h"
#include "lib/sandbox/member.h"
#include "lib/sandbox/moat-link.h"
#include "lib/sandbox/network.h"
#include "lib/sandbox/oom-notice.h"
#include "lib/sandbox/pending.h"
#include "lib/sandbox/process.h"
#include "lib/sandbox/renewal.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/shape.h"
#include "lib/sandbox/vm.h"
#include "lib/settings/settings.h"
#include "lib/state/record.h"

/* What a shim that makes a container has, and its steps that other files have. */

struct creation {
	const struct shim_options *options;
	struct error *err; /* of the step that failed, so that undoing may explain it */
	struct loop *loop;
	struct moat_link moat;
	bool is_running; /* the container is all that counts now */

	struct state_dir *dir;
	struct record record;
	struct settings settings;
	struct oci_config *config;
	struct sandbox_plan *plan;
	char *vm_dir, *shared_dir; /* of the sandbox; NULL: it shares no files */
	int vm_fd;
	struct copies copies;
	struct shape shape; /* of a saved VM that goes on */
	int saved_fd;	    /* its state */
	struct files files;
	struct files_trees trees;
	struct vm vm; /* the owner's, like the network */
	struct sandbox_network network;
	struct member member;
	int gate_fd, companions_fd;
	char *address; /* of the agent, as it is reached from the current directory */
	struct agent_client *client;
	struct pending check, sandbox;
	struct renewal renewal;
	int64_t ready_ns; /* when the agent was connected to (timing.h) */
	struct guest_process process;
	struct start_gate *gate;
	struct companions *companions;
	struct oom_notice oom;
	struct ports *ports;
};

bool creation_is_member(const struct creation *c);
/* From what others may go on from, too: a template, or a saved machine. */
bool creation_goes_on(const struct creation *c);
/* A call whose answer says nothing but that it was done. */
int creation_call(struct creation *c, enum agent_method method, const void *request, int timeout_ms,
		  struct error *err);

/* shim-agent.c: the guest's agent, reached and found to answer. */
const char *creation_agent_address(const struct creation *c);
int creation_meet_agent(void *ctx, struct error *err);
int creation_await_agent(void *ctx, struct error *err);
void creation_leave_agent(void *ctx);

/* shim-plan.c */
int creation_plan_sandbox(void *ctx, struct error *err);
int creation_plan_member(void *ctx, struct error *err);
int creation_plan(struct creation *c, enum sandbox_role role, enum sandbox_files files,
		  struct error *err);

/* shim-files.c: the host's files, as the guest gets them. */
int creation_clone_files(void *ctx, struct error *err);
int creation_copy_files(void *ctx, struct error *err);
int creation_make_disk(void *ctx, struct error *err);
int creation_share_files(void *ctx, struct error *err);
int creation_lend_files(void *ctx, struct error *err);
int creation_plug_disk(void *ctx, struct error *err);
void creation_take_files_back(void *ctx);
int creation_send_copies(void *ctx, struct error *err);

/* shim-restore.c: the container goes on in a saved VM. */
int creation_plan_restored(void *ctx, struct error *err);
int creation_unpack_disk(void *ctx, struct error *err);
int creation_open_state(void *ctx, struct error *err);
int creation_make_old_network(void *ctx, struct error *err);
int creation_load_vm(void *ctx, struct error *err);
int creation_attach(void *ctx, struct error *err);
int creation_thaw(void *ctx, struct error *err);

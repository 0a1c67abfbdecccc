/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/proto/method.h"
#include "agent/server/server.h"
#include "lib/base/cleanup.h"
#include "lib/base/error.h"
#include "lib/base/fifo.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-thrash.h"
#include "oci/config.h"

struct agent_server;
struct cgroup;
struct container;
struct creation;
struct execution;
struct loop_source;
struct oci_config;
struct process;
struct rpc_conn;
struct worker_job;
struct yamux;

/* What the files of this directory know of each other, one section a file. */

/* rpc.c: connections, requests and their answers */

struct rpc_call {
	struct agent_server *server;
	struct rpc_conn *conn;
	uint32_t stream_id;
	enum agent_method method;
	struct rpc_call *conn_next;  /* of those that wait, by connection */
	struct rpc_call **wait_list; /* and by what they wait for, in order of arrival */
	struct rpc_call *wait_next;
	void *request;		   /* for rpc_take_request(), while its handler runs */
	struct loop_source *timer; /* timeout_nano of the request */
	int timeout_ms;		   /* 0: none */
	struct fifo data;	   /* WriteStdin: not written yet */
	uint32_t size;		   /* WriteStdin: all of it; ReadStd…: at most */
};

/* A handler answers with 0 (*@response, zeroed before and released after), with a negative errno
 * and @err, or with RPC_LATER after rpc_wait(). */
#define RPC_LATER 1
typedef int (*rpc_handler)(struct rpc_call *call, const void *request, void *response,
			   struct error *err);

/* Puts a call that RPC_LATER will be returned for at the end of @list; the call moves to the heap,
 * and *@call is not to be used after that. It disappears by itself when its connection does. */
struct rpc_call *rpc_wait(const struct rpc_call *call, struct rpc_call **list);
/* Answer the call that rpc_wait() returned, and free it. */
void rpc_reply(struct rpc_call *call, const void *response);
void rpc_fail(struct rpc_call *call, const struct error *err);
void rpc_fail_all(struct rpc_call **list, const struct error *err);
/* With a reason of ours. A constant struct error would be a KiB of every guest's memory. */
void rpc_refuse_all(struct rpc_call **list, int code, const char *reason);
/* All alike: with the error if there is one, else with @response. */
void rpc_end_all(struct rpc_call **list, const struct error *err, const void *response);
/* For answers that say nothing more than whether it is done. */
void rpc_finish_all(struct rpc_call **list, const struct error *err);

/* The request, which otherwise ends with its handler, for the caller to free. */
void *rpc_take_request(struct rpc_call *call);
void rpc_free_request(enum agent_method method, void *request); /* NULL is accepted */

int rpc_conn_new(struct agent_server *server, int fd); /* takes @fd */
void rpc_conns_close(struct agent_server *server);

/* channel.c: listeners, the CONNECT line, stdio streams that wait to be claimed */

struct channel {
	struct listener *listeners;
	struct handshake *handshakes;
	struct stream *streams;
	size_t streams_count;
	uint32_t last_number;
	struct yamux *yamux;
};
void channel_close(struct agent_server *server);
/* The stdio stream of that number, for the caller to own: -ENOENT when nobody connected it. */
int channel_claim(struct agent_server *server, uint32_t number);

/* worker.c: what may take long, in a child */

/* How far it got, told in shared memory: the child may be killed at any moment. */
struct worker_progress {
	bool has_cgroup;       /* CreateContainer: the container's is there, and ours */
	size_t storages_count; /* that were mounted */
};

/* What the child has to tell; it crosses a pipe. */
struct worker_result {
	struct error err; /* code 0: success */
	pid_t pid;	  /* CreateContainer: the init; ExecProcess: the process */
	struct worker_progress progress;
};

struct worker_task {
	const char *name;
	/* In the agent, when its turn has come; may be NULL. */
	int (*begin)(void *ctx, struct error *err);
	/* In the child, which it leaves by returning; a failure is in result->err. */
	int (*run)(void *ctx, struct worker_progress *progress, struct worker_result *result);
	/* In the agent, once: with the result, or (on_drop) because the agent ends. */
	void (*on_done)(void *ctx, const struct worker_result *result);
	void (*on_drop)(void *ctx, const struct worker_result *result);
};

struct worker {
	struct agent_server *server;
	struct worker *next;	 /* of those with one job each */
	struct worker_job *jobs; /* the first is under way */
	bool is_busy;
	pid_t pid;
	int fd;
	struct loop_source *source;
	struct worker_progress *progress; /* shared with the child; NULL before the first one */
};

void worker_add(struct agent_server *server, const struct worker_task *task, void *ctx);
/* Here and now, without a child: for what has nobody to keep waiting. */
void worker_do(const struct worker_task *task, void *ctx);
/* At once, in a worker of its own: for what touches nothing that others share. */
void worker_add_beside(struct agent_server *server, const struct worker_task *task, void *ctx);
/* Nobody wants it any more: it fails soon. */
void worker_cancel(struct agent_server *server, const void *ctx);
/* Takes a result that is there already. To be called before a child is reaped that nobody knows:
 * a process whose maker has ended was told of before. */
void worker_poll(struct agent_server *server);
void worker_stop(struct agent_server *server);

/* logs.c: the agent's log as a stream of JSON lines */

struct log_reader;
struct logs {
	int fds[2]; /* what the log is written to, and read from; [1] 0: not in use */
	struct loop_source *source;
	struct strbuf kept; /* for those who come later */
	struct log_reader *readers;
};
int logs_open(struct agent_server *server, struct error *err); /* options.log_port */
int logs_add_reader(struct agent_server *server, int fd);      /* takes @fd */
void logs_close(struct agent_server *server);

/* shell.c: the debug console */

struct shell;
int shell_serve(struct agent_server *server, int fd); /* takes @fd: a terminal with a shell on it */
void shells_close(struct agent_server *server);

/* forward.c: connections to the guest's loopback */

struct forward;
int forward_serve(struct agent_server *server, int fd); /* takes @fd */
void forwards_close(struct agent_server *server);

/* relay.c: one direction of one stream */

struct relay;
typedef void (*relay_end_fn)(void *ctx);

struct relay_options {
	int from; /* both owned from here on, made non-blocking */
	int to;
	/* Goes on reading when nobody takes the bytes any more (a terminal must not block its
	 * processes); otherwise @from is closed, so that its writers notice. */
	bool is_draining;
	relay_end_fn on_end; /* everything was passed on, or nobody takes it; from the loop */
	void *ctx;
};
int relay_new(struct agent_server *server, const struct relay_options *options, struct relay **ret);
void relay_free(struct relay *relay);
/* Gives up @from, or else @to, which nobody is at the other end of any more, and rests until it is
 * given another one. What it has in hand it keeps. */
void relay_park(struct relay *relay, bool is_from);
int relay_resume(struct relay *relay, int fd); /* takes @fd */
/* Whether it did something since it was asked last, or has something in hand. */
bool relay_is_active(struct relay *relay);

/* stdio.c: the three streams of a process */

enum { STDIO_IN, STDIO_OUT, STDIO_ERR, STDIO_COUNT };

struct stdio {
	bool is_terminal;
	bool is_streamed;	  /* relayed, else served by WriteStdin, ReadStdout, ReadStderr */
	int claimed[STDIO_COUNT]; /* streams, until they are attached */
	int child[STDIO_COUNT];	  /* what the process gets, until it has it */
	int console[2];		  /* the terminal's way to us, ours and the engine's end */
	int own[STDIO_COUNT];	  /* pipes' or terminal's ends that no relay owns, or -1 */
	struct relay *relays[STDIO_COUNT];
	struct loop_source *sources[STDIO_COUNT];
	struct rpc_call *calls[STDIO_COUNT];
	bool is_ended[STDIO_COUNT]; /* the end of an output was seen, or given up */
};

void stdio_init(struct stdio *io);
/* Claims the streams and makes the pipes. @ports: stdin, stdout, stderr; all 0: RPC form. */
int stdio_prepare(struct stdio *io, struct agent_server *server, bool is_terminal,
		  const uint32_t ports[STDIO_COUNT], struct error *err);
/* The process exists: take its terminal, begin to relay. */
int stdio_attach(struct stdio *io, struct process *process, struct error *err);
/* However far it got. */
void stdio_done(struct stdio *io);
/* Whether all output has been passed on (or is served by calls anyway). */
bool stdio_is_drained(const struct stdio *io);
/* Some output moved since the last question, or is stuck behind a reader. */
bool stdio_is_active(struct stdio *io);
/* Gives up on outputs that somebody else holds open: readers get the end. */
void stdio_cut(struct stdio *io);

int stdio_write_stdin(struct rpc_call *call, const void *request, void *response,
		      struct error *err);
int stdio_read_stdout(struct rpc_call *call, const void *request, void *response,
		      struct error *err);
int stdio_read_stderr(struct rpc_call *call, const void *request, void *response,
		      struct error *err);
int stdio_close_stdin(struct rpc_call *call, const void *request, void *response,
		      struct error *err);
/* The host's ends of the streams are gone, and it will attach new ones: the process shall not
 * notice. */
void stdio_park(struct stdio *io);
int stdio_attach_anew(struct rpc_call *call, const void *request, void *response,
		      struct error *err);
int stdio_resize(struct rpc_call *call, const void *request, void *response, struct error *err);

/* process.c: exec, signals, waiting */

struct process {
	struct process *next;
	struct container *container;
	char *exec_id;
	bool is_init;
	struct execution *execution; /* while it is being made: only its end may be asked */
	pid_t pid;
	int pidfd;
	bool has_exited;
	bool is_waited; /* somebody got its status: an exec'd process can be forgotten */
	int status;
	struct stdio io;
	struct rpc_call *waiters;
	struct loop_source *linger;
};

struct process *process_new(struct container *container, const char *exec_id, bool is_init);
void process_free(struct process *process); /* takes it from its container */
/* After the engine made @pid: opens it and begins to relay. */
int process_attach(struct process *process, pid_t pid, struct error *err);
/* By its ids: an empty @exec_id is the container's init. Errors as Kata's agent answers. */
struct process *process_find(struct agent_server *server, const char *container_id,
			     const char *exec_id, struct error *err);
/* Kills all but the init of a machine that was saved and goes on: who made them is not there any
 * more, and CRIU does not save such processes either. */
void processes_end_execs(struct container *container);
/* Some output ended: waiters may be answered. The process may be gone afterwards. */
void process_check(struct process *process);
/* If it has exited: bounds how long others may keep its output open. */
void process_linger(struct process *process);
void processes_reap(struct agent_server *server);

int process_signal(struct rpc_call *call, const void *request, void *response, struct error *err);
int process_wait(struct rpc_call *call, const void *request, void *response, struct error *err);

/* Whether a container may have one more of that name. */
int process_check_new(struct container *container, const char *exec_id, struct error *err);

/* exec.c: ExecProcess */

int process_exec(struct rpc_call *call, const void *request, void *response, struct error *err);
/* It ends as soon as it begins. */
void execution_kill(struct process *process);
/* Its container is being removed, with everything that is in there. */
void execution_cancel(struct process *process);

/* container.c */

enum stop_hooks { STOP_HOOKS_DUE, STOP_HOOKS_RUNNING, STOP_HOOKS_DONE };

struct container {
	struct agent_server *server;
	struct container *next;
	char *id;
	struct oci_config *config;
	struct cgroup *cgroup;
	char *bundle; /* where its configuration is for hooks to read; NULL: there are none */
	enum stop_hooks stop_hooks;
	int start_fd;  /* a byte in here starts the init; -1 once that was done */
	char **mounts; /* storages to release, in order of mounting */
	int mounts_fd; /* its mount namespace, or -1 */
	struct process *init;
	struct process *processes; /* init included */
	struct cgroup_oom *oom;	   /* NULL: not watched */
	struct loop_source *oom_source;
	struct thrash thrash;
	struct creation *creation; /* while it is being made: only its removal may be asked */
	bool is_removing;
	struct rpc_call *creators;
	struct rpc_call *removers;
	struct loop_source *remove_timer;
};

/* Not one that is being made: that is an error of its own. */
struct container *container_find(struct agent_server *server, const char *id, struct error *err);
/* That one too; NULL when there is none of that name. */
struct container *container_find_any(struct agent_server *server, const char *id);
/* Whether it can be a container's. */
int container_check_id(const char *id, struct error *err);
/* "" or NULL: it stays what it is. */
int container_rename(struct container *container, const char *id, struct error *err);
/* A process was reaped: a removal may be complete. The container may be gone afterwards. */
void container_check(struct container *container);
/* Its mounts go with it and not with its init, whose end would be heard of later: the kernel takes
 * them apart, and waits between, before it tells that a process has ended. */
void container_hold_mounts(struct container *container, pid_t init);
/* Kills everything and begins the removal; the container may be gone afterwards. */
void container_begin_removal(struct container *container);
/* Everything that was made for it, at whatever stage it is. Its processes have exited, or are to
 * be killed. */
void container_destroy(struct container *container);
/* Runs its last hooks and then answers who asked for its removal. */
void container_finish_removal(struct container *container);
void containers_destroy(struct agent_server *server);

int container_start(struct rpc_call *call, const void *request, void *response, struct error *err);
int container_remove(struct rpc_call *call, const void *request, void *response, struct error *err);

/* guest-hooks.c: hooks of the guest's image, and those after the start */

void guest_hooks_add(struct container *container);
/* In a worker. */
int guest_hooks_make_bundle(const struct container *container, struct error *err);
void guest_hooks_remove_bundle(struct container *container);
/* 0 when there are none, or RPC_LATER. */
int guest_hooks_after_start(struct container *container, const struct rpc_call *call);
/* Whether some are to be waited for: container_finish_removal() is called again after them. */
bool guest_hooks_before_end(struct container *container);

/* create.c: CreateContainer */

int container_create(struct rpc_call *call, const void *request, void *response, struct error *err);

/* control.c: what is asked of a container that lives */

int control_pause(struct rpc_call *call, const void *request, void *response, struct error *err);
int control_resume(struct rpc_call *call, const void *request, void *response, struct error *err);
int control_update(struct rpc_call *call, const void *request, void *response, struct error *err);
int control_list(struct rpc_call *call, const void *request, void *response, struct error *err);

/* oom.c: containers that run out of memory */

#define OOM_EVENTS_MAX 64
struct oom_events {
	struct {
		char *container_id;
		long long at_ms;
	} items[OOM_EVENTS_MAX];
	size_t count;
	struct rpc_call *waiters;
};
void oom_watch(struct container *container);
void oom_unwatch(struct container *container);
/* Tells what has happened by now. */
void oom_check(struct container *container);
void oom_events_done(struct oom_events *events);
int oom_get(struct rpc_call *call, const void *request, void *response, struct error *err);

/* stats.c */

int stats_get(struct rpc_call *call, const void *request, void *response, struct error *err);

/* storage.c */

struct storage {
	struct storage *next;
	char *mount_point;
	unsigned int users;
	bool is_mount; /* by now, and not a mere directory */
	bool is_share; /* of the host's files, with nothing of its own */
};

/* What one request asks for, between its reservation and its mounting. */
struct storage_set {
	const grpc_Storage *items;
	size_t count;
	bool *is_new;		  /* to be mounted, not in use yet */
	const char *container_id; /* or "" for the sandbox */
	const struct agent_server_options *options;
};
#define STORAGE_SET_INIT                                                                           \
	{                                                                                          \
		NULL, 0, NULL, NULL, NULL                                                          \
	}

/* In the agent: counts the users, and appends every mount point to *@mounts for storage_remove().
 * Nothing is left counted on error. */
int storage_reserve(struct agent_server *server, const grpc_Storage *items, size_t count,
		    const char *container_id, struct storage_set *ret, char ***mounts,
		    struct error *err);
/* Of the host's files: nothing that has to be waited for. */
bool storage_is_share(const grpc_Storage *storage);
/* In a worker: mounts those that are new, in order, and counts all it has passed. */
int storage_mount(const struct storage_set *set, size_t *count, struct error *err);
/* In the agent, after that: what was mounted is to be unmounted by storage_remove(), which undoes a
 * set that failed too. */
void storage_settle(struct agent_server *server, const struct storage_set *set, size_t count);
void storage_set_done(struct storage_set *set);
/* Backwards; frees @mounts. */
void storage_remove(struct agent_server *server, char **mounts);
extern const char *const storage_driver_names[]; /* NULL-terminated */
/* New options for a tmpfs of driver "ephemeral". */
int storage_update(struct rpc_call *call, const void *request, void *response, struct error *err);

/* storage-options.c: what options of a mount mean; pure */

struct mount_options {
	unsigned long flags; /* MS_… */
	char *data;	     /* what is for the file system */
};
void mount_options_plan(char *const *options, size_t count, struct mount_options *ret);
void mount_options_done(struct mount_options *options);
#define cleanup_mount_options CLEANUP(mount_options_done)
/* The value of the last option "NAME=value" ("fsgid="), or NULL. */
const char *mount_option_value(char *const *options, size_t count, const char *prefix);

/* storage-group.c: FSGroup: a tree for a group to write */

int storage_set_group(const char *path, uint32_t gid, bool is_if_needed, struct error *err);

/* kernel-modules.c: CreateSandbox's kernel modules. In a worker. */

int kernel_modules_load(const struct agent_server_options *options,
			const grpc_KernelModule *modules, size_t count, struct error *err);

/* device.c: block devices, by what the host knows of them. In a worker: they wait. */

/* The node ("/dev/vda") of a device for Storage.source or Device.id; of type "net" the link's name,
 * for Interface.devicePath. */
int device_find(const struct agent_server_options *options, const char *type, const char *address,
		char **ret, struct error *err);
/* Gives devices of the configuration the numbers they have in here. */
int device_patch(const struct agent_server_options *options, const grpc_Device *devices,
		 size_t count, struct oci_config *config, struct error *err);
extern const char *const device_type_names[]; /* NULL-terminated */

/* sandbox.c */

struct sandbox {
	char *id; /* NULL: CreateSandbox was not called */
	char *hostname;
	char *hook_path; /* directory of the guest's own hooks, or NULL */
	char **mounts;
	bool has_shared_pids;
	int namespaces[OCI_NS_COUNT]; /* that containers share, or -1: sandbox_arrange() */
	struct storage_set storages;
	grpc_CreateSandboxRequest *request; /* while it is being created */
	struct rpc_call *creators;
};
void sandbox_init(struct agent_server *server);

/* In the guest's own network, for those who share it. In the worker: it takes its time, in which
 * the host is heard. */
int sandbox_bring_up_loopback(const struct agent_server *server, struct error *err);

int sandbox_create(struct rpc_call *call, const void *request, void *response, struct error *err);
int sandbox_destroy(struct rpc_call *call, const void *request, void *response, struct error *err);
/* Whether the guest ends with the sandbox, just now: what is only the kernel's may stay. */
bool sandbox_ends_guest(const struct agent_server *server);
/* The last container is gone. */
void sandbox_check(struct agent_server *server);
/* Namespaces that a container shares with its sandbox. @is_kata: as Kata's agent arranges them,
 * whatever the configuration says. */
int sandbox_arrange(struct agent_server *server, struct oci_config *config, bool is_kata,
		    bool has_shared_pids, struct error *err);
/* A descriptor of a process's namespace ("pid", "mnt" …), or -errno. */
int sandbox_open_namespace(pid_t pid, const char *name);
/* A container was made; the first one's pid namespace is the one that is shared. */
void sandbox_note_init(struct agent_server *server, pid_t pid);
void sandbox_done(struct agent_server *server);

/* guest.c */

int guest_check(struct rpc_call *call, const void *request, void *response, struct error *err);
int guest_version(struct rpc_call *call, const void *request, void *response, struct error *err);
int guest_details(struct rpc_call *call, const void *request, void *response, struct error *err);
int guest_set_time(struct rpc_call *call, const void *request, void *response, struct error *err);
int guest_reseed(struct rpc_call *call, const void *request, void *response, struct error *err);

/* network.c */

int network_update_interface(struct rpc_call *call, const void *request, void *response,
			     struct error *err);
int network_list_interfaces(struct rpc_call *call, const void *request, void *response,
			    struct error *err);
int network_update_routes(struct rpc_call *call, const void *request, void *response,
			  struct error *err);
int network_list_routes(struct rpc_call *call, const void *request, void *response,
			struct error *err);
int network_add_neighbors(struct rpc_call *call, const void *request, void *response,
			  struct error *err);

/* iptables.c */

int iptables_get(struct rpc_call *call, const void *request, void *response, struct error *err);
int iptables_set(struct rpc_call *call, const void *request, void *response, struct error *err);

/* hotplug.c: processors and memory that came later */

int hotplug_online(struct rpc_call *call, const void *request, void *response, struct error *err);
int hotplug_probe(struct rpc_call *call, const void *request, void *response, struct error *err);

/* copy.c */

int copy_file(struct rpc_call *call, const void *request, void *response, struct error *err);

/* volume.c: file systems and swap */

int volume_stats(struct rpc_call *call, const void *request, void *response, struct error *err);
int volume_touch_shares(struct rpc_call *call, const void *request, void *response,
			struct error *err);
int volume_swap_on(struct rpc_call *call, const void *request, void *response, struct error *err);
int volume_swap_on_path(struct rpc_call *call, const void *request, void *response,
			struct error *err);

/* metrics.c */

int metrics_get(struct rpc_call *call, const void *request, void *response, struct error *err);

/* diagnostic.c */

int diagnostic_get(struct rpc_call *call, const void *request, void *response, struct error *err);

/* server.c */

/* The agent is the machine's init; or the error that it is not. */
int require_guest(const struct rpc_call *call, struct error *err);
/* Where sysfs is, and where Kata's agent keeps things. */
const char *server_sys_dir(const struct agent_server_options *options);
const char *server_dev_dir(const struct agent_server_options *options);
const char *server_run_dir(const struct agent_server_options *options);
/* How long a device may take to appear. */
int server_device_timeout_ms(const struct agent_server_options *options);

struct agent_server {
	struct loop *loop;
	struct agent_server_options options;
	struct rpc_conn *conns;
	size_t conns_count;
	struct channel channel;
	struct container *containers;
	struct oom_events oom;
	struct storage *storages;
	struct worker worker;
	struct worker *workers;
	struct logs logs;
	struct shell *shells;
	struct forward *forwards;
	struct sandbox sandbox;
	uint64_t scrapes; /* of the metrics */
	bool is_ending;	  /* DestroySandbox: over when the last container is */
	struct rpc_call *destroyers;
	struct loop_source *goodbye;
};

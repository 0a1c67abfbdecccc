/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/client/client.h"
#include "agent/server/server.h"
#include "lib/base/loop.h"

/*
 * The agent as an ordinary process over a unix socket, running a busybox in real containers. What
 * is tested here is what a host sees; how containers are made is the engine's business.
 */
#define TIMEOUT_MS 20000

struct scene {
	struct loop *loop;
	struct agent_client *client;
	char *dir;
	char *address;
	char *cgroup;
	pid_t agent;
};

/* What an agent of its own is to be like: called in its process, before it begins. */
typedef void (*scene_prepare_fn)(const struct scene *s, struct agent_server_options *options);

int make_scene(void **state);
int make_prepared_scene(void **state, scene_prepare_fn prepare);
int drop_scene(void **state);
void need_containers(const struct scene *s);
int call(struct scene *s, enum agent_method method, const void *req, void *resp);

/* the calls in short */

struct ports {
	uint32_t in, out, err;
};

int create(struct scene *s, bool is_terminal, const char *script, const struct ports *ports);
/* The configuration of such a container. */
char *config_text(const struct scene *s, bool is_terminal, const char *script);
int start(struct scene *s);
int run_exec(struct scene *s, const char *exec_id, const char *script, const struct ports *ports);
int wait_status(struct scene *s, const char *exec_id);
int send_signal(struct scene *s, const char *exec_id, uint32_t sig);

/* A call whose answer comes some time; on_answer() is for agent_call_async(). */
struct pending {
	bool is_done;
	int code;
};
void on_answer(void *ctx, const void *response, const struct error *err);
int remove_container(struct scene *s);
/* Reads to the end by calls. */
char *read_all(struct scene *s, enum agent_method method, const char *exec_id);
/* A file in the scene's directory; one that can be executed. */
void write_in(const struct scene *s, const char *path, const char *text);
void write_program(const struct scene *s, const char *path, const char *text);
int open_port(struct scene *s, uint32_t port, uint32_t *ret_number);
int open_stdio(struct scene *s, uint32_t *ret_number);

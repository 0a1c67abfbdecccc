/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/state/journal.h"
#include "oci/annotations.h"
#include "oci/config.h"
#ifdef MOAT_HAS_VM
#include "lib/sandbox/launch.h"
#endif

static const struct container_backend *const backends[ISOLATION_COUNT] = {
	[ISOLATION_NATIVE] = &native_backend,
#ifdef MOAT_HAS_VM
	[ISOLATION_VM] = &vm_backend,
#endif
};

int container_find_backend(int isolation, const struct container_backend **ret, struct error *err)
{
	if (isolation < 0 || isolation >= ISOLATION_COUNT || !backends[isolation])
		return error_set(err, -EOPNOTSUPP,
				 "this build has no vm isolation: use --isolation native");
	*ret = backends[isolation];
	return 0;
}

char *container_shim_path(void)
{
#ifdef MOAT_HAS_VM
	return shim_find();
#else
	return NULL;
#endif
}

void container_close(struct container *c)
{
	if (!c)
		return;
	record_done(&c->record);
	oci_config_free(c->config);
	state_dir_close(c->dir);
	free(c->root);
	free(c->id);
	free(c);
}

int container_save(struct container *c, struct error *err)
{
	return record_write(c->dir, &c->record, err);
}

/* The copy that create made, since later edits of the bundle must change nothing
 * (runtime.md#lifecycle). Stays NULL when that is not there or not whole: its maker was killed. */
void container_load_config(struct container *c)
{
	struct error err = ERROR_INIT;
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file_at(state_dir_fd(c->dir), "config.json", OCI_CONFIG_MAX_BYTES, &text,
			     &len);

	if (r == 0)
		r = oci_config_parse_known("config.json", text, len, &c->config, &err);
	if (r == 0)
		r = oci_annotations_apply(c->config, c->record.ignored_annotations, &err);
	if (r < 0)
		log_debug("%s: no usable config.json: %s", state_dir_path(c->dir), err.msg);
}

/* A container that is deleted while we look at it loses its record first. */
static int read_record(struct container *c, struct error *err)
{
	struct error reason = ERROR_INIT;
	int r = record_read(c->dir, &c->record, &reason);

	if (r == 0)
		return 0;
	if (r != -ENOENT) {
		if (err)
			*err = reason;
		return r;
	}
	c->record = (struct record){
		.version = RECORD_VERSION,
		.id = xstrdup(c->id),
		/* Nothing was made yet that only a VM's backend releases. */
		.isolation = ISOLATION_NATIVE,
		.phase = RECORD_CREATING,
		.bundle = xstrdup(""),
	};
	return 0;
}

void container_keep_log(const struct container *c)
{
	journal_keep_log(state_dir_fd(c->dir), JOURNAL_RUNTIME);
}

#define NO_LOCK (-1)

static int open_dir(const char *root, const char *id, int timeout_ms, struct state_dir **ret,
		    struct error *err)
{
	int r = state_dir_open(root, id, ret, err);

	if (r == 0 && timeout_ms != NO_LOCK)
		r = state_dir_lock(*ret, timeout_ms, err);
	/* These very words are what containerd looks for. The command's name and the id are put in
	 * front of them anyway. */
	return r == -ENOENT ? error_set(err, r, "container does not exist") : r;
}

static int open_record(const char *root, const char *id, int timeout_ms, struct container **ret,
		       struct error *err)
{
	cleanup_container struct container *c = xcalloc(1, sizeof(*c));
	int r = open_dir(root, id, timeout_ms, &c->dir, err);

	if (r < 0)
		return r;
	c->root = xstrdup(root);
	c->id = xstrdup(id);
	r = read_record(c, err);
	if (r == 0)
		*ret = steal_ptr(&c);
	return r;
}

int container_open_record(const char *root, const char *id, struct container **ret,
			  struct error *err)
{
	return open_record(root, id, NO_LOCK, ret, err);
}

int container_open_locked(const char *root, const char *id, int timeout_ms, struct container **ret,
			  struct error *err)
{
	int r = open_record(root, id, timeout_ms, ret, err);

	if (r == 0)
		container_load_config(*ret);
	return r;
}

int container_status(const struct container *c, bool is_ours, enum oci_status *ret,
		     struct error *err)
{
	const struct container_backend *backend;
	cleanup_fd int pidfd = -1;
	int r;

	if (c->record.phase == RECORD_CREATING) {
		bool has_maker = !is_ours && state_dir_is_locked(c->dir);

		*ret = has_maker ? OCI_STATUS_CREATING : OCI_STATUS_STOPPED;
		return 0;
	}
	pidfd = record_pidfd(&c->record);
	if (pidfd == -ESRCH) {
		*ret = OCI_STATUS_STOPPED;
		return 0;
	}
	if (pidfd < 0)
		return error_sys(err, pidfd, "open process %u", c->record.pid);
	r = container_find_backend(c->record.isolation, &backend, err);
	return r < 0 ? r : backend->status(c, ret, err);
}

static int look_up(const char *root, const char *id, int timeout_ms, struct container **ret,
		   enum oci_status *ret_status, struct error *err)
{
	cleanup_container struct container *c = NULL;
	int r = open_record(root, id, timeout_ms, &c, err);

	if (r < 0)
		return r;
	if (timeout_ms != NO_LOCK)
		container_keep_log(c);
	container_load_config(c);
	r = container_status(c, timeout_ms != NO_LOCK, ret_status, err);
	if (r == 0)
		*ret = steal_ptr(&c);
	return r;
}

int container_look_up(const char *root, const char *id, struct container **ret,
		      enum oci_status *ret_status, struct error *err)
{
	return look_up(root, id, NO_LOCK, ret, ret_status, err);
}

int container_look_up_locked(const char *root, const char *id, struct container **ret,
			     enum oci_status *ret_status, struct error *err)
{
	return look_up(root, id, LOCK_TIMEOUT_MS, ret, ret_status, err);
}

int container_open_running(const char *root, const char *id, struct container **ret,
			   struct error *err)
{
	cleanup_container struct container *c = NULL;
	enum oci_status status;
	int r = container_look_up_locked(root, id, &c, &status, err);

	if (r < 0)
		return r;
	if (status == OCI_STATUS_STOPPED || status == OCI_STATUS_CREATING)
		return error_set(err, -ESRCH, "container not running");
	if (!c->config)
		return error_set(err, -EINVAL, "its config.json cannot be read");
	*ret = steal_ptr(&c);
	return 0;
}

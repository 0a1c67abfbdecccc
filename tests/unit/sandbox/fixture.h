/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/sandbox/sandbox.h"
#include "oci/config.h"

/* A configuration as callers write it, with room for more: @linux_ and @rest are pieces of JSON
 * that end in a comma or are empty; @mounts the inside of an array. */
struct sample {
	const char *rest;
	const char *linux_;
	const char *mounts;
	const char *namespaces; /* NULL: pid, network, mount */
};

static inline struct oci_config *parse_sample(const struct sample *s)
{
	cleanup_free char *text = xasprintf(
		"{\"ociVersion\":\"1.2.0\",%s\"root\":{\"path\":\"rootfs\"},"
		"\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"true\"],\"cwd\":\"/\","
		"\"apparmorProfile\":\"docker-default\",\"selinuxLabel\":\"a:b:c:d\"},"
		"\"mounts\":[%s],\"linux\":{%s\"namespaces\":[%s]}}",
		s->rest ? s->rest : "", s->mounts ? s->mounts : "", s->linux_ ? s->linux_ : "",
		s->namespaces ? s->namespaces
			      : "{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"mount\"}");
	struct error err = ERROR_INIT;
	struct oci_config *config = NULL;

	if (oci_config_parse("config.json", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

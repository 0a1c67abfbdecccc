/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>

#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/filter-cache.h"
#include "lib/engine/filter.h"
#include "lib/linux/seccomp-program.h"
#include "oci/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct oci_config *read_profile(const uint8_t *data, size_t size)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct oci_config *config = NULL;

	strbuf_addstr(
		&text,
		"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"/\"},\"linux\":{\"seccomp\":");
	strbuf_add(&text, data, size);
	strbuf_addstr(&text, "}}");
	(void)oci_config_parse("config.json", text.buf, text.len, &config, NULL); /* else NULL */
	return config;
}

static void build(const struct oci_seccomp *seccomp, bool is_kept)
{
	cleanup_seccomp_program struct sock_fprog program = { 0 };

	if (filter_build(seccomp, is_kept, &program, NULL) == 0)
		assert(seccomp_program_check(&program) == 0);
}

/* A linux.seccomp: what is made of one that is accepted is a sound program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_options silent = { .program = "fuzz",
						   .level = LOG_LEVEL_ERROR,
						   .fd = -1 };
	cleanup_strbuf struct strbuf key = STRBUF_INIT;
	cleanup_oci_config struct oci_config *config = read_profile(data, size);
	struct filter_plan plan;

	log_setup(&silent);
	if (!config || !config->linux_.seccomp ||
	    filter_plan(config->linux_.seccomp, &plan, NULL) < 0)
		return 0;
	filter_cache_key(config->linux_.seccomp, &key);
	assert(key.len > 0);
	build(config->linux_.seccomp, false);
	build(config->linux_.seccomp, true);
	return 0;
}

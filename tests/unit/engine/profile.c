/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "oci/config.h"

struct oci_config *profile_parse(const char *seccomp)
{
	cleanup_free char *text = xasprintf("{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"/\"},"
					    "\"linux\":{\"seccomp\":%s}}",
					    seccomp);
	struct oci_config *config = NULL;
	struct error err = ERROR_INIT;

	if (oci_config_parse("config.json", text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

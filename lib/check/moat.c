/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/check/check-internal.h"
#include "lib/settings/settings.h"

static void check_configuration(struct check *c)
{
	char *const *warnings = c->host->settings->warnings;

	if (c->host->settings_error)
		check_lacks(c,
			    xstrdup("correct the file, or move it away; moat.json(5) has the keys"),
			    "%s", c->host->settings_error->msg);
	else if (warnings && *warnings)
		check_warn(c, xstrdup("correct the key's name; moat.json(5) has them all"), "%s",
			   *warnings);
	else
		check_ok(c, "can be read (moat env tells what is in force)");
}

static void check_shim(struct check *c)
{
	const char *shim = c->host->shim;

	if (!shim)
		check_lacks_for_vm(c, xstrdup("build moat with -Dagent=true"),
				   "this moat was built without virtual machines");
	else if (!check_host_can(c, shim, X_OK))
		check_lacks_for_vm(c, xstrdup("install moat as a whole: meson install -C build"),
				   "no '%s'", shim);
	else
		check_ok(c, "%s", shim);
}

static const struct check_spec specs[] = {
	{ "configuration", check_configuration },
	{ "moat-shim", check_shim },
};
const struct check_field check_moat = CHECK_FIELD("moat", specs);

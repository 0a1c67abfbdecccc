/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/host.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/moat/command.h"
#include "hypervisor/hypervisor.h"
#include "lib/container/isolation.h"
#include "lib/linux/caps.h"
#include "lib/state/record.h"

/* From the file alone: name services need shared libraries, which this program does without. */
char *user_name(uid_t uid)
{
	cleanup_file FILE *file = fopen("/etc/passwd", "re");
	struct passwd *entry;

	while (file && (entry = fgetpwent(file)))
		if (entry->pw_uid == uid)
			return xstrdup(entry->pw_name);
	return xasprintf("#%u", uid);
}

char *host_image_dir(const struct settings *settings, const char **ret_origin)
{
	const char *wish = getenv("MOAT_GUEST");

	if (ret_origin)
		*ret_origin = wish && *wish ? "MOAT_GUEST" : NULL;
	if (wish && *wish)
		return xstrdup(wish);
	return settings->vm.image ? xstrdup(settings->vm.image) : guest_image_default_dir();
}

int host_isolation(const struct globals *globals, const struct settings *settings, int *ret,
		   struct error *err)
{
	int r = isolation_choose_early(globals->isolation, program_invocation_short_name, ret, err);

	if (r == 0 && *ret < 0)
		*ret = settings->isolation < 0 ? ISOLATION_VM : settings->isolation;
	return r;
}

static char *upper(const char *name)
{
	char *copy = xstrdup(name);

	for (char *p = copy; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return copy;
}

char **capability_names(void)
{
	char **names = NULL;

	for (unsigned int i = 0;; i++) {
		const char *name = caps_name(i);

		/* Numbers have no gaps. */
		if (!name || caps_number(name) < 0)
			return names;
		strv_push(&names, upper(name));
	}
}

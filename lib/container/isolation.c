/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/isolation.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/state/record.h"
#include "oci/annotations.h"
#include "oci/config.h"

static int parse(const char *name, const char *word, int *ret, struct error *err)
{
	int isolation = names_find(&isolation_names, word);

	if (isolation < 0)
		return error_set(err, -EINVAL, "%s: neither 'vm' nor 'native': '%s'", name, word);
	*ret = isolation;
	return 0;
}

int isolation_choose_early(int flag, const char *program, int *ret, struct error *err)
{
	const char *wish = getenv("MOAT_ISOLATION");

	*ret = flag;
	if (flag >= 0)
		return 0;
	if (wish && *wish)
		return parse("MOAT_ISOLATION", wish, ret, err);
	if (streq(program, "moat-native") || streq(program, "runk"))
		*ret = ISOLATION_NATIVE;
	return 0;
}

/* An image's author can write annotations, and must not choose the weaker wall unless somebody with
 * a say allowed that. */
static const char *find_annotation(const struct oci_config *config, char *const *allowed)
{
	if (!strv_has(allowed, ISOLATION_ANNOTATION))
		return NULL;
	return oci_annotation(config, ISOLATION_ANNOTATION);
}

int isolation_choose(const struct oci_config *config, char *const *allowed, int configured,
		     int *ret, struct error *err)
{
	const char *wish = find_annotation(config, allowed);

	/* What who composed the configuration says goes before what its annotations may quote. */
	if (wish && !config->vm)
		return parse("annotation " ISOLATION_ANNOTATION, wish, ret, err);
	/* The stronger wall takes nobody's leave. */
	if (config->vm || streq_null(oci_annotation(config, "run.oci.handler"), "krun"))
		*ret = ISOLATION_VM;
	else
		*ret = configured >= 0 ? configured : ISOLATION_VM;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/matching.h"

#include <errno.h>
#include <regex.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/state/record.h"

static int compile(const char *expression, regex_t *ret, struct error *err)
{
	char reason[128];
	int r = regcomp(ret, expression, REG_EXTENDED | REG_NOSUB);

	if (r == 0)
		return 0;
	regerror(r, ret, reason, sizeof(reason));
	return error_set(err, -EINVAL, "invalid regular expression: %s", reason);
}

int matching_each(const char *root, const char *expression,
		  int (*fn)(void *ctx, const char *id, struct error *err), void *ctx,
		  struct error *err)
{
	cleanup_strv char **ids = NULL;
	regex_t regex;
	int first = 0;
	int r = compile(expression, &regex, err);

	if (r < 0)
		return r;
	r = state_list(root, &ids, err);
	strv_each(id, ids) {
		struct error reason = ERROR_INIT;
		int failed = regexec(&regex, id, 0, NULL, 0) == 0 ? fn(ctx, id, &reason) : 0;

		if (failed < 0 && first == 0) {
			first = error_wrap(&reason, failed, "'%s'", id);
			*err = reason;
		}
	}
	regfree(&regex);
	return r < 0 ? r : first;
}

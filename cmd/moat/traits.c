/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/moat/traits.h"

#include <stdlib.h>
#include <time.h>

#include "cmd/moat/units.h"
#include "lib/base/rfc3339.h"
#include "lib/base/str.h"
#include "lib/container/container.h"
#include "lib/container/usage.h"

static char *age_of(const struct record *record)
{
	time_t created = record->created ? rfc3339_parse(record->created) : -1;

	return created < 0 ? xstrdup("-") : span_text(time(NULL) - created);
}

void container_traits(const char *root, const struct container_info *info,
		      struct container_traits *ret)
{
	const struct record *record = &info->record;
	struct container_usage usage;

	container_usage(root, info, &usage);
	*ret = (struct container_traits){
		.isolation = names_get(&isolation_names, (size_t)record->isolation),
		.vmm = usage.vmm ? usage.vmm : xstrdup("-"),
		.memory = usage.memory ? size_text(usage.memory) : xstrdup("-"),
		.age = age_of(record),
	};
}

void container_traits_done(struct container_traits *traits)
{
	free(traits->vmm);
	free(traits->memory);
	free(traits->age);
}

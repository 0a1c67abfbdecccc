/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/client/schema.h"

#include <ctype.h>

#include "lib/base/str.h"

/* "GetOOMEvent" is "getoomevent" and "get-oom-event". */
static bool is_name(const char *name, const char *written)
{
	for (; *written; written++) {
		if (*written == '-')
			continue;
		if (tolower((unsigned char)*written) != tolower((unsigned char)*name))
			return false;
		name++;
	}
	return !*name;
}

const struct schema_method *schema_method_find(const char *name)
{
	for (size_t i = 0; i < schema_methods_count; i++)
		if (is_name(schema_methods[i].name, name))
			return &schema_methods[i];
	return NULL;
}

const struct schema_field *schema_field_find(const struct schema_message *message, const char *name)
{
	for (size_t i = 0; i < message->count; i++)
		if (streq(message->fields[i].name, name))
			return &message->fields[i];
	return NULL;
}

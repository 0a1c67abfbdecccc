/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/agentctl/help.h"

#include <stdio.h>

#include "agent/client/schema.h"
#include "cmd/moat/options.h"

#define MESSAGES_MAX 128 /* that one message can be made of */

void help_print_usage(const struct option_table *options)
{
	printf("Usage: moat-agentctl [OPTION]... ADDRESS METHOD [REQUEST]\n"
	       "       moat-agentctl METHOD --help\n"
	       "       moat-agentctl methods\n"
	       "\n"
	       "Calls an agent and prints its answer as JSON.\n"
	       "\n"
	       "ADDRESS is a container of moat's, vsock://CID[:PORT], hvsock://PATH[:PORT] (a socket that\n"
	       "wants CONNECT first) or unix://PATH. REQUEST is a JSON object, a file that holds one,\n"
	       "or '-'; without it the request is empty.\n"
	       "\n"
	       "Options:\n");
	for (size_t i = 0; i < options->count; i++) {
		const struct option_spec *spec = &options->specs[i];
		cleanup_free char *left = xasprintf("--%s %s", spec->name, spec->argument);

		printf("  %-16s %s\n", left, spec->help);
	}
	printf("  %-16s %s\n", "--help", "this text, or a method's");
}

void help_print_methods(void)
{
	for (size_t i = 0; i < schema_methods_count; i++)
		printf("%-30s %s\n", schema_methods[i].name, schema_methods[i].help);
}

/* "v4|v6" */
static char *enum_words(const struct schema_enum *values)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < values->count; i++)
		strbuf_addf(&sb, "%s%s", i ? "|" : "", values->values[i].name);
	return strbuf_steal(&sb);
}

static char *type_text(const struct schema_field *field)
{
	static const char *const names[SCHEMA_TYPE_COUNT] = {
		[SCHEMA_BOOL] = "bool",	  [SCHEMA_I32] = "int32",  [SCHEMA_I64] = "int64",
		[SCHEMA_U32] = "uint32",  [SCHEMA_U64] = "uint64", [SCHEMA_STRING] = "string",
		[SCHEMA_BYTES] = "bytes", [SCHEMA_ENUM] = NULL,	   [SCHEMA_MESSAGE] = NULL,
	};

	if (field->type == SCHEMA_MESSAGE)
		return xstrdup(field->message->name);
	return field->type == SCHEMA_ENUM ? enum_words(field->values) : xstrdup(names[field->type]);
}

static void print_field(const struct schema_field *field)
{
	const struct schema_field *value = field->is_map ? &field->message->fields[1] : field;
	cleanup_free char *type = type_text(value);
	cleanup_free char *whole = NULL;

	if (field->is_map)
		whole = xasprintf("{\"…\": %s}", type);
	else
		whole = xasprintf(field->is_repeated ? "[%s]" : "%s", type);
	if (field->help)
		printf("  %-26s %-20s %s\n", field->name, whole, field->help);
	else
		printf("  %-26s %s\n", field->name, whole);
}

/* The messages that a message is made of, each once and in the order they are met. */
struct parts {
	const struct schema_message *list[MESSAGES_MAX];
	size_t count;
};

static void add_part(struct parts *parts, const struct schema_message *message)
{
	for (size_t i = 0; i < parts->count; i++)
		if (parts->list[i] == message)
			return;
	if (parts->count < MESSAGES_MAX)
		parts->list[parts->count++] = message;
}

static void print_message(struct parts *parts, const struct schema_message *message)
{
	for (size_t i = 0; i < message->count; i++) {
		const struct schema_field *field = &message->fields[i];
		const struct schema_field *value =
			field->is_map ? &field->message->fields[1] : field;

		print_field(field);
		if (value->type == SCHEMA_MESSAGE)
			add_part(parts, value->message);
	}
	if (!message->count)
		printf("  (nothing)\n");
}

void help_print_method(const struct schema_method *method)
{
	struct parts parts = { .count = 0 };

	printf("Usage: moat-agentctl [OPTION]... ADDRESS %s [REQUEST]\n\n%s: %s\n\nRequest:\n",
	       method->name, method->service, method->help);
	print_message(&parts, method->request);
	printf("\nResponse:\n");
	print_message(&parts, method->response);
	for (size_t i = 0; i < parts.count; i++) {
		printf("\n%s:\n", parts.list[i]->name);
		print_message(&parts, parts.list[i]);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The protocol as tables, made from the .proto files by schema.py: every method, and the fields of
 * every message by name. nanopb's own tables have no names.
 */
enum schema_type {
	SCHEMA_BOOL,
	SCHEMA_I32,
	SCHEMA_I64,
	SCHEMA_U32,
	SCHEMA_U64,
	SCHEMA_STRING,
	SCHEMA_BYTES,
	SCHEMA_ENUM,
	SCHEMA_MESSAGE,
	SCHEMA_TYPE_COUNT,
};

struct schema_value {
	const char *name;
	int32_t number;
};

struct schema_enum {
	const struct schema_value *values;
	size_t count;
};

struct schema_message;

struct schema_field {
	const char *name;
	uint32_t number;
	enum schema_type type;
	bool is_repeated;
	bool is_map;	  /* repeated too, of a message with the fields 1, key, and 2, value */
	bool is_optional; /* absent is something else than its default */
	const struct schema_message *message;
	const struct schema_enum *values;
	const char *help; /* NULL: none */
};

struct schema_message {
	const char *name;
	const struct schema_field *fields; /* in the order of the .proto file */
	size_t count;
};

struct schema_method {
	const char *service; /* "grpc.AgentService" */
	const char *name;    /* "CreateContainer" */
	const struct schema_message *request;
	const struct schema_message *response;
	const char *help;
};
extern const struct schema_method schema_methods[];
extern const size_t schema_methods_count;

/* By its name, in any case and with dashes: "WaitProcess", "wait-process". NULL: there is none. */
const struct schema_method *schema_method_find(const char *name);
/* NULL: there is none. */
const struct schema_field *schema_field_find(const struct schema_message *message,
					     const char *name);

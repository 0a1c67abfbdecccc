/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct option_table;
struct schema_method;

void help_print_usage(const struct option_table *options);
/* "NAME SUMMARY" a line. */
void help_print_methods(void);
/* Its fields, and those of the messages in it. */
void help_print_method(const struct schema_method *method);

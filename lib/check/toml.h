/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* As much of TOML as engines' configurations are looked up by: one key to a line, whatever is not
 * understood is passed over. Pure.
 *
 * The value of @key in a table whose name ends in @table, with or without quotes around the parts
 * of that: of a string its text, of an array its first string's, of anything else the word.
 * NULL: there is none. free(3) it. */
char *toml_find(const char *text, const char *table, const char *key);

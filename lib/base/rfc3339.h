/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <time.h>

#define RFC3339_SIZE 40

/* "2026-11-22T04:05:06.000000007Z" (RFC 3339, UTC); without the fraction when @nsec is negative.
 * Own arithmetic: strftime(3) would bring time zones and locales into every static program, a
 * hundred kilobytes of the guest's memory. */
void rfc3339_format(time_t sec, long nsec, char ret[static RFC3339_SIZE]);

/* The seconds of such a text; -1 for one of another form. */
time_t rfc3339_parse(const char *text);

/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/rfc3339.h"

#include <stdio.h>

#include "lib/base/str.h"

#define DAY 86400

static int is_leap(long year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(long year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month] + (month == 1 && is_leap(year));
}

/* Clocks before 1970 do not occur; one that is unset reads as the epoch. */
void rfc3339_format(time_t sec, long nsec, char ret[static RFC3339_SIZE])
{
	long long days = sec > 0 ? sec / DAY : 0;
	int rest = (int)(sec > 0 ? sec % DAY : 0);
	long year = 1970;
	int month = 0, len;

	for (; days >= 365 + is_leap(year); year++)
		days -= 365 + is_leap(year);
	for (; days >= month_days(year, month); month++)
		days -= month_days(year, month);
	len = snprintf(ret, RFC3339_SIZE, "%04ld-%02d-%02dT%02d:%02d:%02d", year % 10000, month + 1,
		       (int)days + 1, rest / 3600, rest / 60 % 60, rest % 60);
	if (nsec >= 0)
		len += snprintf(ret + len, (size_t)(RFC3339_SIZE - len), ".%09ld",
				nsec % 1000000000);
	snprintf(ret + len, (size_t)(RFC3339_SIZE - len), "Z");
}

/* The @digits at *@text, which are moved past, with the @end behind them. */
static bool take_number(const char **text, int digits, char end, unsigned int *ret)
{
	*ret = 0;
	for (int i = 0; i < digits; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*ret = *ret * 10 + (unsigned int)(**text - '0');
	}
	if (!end)
		return true;
	return *(*text)++ == end;
}

time_t rfc3339_parse(const char *text)
{
	unsigned int year, month, day, hour, minute, second;
	long days = 0;

	if (!take_number(&text, 4, '-', &year) || !take_number(&text, 2, '-', &month) ||
	    !take_number(&text, 2, 'T', &day) || !take_number(&text, 2, ':', &hour) ||
	    !take_number(&text, 2, ':', &minute) || !take_number(&text, 2, '\0', &second) ||
	    !str_ends_with(text, "Z"))
		return -1;
	if (year < 1970 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 ||
	    second > 60 || day > (unsigned int)month_days(year, (int)month - 1))
		return -1;
	for (long y = 1970; y < (long)year; y++)
		days += 365 + is_leap(y);
	for (int m = 0; m < (int)month - 1; m++)
		days += month_days(year, m);
	return (days + (long)day - 1) * DAY + hour * 3600L + minute * 60L + second;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/* That the caller left us the descriptors 3 … 2+@count, which a container is to get. A number
 * that it did not fill may have become one of our own meanwhile, which must not get there. */
int preserved_check(unsigned int count, struct error *err);

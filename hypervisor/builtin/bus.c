/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/bus.h"

#include <errno.h>
#include <string.h>

int bus_add(struct bus *bus, uint64_t begin, uint64_t size, const struct bus_device *device)
{
	if (!size || size - 1 > UINT64_MAX - begin)
		return -EINVAL;
	if (bus->count == BUS_RANGES_MAX)
		return -ENOSPC;
	for (size_t i = 0; i < bus->count; i++) {
		const struct bus_range *other = &bus->ranges[i];

		if (begin - other->begin < other->size || other->begin - begin < size)
			return -EINVAL;
	}
	bus->ranges[bus->count++] = (struct bus_range){ begin, size, *device };
	return 0;
}

static const struct bus_range *find(const struct bus *bus, uint64_t address, size_t size)
{
	for (size_t i = 0; i < bus->count; i++) {
		const struct bus_range *range = &bus->ranges[i];

		if (address - range->begin < range->size &&
		    size <= range->size - (address - range->begin))
			return range;
	}
	return NULL;
}

bool bus_read(const struct bus *bus, uint64_t address, void *data, size_t size)
{
	const struct bus_range *range = find(bus, address, size);

	if (!range) {
		memset(data, 0xff, size);
		return false;
	}
	range->device.read(range->device.ctx, address - range->begin, data, size);
	return true;
}

bool bus_write(const struct bus *bus, uint64_t address, const void *data, size_t size)
{
	const struct bus_range *range = find(bus, address, size);

	if (!range)
		return false;
	range->device.write(range->device.ctx, address - range->begin, data, size);
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Which device answers at an address. Filled before vcpus run, and only read from then on, by
 * all of them at once. Where nobody is, reads give ones and writes nothing, as on hardware.
 */
#define BUS_RANGES_MAX 24

struct bus_device {
	void (*read)(void *ctx, uint64_t offset, void *data, size_t size);
	void (*write)(void *ctx, uint64_t offset, const void *data, size_t size);
	void *ctx;
};

struct bus {
	struct bus_range {
		uint64_t begin, size;
		struct bus_device device;
	} ranges[BUS_RANGES_MAX];
	size_t count;
};

/* -ENOSPC; -EINVAL: empty, wraps around, or somebody is there. */
int bus_add(struct bus *bus, uint64_t begin, uint64_t size, const struct bus_device *device);

/* False: nobody is there. @size: 1 to 8; an access over a device's end is nobody's. */
bool bus_read(const struct bus *bus, uint64_t address, void *data, size_t size);
bool bus_write(const struct bus *bus, uint64_t address, const void *data, size_t size);

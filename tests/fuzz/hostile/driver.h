/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct virtio_device;

/*
 * A guest's driver that does what the bytes of a fuzzer say: it sets the device up, and from then
 * on puts chains into queues, or whatever it likes into its memory and into registers, lets the
 * host's side do something, saves the machine, spoils what was saved and goes on from that.
 *
 * The bytes are deeds, one after the other: a byte that says which, and what that one takes.
 */
struct hostile_device {
	struct virtio_device *(*make)(void); /* called again where the machine goes on */
	/* The host's side does one of the things that it can; NULL: there is none. */
	void (*act)(struct virtio_device *dev, uint8_t what, const uint8_t *data, size_t len);
	/* What the host's side still has is given up; NULL: nothing but a pair of sockets. */
	void (*end)(void);
};

/* For devices in front of a socket: what make() gives to one, instead of the last. The other end is
 * the host's, until hostile_part() closes it. */
int hostile_join(int type);
int hostile_other_end(void); /* or -1 */
void hostile_part(void);

void hostile_run(const struct hostile_device *device, const uint8_t *data, size_t size);

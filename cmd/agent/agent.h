/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/* pid 1 of a VM: sets the machine up, serves, resets it. Does not return. */
_Noreturn void pid1_main(void);

/* The virtio-serial port of that name, opened and with somebody at its other end. Waits for the
 * port to appear. */
int port_open(const char *name, int *ret_fd, struct error *err);

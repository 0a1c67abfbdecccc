/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/* Where the image stays visible behind what pid 1 has mounted over it. */
#define INITRAMFS "/initramfs"

/* pid 1 of a VM: sets the machine up, serves, resets it. Does not return. */
_Noreturn void pid1_main(void);

/* Before @new_root is entered: the modules for the machine's devices, and what it takes to have
 * others loaded on demand. Does nothing when the initramfs has no modules. */
int modules_set_up(const char *new_root, struct error *err);
/* Behind it: modules for devices that are plugged in, by a process of its own, since we may be
 * waiting for that very device. */
int modules_watch(struct error *err);
/* The work of modprobe(8) with these words; the exit status. */
int modules_probe(char *const *words);

/* The virtio-serial port of that name, opened and with somebody at its other end. Waits for the
 * port to appear. */
int port_open(const char *name, int *ret_fd, struct error *err);

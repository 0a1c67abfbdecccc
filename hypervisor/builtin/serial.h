/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct serial;
struct strbuf;

/*
 * A 16550A as far as a guest prints by it: eight registers, a transmitter that is always empty, and
 * an interrupt when it asks for one. Nobody types. Vcpus come in at any number at once.
 */

/* What is printed goes to @fd, a socket, byte for byte; while that is full, the vcpu that
 * prints waits, and where nobody reads any more it is lost. @interrupt_fd: an eventfd. Both are
 * borrowed. */
struct serial *serial_new(int fd, int interrupt_fd);
void serial_free(struct serial *serial);

#define SERIAL_REGISTERS 8
void serial_read(struct serial *serial, uint64_t offset, void *data, size_t size);
void serial_write(struct serial *serial, uint64_t offset, const void *data, size_t size);

/* Its registers, while no vcpu runs, as fields; and the way back. -EBADMSG. */
void serial_save(const struct serial *serial, struct strbuf *out);
int serial_restore(struct serial *serial, const void *data, size_t len);

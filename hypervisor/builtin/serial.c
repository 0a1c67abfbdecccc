/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/serial.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/base/wire.h"

struct serial {
	pthread_mutex_t lock;
	int fd, interrupt_fd;
	bool is_due; /* the transmitter's interrupt, until it is read */
	uint8_t interrupts, fifo, line, modem, scratch, divisor[2];
};

struct serial *serial_new(int fd, int interrupt_fd)
{
	struct serial *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL); /* cannot fail on Linux */
	s->fd = fd;
	s->interrupt_fd = interrupt_fd;
	return s;
}

void serial_free(struct serial *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The socket's flags are shared with whoever else has it: who may wait is said at each call. */
static void send_byte(const struct serial *s, uint8_t byte)
{
	while (send(s->fd, &byte, sizeof(byte), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void interrupt(struct serial *s)
{
	static const uint64_t one = 1;

	s->is_due = true;
	(void)!write(s->interrupt_fd, &one, sizeof(one)); /* full: it is on its way already */
}

static void transmit(struct serial *s, uint8_t byte)
{
	if (s->modem & UART_MCR_LOOP)
		return;
	send_byte(s, byte);
	if (s->interrupts & UART_IER_THRI)
		interrupt(s);
}

/* The transmitter is empty already when its interrupt is switched on. */
static void set_interrupts(struct serial *s, uint8_t value)
{
	const bool is_new = (value & UART_IER_THRI) && !(s->interrupts & UART_IER_THRI);

	s->interrupts = value & 0xf;
	if (is_new)
		interrupt(s);
	if (!(value & UART_IER_THRI))
		s->is_due = false;
}

static uint8_t identify_interrupt(struct serial *s)
{
	const uint8_t fifo = s->fifo & UART_FCR_ENABLE_FIFO ? 0xc0 : 0;

	if (!s->is_due)
		return fifo | UART_IIR_NO_INT;
	s->is_due = false;
	return fifo | UART_IIR_THRI;
}

/* A driver's test of what it has found: outputs come back as inputs. */
static uint8_t modem_status(const struct serial *s)
{
	uint8_t status = 0;

	if (!(s->modem & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	if (s->modem & UART_MCR_RTS)
		status |= UART_MSR_CTS;
	if (s->modem & UART_MCR_DTR)
		status |= UART_MSR_DSR;
	if (s->modem & UART_MCR_OUT1)
		status |= UART_MSR_RI;
	if (s->modem & UART_MCR_OUT2)
		status |= UART_MSR_DCD;
	return status;
}

static uint8_t read_register(struct serial *s, uint64_t offset)
{
	const bool is_divisor = s->line & UART_LCR_DLAB;

	switch (offset) {
	case UART_RX:
		return is_divisor ? s->divisor[0] : 0;
	case UART_IER:
		return is_divisor ? s->divisor[1] : s->interrupts;
	case UART_IIR:
		return identify_interrupt(s);
	case UART_LCR:
		return s->line;
	case UART_MCR:
		return s->modem;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE;
	case UART_MSR:
		return modem_status(s);
	default:
		return s->scratch;
	}
}

static void write_register(struct serial *s, uint64_t offset, uint8_t value)
{
	const bool is_divisor = s->line & UART_LCR_DLAB;

	if (is_divisor && offset <= UART_IER) {
		s->divisor[offset] = value;
		return;
	}
	switch (offset) {
	case UART_TX:
		transmit(s, value);
		break;
	case UART_IER:
		set_interrupts(s, value);
		break;
	case UART_FCR:
		s->fifo = value;
		break;
	case UART_LCR:
		s->line = value;
		break;
	case UART_MCR:
		s->modem = value & 0x1f;
		break;
	case UART_SCR:
		s->scratch = value;
		break;
	default:
		break; /* what only reads */
	}
}

void serial_read(struct serial *s, uint64_t offset, void *data, size_t size)
{
	memset(data, 0xff, size);
	if (offset >= SERIAL_REGISTERS)
		return;
	pthread_mutex_lock(&s->lock);
	*(uint8_t *)data = read_register(s, offset);
	pthread_mutex_unlock(&s->lock);
}

void serial_write(struct serial *s, uint64_t offset, const void *data, size_t size)
{
	(void)size; /* registers are bytes */
	if (offset >= SERIAL_REGISTERS)
		return;
	pthread_mutex_lock(&s->lock);
	write_register(s, offset, *(const uint8_t *)data);
	pthread_mutex_unlock(&s->lock);
}

enum field { DUE = 1, INTERRUPTS, FIFO, LINE, MODEM, SCRATCH, DIVISOR_LOW, DIVISOR_HIGH, FIELDS };

void serial_save(const struct serial *s, struct strbuf *out)
{
	const uint8_t values[FIELDS] = {
		[DUE] = s->is_due,
		[INTERRUPTS] = s->interrupts,
		[FIFO] = s->fifo,
		[LINE] = s->line,
		[MODEM] = s->modem,
		[SCRATCH] = s->scratch,
		[DIVISOR_LOW] = s->divisor[0],
		[DIVISOR_HIGH] = s->divisor[1],
	};

	for (uint32_t i = 1; i < FIELDS; i++)
		wire_add_varint(out, i, values[i]);
}

int serial_restore(struct serial *s, const void *data, size_t len)
{
	struct wire_reader reader = { data, (const uint8_t *)data + len };
	uint8_t values[FIELDS] = { 0 };
	struct wire_field f;
	int r;

	while ((r = wire_next(&reader, &f)) > 0) {
		if (f.number >= FIELDS || f.type != WIRE_VARINT)
			continue;
		if (f.value > UINT8_MAX)
			return -EBADMSG;
		values[f.number] = (uint8_t)f.value;
	}
	if (r < 0)
		return r;
	s->interrupts = values[INTERRUPTS] & 0xf;
	s->fifo = values[FIFO];
	s->line = values[LINE];
	s->modem = values[MODEM] & 0x1f;
	s->scratch = values[SCRATCH];
	s->divisor[0] = values[DIVISOR_LOW];
	s->divisor[1] = values[DIVISOR_HIGH];
	s->is_due = false;
	if (values[DUE]) /* it may have been on its way to the guest */
		interrupt(s);
	return 0;
}

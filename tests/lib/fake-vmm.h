/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The parts of fake-vmm: what it says (fake-vmm-wire.c), what it does ill (fake-vmm-deeds.c), and
 * the guest that they are parts of (fake-vmm.c). */

#define YAMUX_HEADER 12
#define TTRPC_HEADER 10
#define WINDOW (256u * 1024)
#define STREAMS 256
#define MESSAGE_MAX (4u << 20)
#define PIECE (32u * 1024)
#define FLOOD (256u << 20) /* somebody's disk is at the other end */

enum frame_type { DATA, WINDOW_UPDATE, PING, GO_AWAY };
enum flag { SYN = 1, ACK = 2, FIN = 4, RST = 8 };
enum use { HANDSHAKE, RPC, STDIO };

struct buffer {
	uint8_t *data;
	size_t len;
};

struct stream {
	uint32_t id; /* 0: free */
	enum use use;
	uint32_t number; /* of STDIO */
	uint32_t window; /* what moat's side still takes */
	struct buffer in;
};

struct waiter {
	struct stream *stream;
	uint32_t call;
};

struct deed {
	const char *name;
	void (*run)(struct stream *st, uint32_t call);
	bool goes_on; /* what is right is done after it, as far as it is still possible */
};

struct guest {
	int channel, qmp, console;
	struct stream streams[STREAMS];
	struct buffer in;
	uint32_t last_number;
	uint32_t stdio[3]; /* ports of the first container */
	struct waiter init_waiters[64];
	size_t init_waiters_count;
	bool has_ended;
	int status;

	char *moment, *deed; /* NULL once done */
	long long cut, sent;
	char *cut_deed;
	bool is_silent;	 /* reads, but says nothing more */
	bool is_deaf;	 /* does not even read */
	bool is_talking; /* in the middle of a message: what is asked meanwhile waits */
	struct stream *flooded;
	bool is_endless; /* the flood */
	int flooded_fd;
};
extern struct guest guest;

/* fake-vmm-wire.c */
void report_memory(void);
void *grow(void *data, size_t size);
void append(struct buffer *b, const void *data, size_t len);
void drop(struct buffer *b, size_t len);
void write_whole(int fd, const void *data, size_t len);
void frame(unsigned int version, unsigned int type, unsigned int flags, uint32_t id,
	   uint32_t length, const void *data, size_t len);
void control(enum frame_type type, unsigned int flags, uint32_t id, uint32_t length);
void send_data(struct stream *st, const void *data, size_t len);
void put_number(struct buffer *b, unsigned int tag, uint64_t value);
void put_text(struct buffer *b, unsigned int tag, const void *data, size_t len);
uint64_t find_field(const uint8_t *at, size_t len, unsigned int tag, struct buffer *ret_text);
void send_message(struct stream *st, uint32_t length, uint32_t call, uint8_t type,
		  const struct buffer *payload);
void respond(struct stream *st, uint32_t call, uint8_t type, int64_t code, const void *text,
	     size_t text_len, const struct buffer *message);
void answer(struct stream *st, uint32_t call, const struct buffer *message);
void answer_number(struct stream *st, uint32_t call, uint64_t number);
void emit(const void *data, size_t len);
struct stream *find_number(uint32_t number);

/* fake-vmm-deeds.c */
const struct deed *find_deed(const char *name);
/* True: what is right is to be done all the same. */
bool do_deed(const char *name, struct stream *st, uint32_t call);

/* fake-vmm.c: serves moat for so long */
void pump(int timeout_ms);

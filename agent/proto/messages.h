/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/proto/bytes.h"
#include "agent/proto/agent.pb.h"
#include "agent/proto/csi.pb.h"
#include "agent/proto/health.pb.h"

struct error;
struct strbuf;

/*
 * The protocol's messages as nanopb structs, generated from the .proto files beside this header.
 * Strings, arrays and optional large messages are heap pointers that the struct owns; NULL is
 * empty. A struct that a caller fills to send it may point anywhere and is not released.
 */

/* Encodes *@msg behind what @sb holds. -EMSGSIZE when it cannot be a message's size. */
int agent_message_encode(const pb_msgdesc_t *desc, const void *msg, struct strbuf *sb);

/* Decodes into *@ret, which is zeroed first (@size: of the C struct) and on success wants
 * agent_message_release(). Foreign bytes: -EBADMSG and nothing to release. */
int agent_message_decode(const pb_msgdesc_t *desc, size_t size, const void *data, size_t len,
			 void *ret);

/* Frees what a decoded message owns. */
void agent_message_release(const pb_msgdesc_t *desc, void *msg);

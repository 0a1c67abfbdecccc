/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pb.h>
#include <stddef.h>
#include <stdint.h>

/* A bytes field of any size. Decoded ones live on the heap and belong to their message
 * (agent_message_release()); one that is sent may point anywhere. */
struct agent_bytes {
	const uint8_t *data;
	size_t size;
};

/* nanopb's hook for every such field. */
bool agent_bytes_callback(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field);

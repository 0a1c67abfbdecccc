/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct loop;
struct winsize;

/*
 * Copies between our standard input and output and a terminal's master, in a loop. While it
 * lives, our own terminal (if standard input is one) is in raw mode.
 */
struct relay;

/* Takes over @master. */
int relay_new(struct loop *loop, int master, struct relay **ret);
/* Restores our terminal; NULL is accepted. */
void relay_free(struct relay *relay);

/* Our window's size becomes the container's; without a window of ours nothing happens. */
void relay_resize(const struct relay *relay);

/* That size; false: none of our descriptors 0 to 2 is a terminal. */
bool relay_window(struct winsize *ret);

/* Quits the loop with code 0 when the other side has hung up. */
void relay_end_with_it(struct relay *relay);

/* The process has ended: quits the loop with code 0 once what it wrote has arrived. A process of
 * the container that lives on and keeps the terminal is not waited for. */
void relay_drain(struct relay *relay);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct error;

/*
 * Disks that are made of a directory of the host's: files with an ext4 of a given size, in which
 * only what is used takes room. One lies in a container's state directory as IMAGE_NAME, or a
 * symbolic link of that name leads to it.
 */
#define IMAGE_NAME "root.img"
#define IMAGE_DEFAULT_MIB 10240

/* Makes it of @source for the container whose state directory @state_dir is. @dir: where it shall
 * lie instead, or NULL. By a program of e2fsprogs, which ends with this process. */
int image_make(const char *source, const char *state_dir, const char *dir, uint32_t size_mib,
	       struct error *err);

/*
 * A disk as a file without holes, for archives that know none: pieces, each of which begins with
 * its place and its size in bytes (64 bits each, little-endian), and at the end the disk's size
 * and 0.
 */

/* Writes the disk @from to @to; leaf: 0 or -errno. */
int image_pack(int from, int to);
/* Makes the disk that was packed into @from. */
int image_unpack(int from, const char *state_dir, const char *dir, struct error *err);

/* Removes what a link in @state_fd leads to; the rest goes with that directory. */
void image_remove(int state_fd);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * The tmpcopyup option: a new, still detached tmpfs starts with a copy of the directory it is about
 * to cover. @from_fd (O_PATH is enough) belongs to an image and is hostile: everything in it is
 * reached by descriptor, links are copied and never followed, other mounts are not entered, and
 * what changes meanwhile is copied in one of its states or left out. Nobody else sees @to_fd yet.
 *
 * Copied are directories, files (holes stay holes, hard links stay together), symbolic links,
 * device nodes, pipes and sockets, with owner, mode, times and what the tmpfs takes of their
 * extended attributes. A user namespace may forbid devices and owners: those are left out.
 * "No space left on device" when it is more than the tmpfs may hold.
 */
int copy_up(int from_fd, int to_fd, struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/criu/criu.h"

struct globals;

/* What `checkpoint` and `restore` have in common. */
/* clang-format off */
#define CRIU_OPTION_SPECS(at) \
	{ "image-path", 0, OPTION_PATH, at(image_path), NULL, "DIR", "the files (default: ./checkpoint)" }, \
	{ "work-path", 0, OPTION_PATH, at(work_path), NULL, "DIR", "CRIU's log (default: with the files)" }, \
	{ "tcp-established", 0, OPTION_FLAG, at(tcp_established), NULL, NULL, "with TCP connections that are open" }, \
	{ "ext-unix-sk", 0, OPTION_FLAG, at(ext_unix_sk), NULL, NULL, "with Unix sockets that lead outside" }, \
	{ "shell-job", 0, OPTION_FLAG, at(shell_job), NULL, NULL, "with a terminal of the caller's" }, \
	{ "file-locks", 0, OPTION_FLAG, at(file_locks), NULL, NULL, "with locks on files" }, \
	{ "manage-cgroups-mode", 0, OPTION_WORD, at(cgroups_mode), &criu_cgroups_modes, "soft|full|strict|ignore", "what becomes of cgroups inside (default: soft)" }, \
	{ "network-lock", 0, OPTION_WORD, at(network_lock), &criu_network_locks, "iptables|nftables|skip", "how packets are held back (default: iptables)" }, \
	{ "empty-ns", 0, OPTION_TEXTS, at(empty_namespaces), NULL, "network", "without what is in that namespace" }, \
	{ "auto-dedup", 0, OPTION_FLAG, at(auto_dedup), NULL, NULL, "free memory pages in the files that are not needed any more" }, \
	{ "lazy-pages", 0, OPTION_FLAG, at(lazy_pages), NULL, NULL, "memory by a page server, when it is needed" }
/* clang-format on */

/* What is left to be decided once the options are read. */
void criu_options_complete(struct criu_options *options, const struct globals *globals);

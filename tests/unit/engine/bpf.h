/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/* The verdict of a filter on one system call, as the kernel's interpreter would give it. A program
 * that seccomp_program_check() refuses fails the test. */
uint32_t bpf_run(const struct sock_fprog *program, const struct seccomp_data *data);

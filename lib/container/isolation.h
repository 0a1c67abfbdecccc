/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct oci_config;

/*
 * What a new container runs behind. The first that says so: the command line, $MOAT_ISOLATION, the
 * name of the program ("moat-native", "runk": native), the annotation io.moat.isolation if it is one
 * of those that are allowed, a vm section in config.json (config-vm.md) or crun's annotation
 * run.oci.handler=krun, moat.json; else a VM.
 */
#define ISOLATION_ANNOTATION "io.moat.isolation"

/* Without a look at the container, so that a program that has to execute itself once more need not
 * read it twice. @flag: enum isolation, or -1. *ret: -1 when none of the first three says
 * anything. */
int isolation_choose_early(int flag, const char *program, int *ret, struct error *err);

/* The others. @allowed: names of annotations, or NULL. @configured: moat.json's, or -1. */
int isolation_choose(const struct oci_config *config, char *const *allowed, int configured,
		     int *ret, struct error *err);

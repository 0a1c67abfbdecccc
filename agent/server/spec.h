/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/proto/messages.h"

/*
 * Kata's Spec message and its parts as the JSON text they were made from, for oci/ to parse and to
 * validate: one reader of configurations, whoever sends them. Pure. free(3) the text.
 *
 * The message cannot tell what was absent from what was zero, and takes it for absent; as with
 * Kata's agent. A rule for devices therefore means every device when both of its numbers are 0.
 */
char *spec_config_text(const grpc_Spec *spec);
char *spec_process_text(const grpc_Process *process);
char *spec_resources_text(const grpc_LinuxResources *resources);

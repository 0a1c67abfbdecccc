/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/proto/method.h"

#include <errno.h>

#include "lib/base/str.h"

#define METHOD(service_, name_, request_, response_)                                               \
	{                                                                                          \
		.service = service_, .name = #name_, .request = &grpc_##request_##_msg,            \
		.request_size = sizeof(grpc_##request_), .response = &grpc_##response_##_msg,      \
		.response_size = sizeof(grpc_##response_)                                          \
	}
#define HEALTH(name, request, response) METHOD("grpc.Health", name, request, response)
#define AGENT(name, request, response) METHOD("grpc.AgentService", name, request, response)

/* clang-format off */
const struct agent_method_info agent_methods[AGENT_METHOD_COUNT] = {
	[AGENT_CHECK] = HEALTH(Check, CheckRequest, HealthCheckResponse),
	[AGENT_VERSION] = HEALTH(Version, CheckRequest, VersionCheckResponse),
	[AGENT_CREATE_SANDBOX] = AGENT(CreateSandbox, CreateSandboxRequest, Empty),
	[AGENT_DESTROY_SANDBOX] = AGENT(DestroySandbox, DestroySandboxRequest, Empty),
	[AGENT_CREATE_CONTAINER] = AGENT(CreateContainer, CreateContainerRequest, Empty),
	[AGENT_START_CONTAINER] = AGENT(StartContainer, StartContainerRequest, Empty),
	[AGENT_REMOVE_CONTAINER] = AGENT(RemoveContainer, RemoveContainerRequest, Empty),
	[AGENT_EXEC_PROCESS] = AGENT(ExecProcess, ExecProcessRequest, Empty),
	[AGENT_SIGNAL_PROCESS] = AGENT(SignalProcess, SignalProcessRequest, Empty),
	[AGENT_WAIT_PROCESS] = AGENT(WaitProcess, WaitProcessRequest, WaitProcessResponse),
	[AGENT_WRITE_STDIN] = AGENT(WriteStdin, WriteStreamRequest, WriteStreamResponse),
	[AGENT_READ_STDOUT] = AGENT(ReadStdout, ReadStreamRequest, ReadStreamResponse),
	[AGENT_READ_STDERR] = AGENT(ReadStderr, ReadStreamRequest, ReadStreamResponse),
	[AGENT_CLOSE_STDIN] = AGENT(CloseStdin, CloseStdinRequest, Empty),
	[AGENT_ATTACH_STDIO] = AGENT(AttachStdio, AttachStdioRequest, Empty),
	[AGENT_TTY_WIN_RESIZE] = AGENT(TtyWinResize, TtyWinResizeRequest, Empty),
	[AGENT_GET_GUEST_DETAILS] =
		AGENT(GetGuestDetails, GuestDetailsRequest, GuestDetailsResponse),
	[AGENT_SET_GUEST_DATE_TIME] = AGENT(SetGuestDateTime, SetGuestDateTimeRequest, Empty),
	[AGENT_RESEED_RANDOM_DEV] = AGENT(ReseedRandomDev, ReseedRandomDevRequest, Empty),
	[AGENT_PAUSE_CONTAINER] = AGENT(PauseContainer, PauseContainerRequest, Empty),
	[AGENT_RESUME_CONTAINER] = AGENT(ResumeContainer, ResumeContainerRequest, Empty),
	[AGENT_UPDATE_CONTAINER] = AGENT(UpdateContainer, UpdateContainerRequest, Empty),
	[AGENT_STATS_CONTAINER] =
		AGENT(StatsContainer, StatsContainerRequest, StatsContainerResponse),
	[AGENT_GET_OOM_EVENT] = AGENT(GetOOMEvent, GetOOMEventRequest, OOMEvent),
	[AGENT_LIST_PROCESSES] = AGENT(ListProcesses, ListProcessesRequest, ListProcessesResponse),
	[AGENT_UPDATE_INTERFACE] = {
		.service = "grpc.AgentService", .name = "UpdateInterface",
		.request = &grpc_UpdateInterfaceRequest_msg,
		.request_size = sizeof(grpc_UpdateInterfaceRequest),
		.response = &types_Interface_msg, /* the one message of another package */
		.response_size = sizeof(types_Interface),
	},
	[AGENT_UPDATE_ROUTES] = AGENT(UpdateRoutes, UpdateRoutesRequest, Routes),
	[AGENT_LIST_INTERFACES] = AGENT(ListInterfaces, ListInterfacesRequest, Interfaces),
	[AGENT_LIST_ROUTES] = AGENT(ListRoutes, ListRoutesRequest, Routes),
	[AGENT_ADD_ARP_NEIGHBORS] = AGENT(AddARPNeighbors, AddARPNeighborsRequest, Empty),
	[AGENT_GET_IP_TABLES] = AGENT(GetIPTables, GetIPTablesRequest, GetIPTablesResponse),
	[AGENT_SET_IP_TABLES] = AGENT(SetIPTables, SetIPTablesRequest, SetIPTablesResponse),
	[AGENT_GET_METRICS] = AGENT(GetMetrics, GetMetricsRequest, Metrics),
	[AGENT_ONLINE_CPU_MEM] = AGENT(OnlineCPUMem, OnlineCPUMemRequest, Empty),
	[AGENT_MEM_HOTPLUG_BY_PROBE] = AGENT(MemHotplugByProbe, MemHotplugByProbeRequest, Empty),
	[AGENT_COPY_FILE] = AGENT(CopyFile, CopyFileRequest, Empty),
	[AGENT_ADD_SWAP] = AGENT(AddSwap, AddSwapRequest, Empty),
	[AGENT_ADD_SWAP_PATH] = AGENT(AddSwapPath, AddSwapPathRequest, Empty),
	[AGENT_GET_VOLUME_STATS] = AGENT(GetVolumeStats, VolumeStatsRequest, VolumeStatsResponse),
	[AGENT_RESIZE_VOLUME] = AGENT(ResizeVolume, ResizeVolumeRequest, Empty),
	[AGENT_UPDATE_EPHEMERAL_MOUNTS] =
		AGENT(UpdateEphemeralMounts, UpdateEphemeralMountsRequest, Empty),
	[AGENT_REMOVE_STALE_SHARE_MOUNTS] =
		AGENT(RemoveStaleVirtiofsShareMounts, RemoveStaleVirtiofsShareMountsRequest, Empty),
	[AGENT_GET_DIAGNOSTIC_DATA] =
		AGENT(GetDiagnosticData, GetDiagnosticDataRequest, GetDiagnosticDataResponse),
	[AGENT_SET_POLICY] = AGENT(SetPolicy, SetPolicyRequest, Empty),
	[AGENT_MEM_AGENT_MEMCG_SET] = AGENT(MemAgentMemcgSet, MemAgentMemcgConfig, Empty),
	[AGENT_MEM_AGENT_COMPACT_SET] = AGENT(MemAgentCompactSet, MemAgentCompactConfig, Empty),
};
/* clang-format on */

int agent_method_find(const char *service, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(agent_methods); i++)
		if (streq(agent_methods[i].name, name) && streq(agent_methods[i].service, service))
			return (int)i;
	return -ENOENT;
}

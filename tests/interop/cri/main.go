// SPDX-License-Identifier: Apache-2.0

// cri does what the tests want of crictl, with crictl's words, on machines that have none: it makes
// a call of the Container Runtime Interface and prints the answer. What streams (attach,
// port-forward, exec with a terminal) it cannot do.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type caller struct {
	context context.Context
	service cri.RuntimeServiceClient
}

type command struct {
	arguments int // at least
	run       func(c *caller, flags *options, args []string) error
}

type options struct {
	runtime string
	timeout int64
	force   bool
	quiet   bool
	sync    bool
	output  string
	memory  int64
	quota   int64
	period  int64
}

var commands = map[string]command{
	"runp":     {1, runPod},
	"create":   {3, createContainer},
	"start":    {1, startContainer},
	"exec":     {2, execSync},
	"stats":    {1, containerStats},
	"update":   {1, updateContainer},
	"inspect":  {1, inspectContainer},
	"inspectp": {1, inspectPod},
	"ps":       {0, listContainers},
	"pods":     {0, listPods},
	"stop":     {1, stopContainer},
	"rm":       {1, removeContainer},
	"stopp":    {1, stopPod},
	"rmp":      {1, removePod},
}

func readJSON(path string, into interface{}) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func show(message proto.Message) error {
	marshaler := jsonpb.Marshaler{Indent: "  "}
	text, err := marshaler.MarshalToString(message)
	if err == nil {
		fmt.Println(text)
	}
	return err
}

func runPod(c *caller, flags *options, args []string) error {
	request := &cri.RunPodSandboxRequest{RuntimeHandler: flags.runtime}
	if err := readJSON(args[0], &request.Config); err != nil {
		return err
	}
	answer, err := c.service.RunPodSandbox(c.context, request)
	if err == nil {
		fmt.Println(answer.PodSandboxId)
	}
	return err
}

func createContainer(c *caller, flags *options, args []string) error {
	request := &cri.CreateContainerRequest{PodSandboxId: args[0]}
	if err := readJSON(args[1], &request.Config); err != nil {
		return err
	}
	if err := readJSON(args[2], &request.SandboxConfig); err != nil {
		return err
	}
	answer, err := c.service.CreateContainer(c.context, request)
	if err == nil {
		fmt.Println(answer.ContainerId)
	}
	return err
}

func startContainer(c *caller, flags *options, args []string) error {
	_, err := c.service.StartContainer(c.context, &cri.StartContainerRequest{ContainerId: args[0]})
	return err
}

func execSync(c *caller, flags *options, args []string) error {
	if !flags.sync {
		return errors.New("exec: only with --sync")
	}
	answer, err := c.service.ExecSync(c.context, &cri.ExecSyncRequest{
		ContainerId: args[0], Cmd: args[1:], Timeout: flags.timeout,
	})
	if err != nil {
		return err
	}
	os.Stdout.Write(answer.Stdout)
	os.Stderr.Write(answer.Stderr)
	if answer.ExitCode != 0 {
		return fmt.Errorf("command terminated with exit code %d", answer.ExitCode)
	}
	return nil
}

func containerStats(c *caller, flags *options, args []string) error {
	answer, err := c.service.ContainerStats(c.context, &cri.ContainerStatsRequest{ContainerId: args[0]})
	if err != nil {
		return err
	}
	return show(&cri.ListContainerStatsResponse{Stats: []*cri.ContainerStats{answer.Stats}})
}

func updateContainer(c *caller, flags *options, args []string) error {
	_, err := c.service.UpdateContainerResources(c.context, &cri.UpdateContainerResourcesRequest{
		ContainerId: args[0],
		Linux: &cri.LinuxContainerResources{
			MemoryLimitInBytes: flags.memory, CpuQuota: flags.quota, CpuPeriod: flags.period,
		},
	})
	return err
}

func inspectContainer(c *caller, flags *options, args []string) error {
	answer, err := c.service.ContainerStatus(c.context, &cri.ContainerStatusRequest{ContainerId: args[0]})
	if err != nil {
		return err
	}
	return show(answer)
}

func inspectPod(c *caller, flags *options, args []string) error {
	answer, err := c.service.PodSandboxStatus(c.context, &cri.PodSandboxStatusRequest{PodSandboxId: args[0]})
	if err != nil {
		return err
	}
	return show(answer)
}

func listContainers(c *caller, flags *options, args []string) error {
	answer, err := c.service.ListContainers(c.context, &cri.ListContainersRequest{})
	if err != nil {
		return err
	}
	for _, container := range answer.Containers {
		fmt.Println(container.Id)
	}
	return nil
}

func listPods(c *caller, flags *options, args []string) error {
	answer, err := c.service.ListPodSandbox(c.context, &cri.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	for _, pod := range answer.Items {
		fmt.Println(pod.Id)
	}
	return nil
}

func stopContainer(c *caller, flags *options, args []string) error {
	_, err := c.service.StopContainer(c.context, &cri.StopContainerRequest{
		ContainerId: args[0], Timeout: flags.timeout,
	})
	return err
}

func removeContainer(c *caller, flags *options, args []string) error {
	if flags.force {
		if err := stopContainer(c, &options{}, args); err != nil {
			return err
		}
	}
	_, err := c.service.RemoveContainer(c.context, &cri.RemoveContainerRequest{ContainerId: args[0]})
	return err
}

func stopPod(c *caller, flags *options, args []string) error {
	_, err := c.service.StopPodSandbox(c.context, &cri.StopPodSandboxRequest{PodSandboxId: args[0]})
	return err
}

func removePod(c *caller, flags *options, args []string) error {
	if flags.force {
		if err := stopPod(c, flags, args); err != nil {
			return err
		}
	}
	_, err := c.service.RemovePodSandbox(c.context, &cri.RemovePodSandboxRequest{PodSandboxId: args[0]})
	return err
}

func parse(name string, args []string) (*options, []string, error) {
	flags := &options{}
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.StringVar(&flags.runtime, "runtime", "", "runtime handler of a pod")
	set.Int64Var(&flags.timeout, "timeout", 0, "seconds")
	set.BoolVar(&flags.force, "force", false, "stop it first")
	set.BoolVar(&flags.quiet, "quiet", false, "identifiers alone, as always")
	set.BoolVar(&flags.sync, "sync", false, "without a stream")
	set.StringVar(&flags.output, "output", "json", "json, as always")
	set.Int64Var(&flags.memory, "memory", 0, "bytes")
	set.Int64Var(&flags.quota, "cpu-quota", 0, "microseconds")
	set.Int64Var(&flags.period, "cpu-period", 0, "microseconds")
	err := set.Parse(args)
	return flags, set.Args(), err
}

func run(endpoint string, limit time.Duration, words []string) error {
	if len(words) == 0 {
		return errors.New("usage: cri --runtime-endpoint ADDRESS COMMAND [OPTIONS] [ARGUMENTS]")
	}
	command, ok := commands[words[0]]
	if !ok {
		return fmt.Errorf("unknown command '%s'", words[0])
	}
	flags, args, err := parse(words[0], words[1:])
	if err != nil {
		return err
	}
	if len(args) < command.arguments {
		return fmt.Errorf("%s: needs %d arguments", words[0], command.arguments)
	}
	patience, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	connection, err := grpc.DialContext(patience, endpoint, grpc.WithBlock(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	return command.run(&caller{patience, cri.NewRuntimeServiceClient(connection)}, flags, args)
}

func main() {
	endpoint := flag.String("runtime-endpoint", "", "address of the engine")
	limit := flag.Duration("timeout", 2*time.Second, "how long to wait")
	flag.Parse()
	if err := run(*endpoint, *limit, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "cri:", err)
		os.Exit(1)
	}
}

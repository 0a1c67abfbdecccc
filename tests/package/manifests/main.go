// SPDX-License-Identifier: Apache-2.0

// manifests FILE…: reads manifests into Kubernetes' own types, in which no field may be unknown, and
// prints the kind and name of each object. A pod's references to what is in the same files are checked.
package main

import (
	"fmt"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"sigs.k8s.io/yaml"
)

type object interface {
	GetName() string
	GetNamespace() string
}

var kinds = map[string]func() object{
	"v1/Namespace":                func() object { return &corev1.Namespace{} },
	"v1/ServiceAccount":           func() object { return &corev1.ServiceAccount{} },
	"apps/v1/DaemonSet":           func() object { return &appsv1.DaemonSet{} },
	"node.k8s.io/v1/RuntimeClass": func() object { return &nodev1.RuntimeClass{} },
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func checkDaemonSet(set *appsv1.DaemonSet, known map[string]bool) error {
	pod := set.Spec.Template
	for key, value := range set.Spec.Selector.MatchLabels {
		if pod.Labels[key] != value {
			return fmt.Errorf("%s: the selector does not match its pods", set.Name)
		}
	}
	if !known["Namespace "+set.Namespace] || !known["ServiceAccount "+pod.Spec.ServiceAccountName] {
		return fmt.Errorf("%s: its namespace or service account is missing", set.Name)
	}
	volumes := map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		volumes[volume.Name] = true
	}
	for _, container := range pod.Spec.Containers {
		for _, mount := range container.VolumeMounts {
			if !volumes[mount.Name] {
				return fmt.Errorf("%s: no volume '%s'", set.Name, mount.Name)
			}
		}
	}
	return nil
}

func read(text string) (string, object, error) {
	var kind struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
		return "", nil, err
	}
	make := kinds[kind.APIVersion+"/"+kind.Kind]
	if make == nil {
		return "", nil, fmt.Errorf("unknown kind '%s/%s'", kind.APIVersion, kind.Kind)
	}
	result := make()
	return kind.Kind, result, yaml.UnmarshalStrict([]byte(text), result)
}

func main() {
	known := map[string]bool{}
	for _, path := range os.Args[1:] {
		all, err := os.ReadFile(path)
		if err != nil {
			fail(err)
		}
		for _, text := range strings.Split(string(all), "\n---\n") {
			kind, object, err := read(text)
			if err != nil {
				fail(fmt.Errorf("%s: %w", path, err))
			}
			known[kind+" "+object.GetName()] = true
			if set, is := object.(*appsv1.DaemonSet); is {
				if err := checkDaemonSet(set, known); err != nil {
					fail(err)
				}
			}
			fmt.Println(kind, object.GetName())
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

// features reads what a runtime's command of that name prints, on standard input, as engines do: into the
// specification's own types, and by the rules by which CRI-O and containerd decide what they may ask of it.
// One line for each rule, "ok" or "not ok"; the exit status is 1 if one of them does not hold.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go/features"
)

// isTrue: engines take what is missing for no.
func isTrue(b *bool) bool {
	return b != nil && *b
}

func has(list []string, word string) bool {
	for _, each := range list {
		if each == word {
			return true
		}
	}
	return false
}

// CRI-O: loadRuntimeFeatures in pkg/config/config.go; else the handler has none.
func isValid(f *features.Features) bool {
	return f.OCIVersionMin != "" && f.OCIVersionMax != ""
}

// CRI-O: RuntimeSupportsIDMap; containerd: supportsIDMapMounts in core/runtime/v2.
func mapsIds(f *features.Features) bool {
	l := f.Linux
	return l != nil && l.MountExtensions != nil && l.MountExtensions.IDMap != nil &&
		isTrue(l.MountExtensions.IDMap.Enabled)
}

// containerd: supportsCRIUserns in internal/cri/server.
func hasPodUserNamespaces(f *features.Features) bool {
	return f.Linux != nil && has(f.Linux.Namespaces, "user") && mapsIds(f)
}

// Both: what the kubelet hears as RuntimeHandlerFeatures.recursive_read_only_mounts.
func hasRecursiveReadOnly(f *features.Features) bool {
	return has(f.MountOptions, "rro")
}

// podman and CRI-O, before they save a container; containerd leaves it to the runtime.
func savesContainers(f *features.Features) bool {
	return f.Annotations["org.opencontainers.runc.checkpoint.enabled"] == "true"
}

// features.md: a name, or a prefix that ends in a dot.
func namesUnsafe(f *features.Features) bool {
	for _, annotation := range []string{"run.oci.hooks.stdout", "org.systemd.property.X", "org.criu.config"} {
		found := false
		for _, each := range f.PotentiallyUnsafeConfigAnnotations {
			found = found || each == annotation || strings.HasSuffix(each, ".") && strings.HasPrefix(annotation, each)
		}
		if !found {
			return false
		}
	}
	return true
}

// isFilled: no field of the specification's is missing, which would mean "unknown".
func isFilled(v reflect.Value, path string) bool {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			fmt.Println("# missing:", path)
			return false
		}
		return isFilled(v.Elem(), path)
	case reflect.Struct:
		filled := true
		for i := 0; i < v.NumField(); i++ {
			filled = isFilled(v.Field(i), path+"."+v.Type().Field(i).Name) && filled
		}
		return filled
	case reflect.Slice, reflect.Map, reflect.String:
		if v.Len() == 0 {
			fmt.Println("# missing:", path)
		}
		return v.Len() > 0
	}
	return true
}

func main() {
	var f features.Features
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		fmt.Println("not ok the specification's types:", err)
		os.Exit(1)
	}
	status := 0
	for _, rule := range []struct {
		name string
		held bool
	}{
		{"every field of the specification's is there", isFilled(reflect.ValueOf(&f), "features")},
		{"CRI-O: the document is valid", isValid(&f)},
		{"CRI-O, containerd: ids of mounts are mapped", mapsIds(&f)},
		{"CRI-O, containerd: read-only mounts, recursively", hasRecursiveReadOnly(&f)},
		{"containerd: pods with user namespaces", hasPodUserNamespaces(&f)},
		{"containers are saved", savesContainers(&f)},
		{"annotations that are not to come from an image are named", namesUnsafe(&f)},
	} {
		word := "ok"
		if !rule.held {
			word, status = "not ok", 1
		}
		fmt.Println(word, rule.name)
	}
	os.Exit(status)
}

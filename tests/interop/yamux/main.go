// SPDX-License-Identifier: Apache-2.0

// Runs moat's end of a yamux session (tests/unit/proto/yamux-end.c, the program that the argument names) against hashicorp's,
// each once as the client, and prints TAP.
package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"
)

const (
	streams = 40
	size    = 1500000 // several windows
)

func config() *yamux.Config {
	c := yamux.DefaultConfig()
	c.KeepAliveInterval = 100 * time.Millisecond
	c.LogOutput = io.Discard // it warns of each stream that was given up
	return c
}

// peer starts moat's end, on a socket of which the other end is returned.
func peer(args ...string) (net.Conn, *exec.Cmd, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs := os.NewFile(uintptr(fds[1]), "theirs")
	defer theirs.Close()
	ours := os.NewFile(uintptr(fds[0]), "ours")
	defer ours.Close()
	cmd := exec.Command(os.Args[1], args...)
	cmd.Stdin, cmd.Stderr = theirs, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	conn, err := net.FileConn(ours)
	return conn, cmd, err
}

func exchange(session *yamux.Session) error {
	stream, err := session.Open()
	if err != nil {
		return err
	}
	defer stream.Close()
	sent := make([]byte, size)
	if _, err := rand.Read(sent); err != nil {
		return err
	}
	go func() {
		stream.Write(sent)
		stream.Close() // of our half
	}()
	got, err := io.ReadAll(stream)
	if err != nil {
		return err
	}
	if !bytes.Equal(sent, got) {
		return fmt.Errorf("%d bytes came back, of %d, or others", len(got), len(sent))
	}
	return nil
}

// together runs work as often as there are streams, all at once.
func together(work func() error) error {
	var wait sync.WaitGroup
	errs := make(chan error, streams)
	for i := 0; i < streams; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			errs <- work()
		}()
	}
	wait.Wait()
	for i := 0; i < streams; i++ {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func serves() error {
	conn, cmd, err := peer("echo")
	if err != nil {
		return err
	}
	session, err := yamux.Client(conn, config())
	if err != nil {
		return err
	}
	if err := together(func() error { return exchange(session) }); err != nil {
		return err
	}
	if _, err := session.Ping(); err != nil {
		return err
	}
	session.Close()
	return cmd.Wait()
}

func opens() error {
	conn, cmd, err := peer("send", fmt.Sprint(streams), fmt.Sprint(size))
	if err != nil {
		return err
	}
	session, err := yamux.Server(conn, config())
	if err != nil {
		return err
	}
	defer session.Close()
	err = together(func() error {
		stream, err := session.Accept()
		if err != nil {
			return err
		}
		defer stream.Close()
		_, err = io.Copy(stream, stream)
		return err
	})
	if err != nil {
		return err
	}
	return cmd.Wait()
}

// abandons resets streams in the middle; the session goes on.
func abandons() error {
	conn, cmd, err := peer("echo")
	if err != nil {
		return err
	}
	c := config()
	c.StreamCloseTimeout = 10 * time.Millisecond
	session, err := yamux.Client(conn, c)
	if err != nil {
		return err
	}
	err = together(func() error {
		stream, err := session.Open()
		if err != nil {
			return err
		}
		go stream.Write(make([]byte, size)) // until the window is full, since nothing is read
		time.Sleep(50 * time.Millisecond)
		return stream.Close()
	})
	time.Sleep(100 * time.Millisecond)
	if err != nil {
		return err
	}
	if err := exchange(session); err != nil {
		return err
	}
	session.Close()
	return cmd.Wait()
}

func main() {
	failed := 0
	tests := []struct {
		name string
		run  func() error
	}{
		{"yamux: moat serves the streams that hashicorp's opens", serves},
		{"yamux: hashicorp's serves the streams that moat opens", opens},
		{"yamux: streams that are given up do not end the session", abandons},
	}
	for i, test := range tests {
		if err := test.run(); err != nil {
			failed++
			fmt.Printf("not ok %d %s\n# %s\n", i+1, test.name, strings.ReplaceAll(err.Error(), "\n", "\n# "))
			continue
		}
		fmt.Printf("ok %d %s\n", i+1, test.name)
	}
	fmt.Printf("1..%d\n", len(tests))
	if failed > 0 {
		os.Exit(1)
	}
}

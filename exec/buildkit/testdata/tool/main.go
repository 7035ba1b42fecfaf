// Command tool is the only program in the images that the tests build.
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh/agent"
)

// commands by name; what they return is printed, and a failure.
var commands = map[string]func(args []string) error{
	// FILE TEXT
	"write": func(args []string) error { return write(args[0], args[1]) },
	// FILE NAME: an environment variable
	"env": func(args []string) error { return write(args[0], os.Getenv(args[1])) },
	// FROM TO
	"copy": func(args []string) error {
		data, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		return os.WriteFile(args[1], data, 0o644)
	},
	"show":       show,
	"fail":       fail,
	"flaky":      flaky,
	"nap":        func([]string) error { time.Sleep(300 * time.Millisecond); return nil },
	"sleep":      func([]string) error { fmt.Println("sleeping"); time.Sleep(10 * time.Minute); return nil },
	"scan":       scan,
	"interfaces": interfaces,
	"agent":      keys,
	"limits":     limits,
}

func main() {
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func write(file, text string) error { return os.WriteFile(file, []byte(text+"\n"), 0o644) }

// show FILE: prints it in two pieces.
func show(args []string) error {
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	os.Stdout.Write(data[:len(data)/2])
	time.Sleep(300 * time.Millisecond)
	_, err = os.Stdout.Write(data[len(data)/2:])
	return err
}

// fail CODE: prints some lines before.
func fail(args []string) error {
	for i := range 30 {
		fmt.Println("line", i)
	}
	code, err := strconv.Atoi(args[0])
	if err == nil {
		os.Exit(code)
	}
	return err
}

// flaky FILE COUNT: fails until it was called more than COUNT times.
func flaky(args []string) error {
	text, _ := os.ReadFile(args[0]) // not there the first time
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if err := os.WriteFile(args[0], append(text, '.'), 0o644); err != nil {
		return err
	}
	if len(text) < count {
		return fmt.Errorf("not yet")
	}
	return nil
}

// scan works as a generator of SBOMs.
func scan([]string) error {
	return write(os.Getenv("BUILDKIT_SCAN_DESTINATION")+"/tool.spdx.json", `{"_type":"https://in-toto.io/Statement/v0.1",`+
		`"predicateType":"https://spdx.dev/Document","predicate":{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"tested"}}`)
}

// interfaces FILE: the names of the network interfaces.
func interfaces(args []string) error {
	list, err := net.Interfaces()
	if err != nil {
		return err
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return write(args[0], strings.Join(names, " "))
}

// keys FILE: the comments of the keys that the SSH agent has.
func keys(args []string) error {
	c, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return err
	}
	list, err := agent.NewClient(c).List()
	if err != nil {
		return err
	}
	var names []string
	for _, k := range list {
		names = append(names, k.Comment)
	}
	return write(args[0], strings.Join(names, " "))
}

// limits FILE: the hard limit of open files, the size of /dev/shm and the memory limit in bytes.
func limits(args []string) error {
	var l syscall.Rlimit
	var st syscall.Statfs_t
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if err := syscall.Statfs("/dev/shm", &st); err != nil {
		return err
	}
	memory, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil { // cgroup version 1
		memory, _ = os.ReadFile("/sys/fs/cgroup/memory/memory.limit_in_bytes")
	}
	return write(args[0], fmt.Sprintf("nofile %d shm %d memory %s", l.Max, int64(st.Blocks)*st.Bsize, strings.TrimSpace(string(memory))))
}

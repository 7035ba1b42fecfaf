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

func main() {
	switch args := os.Args[1:]; args[0] {
	case "scan": // as a generator of SBOMs
		text := `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"tested"}}`
		if err := os.WriteFile(os.Getenv("BUILDKIT_SCAN_DESTINATION")+"/tool.spdx.json", []byte(text), 0o644); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "write": // FILE TEXT
		if err := os.WriteFile(args[1], []byte(args[2]+"\n"), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "fail": // CODE
		for i := range 30 {
			fmt.Println("line", i)
		}
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "nap":
		time.Sleep(300 * time.Millisecond)
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(10 * time.Minute)
	case "flaky": // FILE COUNT: fails until it was called more than COUNT times
		text, _ := os.ReadFile(args[1])
		count, _ := strconv.Atoi(args[2])
		if err := os.WriteFile(args[1], append(text, '.'), 0o644); err != nil || len(text) < count {
			fmt.Println("not yet")
			os.Exit(1)
		}
	case "show": // FILE: prints it in two pieces
		data, err := os.ReadFile(args[1])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Stdout.Write(data[:len(data)/2])
		time.Sleep(300 * time.Millisecond)
		os.Stdout.Write(data[len(data)/2:])
	case "copy": // FROM TO
		data, err := os.ReadFile(args[1])
		if err == nil {
			err = os.WriteFile(args[2], data, 0o644)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "interfaces": // FILE: the names of the network interfaces
		list, err := net.Interfaces()
		if err != nil {
			os.Exit(1)
		}
		var names []string
		for _, i := range list {
			names = append(names, i.Name)
		}
		if err := os.WriteFile(args[1], []byte(strings.Join(names, " ")+"\n"), 0o644); err != nil {
			os.Exit(1)
		}
	case "agent": // FILE: the comments of the keys that the SSH agent has
		c, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		keys, err := agent.NewClient(c).List()
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		var names []string
		for _, k := range keys {
			names = append(names, k.Comment)
		}
		if err := os.WriteFile(args[1], []byte(strings.Join(names, " ")+"\n"), 0o644); err != nil {
			os.Exit(1)
		}
	case "limits": // FILE: the hard limit of open files, the size of /dev/shm and the memory limit in bytes
		var l syscall.Rlimit
		var st syscall.Statfs_t
		if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || syscall.Statfs("/dev/shm", &st) != nil {
			os.Exit(1)
		}
		memory, err := os.ReadFile("/sys/fs/cgroup/memory.max")
		if err != nil { // cgroup version 1
			memory, _ = os.ReadFile("/sys/fs/cgroup/memory/memory.limit_in_bytes")
		}
		text := fmt.Sprintf("nofile %d shm %d memory %s\n", l.Max, int64(st.Blocks)*st.Bsize, strings.TrimSpace(string(memory)))
		if err := os.WriteFile(args[1], []byte(text), 0o644); err != nil {
			os.Exit(1)
		}
	case "env": // FILE NAME
		if err := os.WriteFile(args[1], []byte(os.Getenv(args[2])+"\n"), 0o644); err != nil {
			os.Exit(1)
		}
	}
}

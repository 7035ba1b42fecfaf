// Command step is the program that the tests run as a build step in an otherwise empty image.
//
//	step write FILE TEXT   writes a file
//	step time FILE         writes the time of day to a file, so no two runs are alike
//	step sleep DURATION    waits; a third argument makes it recognizable
//	step arch              writes the architecture it was compiled for to /arch
package main

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch args[0] {
	case "write":
		return os.WriteFile(args[1], []byte(args[2]), 0o644)
	case "time":
		return os.WriteFile(args[1], []byte(time.Now().String()), 0o644)
	case "sleep":
		d, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		time.Sleep(d)
		return nil
	case "arch":
		return os.WriteFile("/arch", []byte(runtime.GOARCH), 0o644)
	}
	return fmt.Errorf("step: unknown order %q", args[0])
}

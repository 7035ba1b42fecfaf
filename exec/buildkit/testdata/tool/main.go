// Command tool is the only program in the images that the tests build.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	switch args := os.Args[1:]; args[0] {
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
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(10 * time.Minute)
	case "env": // FILE NAME
		if err := os.WriteFile(args[1], []byte(os.Getenv(args[2])+"\n"), 0o644); err != nil {
			os.Exit(1)
		}
	}
}

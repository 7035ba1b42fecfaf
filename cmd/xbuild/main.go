// Command xbuild builds the targets of an xbuild.hcl for many platforms.
package main

import (
	"os"

	"github.com/xbuild/xbuild/cmd/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:]))
}

# Five platforms with nothing but BuildKit and the Go of this machine: no image is pulled, no registry is asked.
#
#   xbuild run --allow fs.read=/usr/local/go     bin/linux_amd64/hello, bin/linux_arm_v7/hello, bin/windows_amd64/hello.exe, ...
#
# The toolchain lies outside the project, so the command line must grant that it is read.

variable "GOROOT" {
  description = "A Go toolchain as unpacked from go.dev: `go env GOROOT` of this machine."
  default     = "/usr/local/go"
}

platforms "desktop" {
  list = ["linux/amd64", "linux/arm64", "linux/arm/v7", "darwin/arm64", "windows/amd64"]
}

group "default" {
  targets = ["binaries"]
}

# The Dockerfile is written for cross-compilation by hand, so nothing needs to be changed in it.
target "binaries" {
  contexts  = { goroot = GOROOT }
  platforms = platforms.desktop
  strategy  = "as-written"
  output    = ["bin"]
}

# Four platforms from one Dockerfile that was written for one.
#
#   xbuild plan               what runs where, and why
#   xbuild plan --diff        the change to the Dockerfile that makes it cross-compile
#   xbuild run                bin/linux_amd64/server, bin/darwin_arm64/client, ...
#   xbuild run image          one image for two platforms, pushed to TAG

variable "GO_VERSION" {
  description = "Tag of the golang image, without -alpine."
  default     = "1.26"
}

variable "TAG" {
  description = "Where to push the server's image."
  default     = "localhost:5000/guide/server:latest"
}

platforms "desktop" {
  list = ["linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64"]
}

# A container image runs on Linux only, and so does QEMU.
platforms "linux" {
  list = ["linux/amd64", "linux/arm64"]
}

group "default" {
  targets = ["binaries"]
}

# Client and server together. "auto" sees that these are Go programs without cgo: the compiler runs natively, once for
# each platform, and the module download once for all of them.
target "binaries" {
  target    = "binaries"
  args      = { GO_VERSION = GO_VERSION }
  platforms = platforms.desktop
  strategy  = "auto"
  output    = ["bin"]
}

# The same, but it fails where cross-compiling would not be sound, and says why.
target "cross" {
  inherits = ["binaries"]
  strategy = "cross"
  output   = ["bin-cross"]
}

# What BuildKit does with this Dockerfile by itself: the whole compiler runs under QEMU. For comparison.
target "emulated" {
  inherits  = ["binaries"]
  platforms = platforms.linux
  strategy  = "emulate"
  output    = ["bin-emulated"]
}

# The server as an image: one name, an image for each platform behind it. `--var TAG=...` pushes it elsewhere.
target "image" {
  target    = "server"
  args      = { GO_VERSION = GO_VERSION }
  platforms = platforms.linux
  tags      = [TAG]
  output    = ["type=registry"]
}

# go vet does not depend on the platform, so it needs no list: it runs on the machine that builds.
target "lint" {
  target = "lint"
  args   = { GO_VERSION = GO_VERSION }
}

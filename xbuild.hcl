# xbuild builds itself: bin/linux_amd64/xbuild, bin/darwin_arm64/xbuild, bin/windows_amd64/xbuild.exe, ...
#
#   xbuild plan    what runs where, and why
#   xbuild run     build all of them

variable "GO_VERSION" {
  description = "Tag of the golang image, without -alpine."
  default     = "1.26"
}

variable "VERSION" {
  description = "What `xbuild version` prints."
  default     = "0.1.0-dev"
}

platforms "release" {
  list = ["linux/amd64", "linux/arm64", "linux/arm/v7", "darwin/arm64", "windows/amd64"]
}

group "default" {
  targets = ["binaries"]
}

target "binaries" {
  target    = "binaries"
  args      = { GO_VERSION = GO_VERSION, VERSION = VERSION }
  platforms = platforms.release
  strategy  = "auto"
  output    = ["bin"]
}

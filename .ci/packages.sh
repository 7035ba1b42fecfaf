# Sourced by ./try and ./test: installs Debian packages that are missing, and does nothing if none is.
# shellcheck shell=bash

PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin # runc and docker-registry may stand where a user does not look
export PATH

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# root COMMAND...: run as root.
root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need PROGRAM=PACKAGE...: install the packages whose programs are not found.
need() {
  local want=() pair
  for pair; do
    command -v "${pair%%=*}" >/dev/null || want+=("${pair#*=}")
  done
  [ ${#want[@]} = 0 ] || packages "${want[@]}"
}

# packages NAME...: install these.
packages() {
  local i
  command -v apt-get >/dev/null || { say "please install: $*"; exit 1; }
  say "installing $*"
  for i in 1 2 3; do # a mirror may be busy for a moment
    if root apt-get update -qq >/dev/null 2>&1 &&
      root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; then
      return 0
    fi
    sleep $((i * 5))
  done
  say "apt-get does not install $*; this is what it says:"
  root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >&2
}

# need_go: there is a Go that can read go.mod.
need_go() {
  if ! command -v go >/dev/null; then
    say "Go is not installed; see https://go.dev/doc/install"
    exit 1
  fi
  if ! go list -m >/dev/null; then
    say "this Go cannot build xbuild; go.mod names the version that can"
    exit 1
  fi
}

// Package engine pins the programs of a Docker Engine that the tests run: dockerd, and the containerd that it needs. It is a
// module of its own, so that their dependencies stay out of the tests' and of xbuild's.
package engine

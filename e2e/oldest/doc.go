// Package oldest pins the oldest buildkitd that xbuild is tested with.
package oldest

// Package dockerfile reads a Dockerfile as a graph of stages and can turn a build by emulation into a build by
// cross-compilation.
//
// In: the text of a Dockerfile ([Parse]) and, for one target platform, the values that a build gives it ([Env]). Out: the
// stages that a build reaches, each with its effective platform, its needs and a content key ([File.Resolve]); and the
// edit that pins compiling stages to the build platform, or the reason why that would be wrong ([File.Cross]).
//
// Go is the one kind of build of which this can be proven. For others a [Recipe], one file each, knows what the author could
// vouch for ([Advise]).
//
// A build that was edited gives the files of the emulated build bit for bit, but for what makes any two builds differ (the time,
// where the build asks for it), for the level of linux/amd64/v3 and its like, which only the edited build passes on, and for data
// of a base image, like /etc/ssl/certs, of which its architectures may hold different versions.
//
// Promised: the graph is BuildKit's own (same stages, same platforms, same sharing), nothing is read but the arguments,
// and an edit is offered only if every soundness condition holds. Start with [Parse].
package dockerfile

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
// Promised: the graph is BuildKit's own (same stages, same platforms, same sharing), nothing is read but the arguments,
// and an edit is offered only if every soundness condition holds. Start with [Parse].
package dockerfile

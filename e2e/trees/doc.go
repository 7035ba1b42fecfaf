// Package trees compares the folders that xbuild writes with those of docker buildx bake.
//
// In: results, each a tar archive that a Dockerfile unpacks, made by hand or at random. Out: the folders that both programs
// write from one build file and one BuildKit. Promised: equal are the names, types, modes, link targets, groups of hard links,
// extended attributes, times and contents of everything below the destination; the exceptions are the list in compare.go.
//
// It needs root, as the parts that it stands on do. BUILDX=path names a peer that is built already; else the one that e2e/peer
// pins is built. Start with [TestTrees].
package trees

// Package plan decides what runs where: it turns targets into a graph whose nodes are one stage on one platform, each with
// a kind, a place and a reason.
//
// In: a [schema.Config], a [Request] and [Facts] about the world (Dockerfiles, nodes, base images). Out: a [Plan], and
// diagnostics with the lines of the build file and the Dockerfiles. Promised: [Make] reads no clock, environment, file or
// network; the same input gives the same plan byte for byte; a Dockerfile is rewritten only where that is sound, or
// where a strategy block of the build file answers for it; the plan tells the two apart.
//
// Start with [Make], which is a list of passes, one file each.
package plan

// Package buildkit runs plans on one BuildKit node. It is a backend of package exec.
//
// In: the address of a BuildKit daemon and a [plan.Plan]. Out: the files and images that the plan's targets ask for, a
// stream of exec.Event while it works, and typed errors ([Unreachable], exec.Failure). Start with [Dial].
//
// A run is one connection, one session and one gateway build (the hub). Inside it every target and platform is
//
//  1. converted from Dockerfile to LLB, in this process where possible (convert.go), else by the daemon's own Dockerfile
//     frontend (server.go); either way the outcome is a definition whose steps are known to belong to stages of the
//     plan and to lines of the user's file (steps.go),
//  2. given one common copy of each folder it reads (locals.go, context.go), or of many small ones (bundle.go),
//  3. solved, all of them at once (run.go).
//
// What BuildKit grants or remembers for a whole request gets a request of its own beside the hub: privileges, retries
// (alone.go), attestations, cache exports (cache.go), outputs that are streams (export_archive.go). Secrets and SSH agents
// have the names that the plan gave them, since a session offers an id only once (private.go, rename.go).
//
// A daemon that is frozen says nothing, so whatever asks it for more than a moment also asks whether it is there (alive.go).
// Package bktest lets every call fail in every way, for the tests.
//
// Only when every build has succeeded are results written. First comes what nobody sees: local files are received into a
// staging folder and checked (export_local.go, verify.go), archives too, images are pushed by digest (export_image.go). Then
// the staged files replace those at their destinations, images go into a Docker Engine (export_engine.go), and tags move
// last (export.go). The hub stays open meanwhile, so that nothing is built twice and nothing is collected.
//
// Promised: a destination is not touched and no tag is moved unless all builds of the run succeeded; a failing step
// that several builds share is one exec.Failure; failures point into the file that the user wrote, also where the plan
// rewrote it; docker is not needed, only its configuration files are read.
package buildkit

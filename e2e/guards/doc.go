// Package guards runs every guard of xbuild through the command: what a build file asks for without a grant is refused and
// changes nothing, and is done with exactly the grant that the refusal names.
//
// In: tables of [guard], one test file a subject. Out: one subtest for each dialect (xbuild.hcl, docker-bake.hcl), place of
// the build file (this machine, a git repository, a file on an http server) and verb (run, plan, print, validate, list,
// completion, run --plan). Promised: each subtest has a project, a directory outside it, a home and a state directory of its
// own; whatever a command did not announce is found, since the whole tree is compared before and after it; and text that
// lies outside the project is never shown without a grant. Builds run on the BuildKit inside xbuild, and need no image.
//
// A new subject is a new file: write a table, and a test that calls check with it. Start with guard in guard_test.go.
package guards

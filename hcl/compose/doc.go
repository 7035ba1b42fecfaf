// Package compose reads compose files as Bake does: every service that has a build section is a target.
//
// In: the text of the files, in the order in which later ones are merged over earlier ones, and the environment that
// fills in their variables ([Env]). Out: a [Definition], the targets with the attributes of Bake's language and values
// that need no further knowledge of compose. Errors are an [*Error] with file and line where they are known. Start with
// [Read]; [Validate] tells whether a text is a compose file when its name does not.
//
// Promised: the package reads nothing but its arguments, the file .env in [Env.Dir], and what the compose files
// themselves name (include, extends, env_file). The same input gives the same result, in the same order.
//
// The files are read by compose-go; this package holds only what Bake makes of its result (service.go, xbake.go), and
// finds the lines that compose-go's messages do not give (position.go).
package compose

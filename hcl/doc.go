// Package hcl reads build files: the front end of xbuild.
//
// In: the bytes of one or more build files ([Parse]), and the world as a value ([Env]: working directory, environment,
// --var, --set). Out: a [schema.Config] in which every expression is evaluated, every path is absolute and every name
// that a file mentions exists ([Load]). [Find] looks for the file to read.
//
// Promises. Load is pure: it reads no file, environment or clock beyond its arguments, and the same input gives the
// same result. Every problem is reported, not only the first; one mistake is reported once, at the narrowest range,
// with a code from [Codes]. Every diagnostic has a range that lies inside a text of [schema.Config.Sources]; a problem
// in --set or --var is shown in a text of that name. When there are errors the Config is incomplete, and only its
// Sources may be used.
//
// What it leaves to others: whether a folder, a Dockerfile or a stage exists, and what a platform needs to be built.
//
// Which blocks and attributes there are, their types, how they merge and what paths are relative to is not decided
// here but read from [schema.Language]. The one place that knows attributes by name is build.go, which puts finished
// values into a [schema.Build].
//
// How it works, in the order of the files to read:
//
//	hcl.go      Parse and Load, the list of steps
//	decode.go   syntax -> blocks and attributes, by the table
//	declare.go  blocks -> the names of the build file
//	scope.go    an expression -> its value; names are resolved when they are first needed, circles are spelled out
//	value.go    a value -> the attribute's type
//	target.go   parents, platforms, merging
//	set.go      --set
//	build.go    values -> schema.Target
package hcl

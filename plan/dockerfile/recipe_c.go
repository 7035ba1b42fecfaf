package dockerfile

import (
	"slices"
	"strings"
)

// cBuild is C or C++ behind a build tool that asks CC and CXX for its compilers: what Debian has for the target, or zig cc where
// the C library is musl. A configure script would want to know more.
var cBuild = Recipe{
	Code: "c", Name: "C or C++",
	Commands: strings.Fields("make cmake meson ninja"), Unless: []string{"configure"},
	Vouch: VouchFork, If: "the build asks CC and CXX for its compilers, needs no library but the C library, and runs nothing that it built",
	Tools: map[string]Tools{"debian": debianGCC, "alpine": zigCC},
}

// cDirect is C or C++ whose compiler is called by its name, which links then lead to the one for the target.
var cDirect = Recipe{
	Code: "c", Name: "C or C++",
	Commands: strings.Fields("gcc g++ cc c++"), Unless: []string{"configure"},
	Vouch: VouchFork, If: "the build needs no library but the C library, and runs nothing that it built",
	Tools: map[string]Tools{"debian": {Env: debianGCC.Env, RunBefore: append(slices.Clone(debianGCC.RunBefore),
		`"for c in gcc cc; do ln -sf $(command -v $CC) /usr/local/bin/$c; done; for c in g++ c++; do ln -sf $(command -v $CXX) /usr/local/bin/$c; done"`)}},
}

// debianGCC is the cross compiler that Debian and Ubuntu have for each architecture; the machine's own has such a name, too.
var debianGCC = Tools{
	Env: [][2]string{{"CC", `"${platform.triple}-gcc"`}, {"CXX", `"${platform.triple}-g++"`}},
	RunBefore: []string{
		`"command -v ${platform.triple}-g++ || { apt-get update && apt-get install -y g++-${replace(platform.triple, "_", "-")}; }"`,
	},
}

// zigTarget is zig's name of a target with musl.
const zigTarget = `${split("-", platform.triple)[0]}-linux-musl${platform.arch == "arm" ? "eabihf" : ""}`

// zigCC is zig as a C compiler, with the headers and musl of every target in it.
var zigCC = Tools{
	Env:       [][2]string{{"CC", `"zig cc -target ` + zigTarget + `"`}, {"CXX", `"zig c++ -target ` + zigTarget + `"`}},
	RunBefore: []string{`"apk add --no-cache zig"`},
}

package dockerfile

import "strings"

// cCompiler is C or C++, compiled by what Debian has for the target, or by zig cc where the C library is musl.
var cCompiler = Recipe{
	Code: "c", Name: "C or C++",
	Commands: strings.Fields("gcc g++ cc c++ clang clang++ make cmake meson ninja configure autogen.sh"),
	Vouch:    VouchFork, If: "the build asks CC and CXX for its compilers, needs no library but the C library, and runs nothing that it built",
	Tools: map[string]Tools{"debian": debianGCC, "alpine": zigCC},
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

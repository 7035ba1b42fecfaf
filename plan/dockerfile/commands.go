package dockerfile

import (
	"path"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/internal/lazyre"
)

// Problem is a reason why a group of stages must not be pinned to the build platform.
type Problem struct {
	Code   string // stable
	Reason string // one sentence, without a final full stop
	Line   int
	Stage  string
	// Hidden says that only the commands are not known, and that they may well be nothing but Go's: make, a script, go run.
	Hidden bool
}

// Commands whose result does not depend on the machine that runs them, as long as nothing of what they touch does.
var neutralCommands = strings.Fields(`mkdir cd echo printf true false : cp mv ls cat set test [ [[ touch git rm rmdir ln chmod chown
	sed grep egrep fgrep head tail sort uniq wc tr cut basename dirname date pwd export unset sleep find tar gzip gunzip unzip tree install
	tee sha256sum readlink realpath id whoami awk diff cmp exit umask command which type stat du nproc seq expr setcap
	adduser addgroup useradd groupadd usermod groupmod passwd update-ca-certificates mktemp wait`)

// Commands whose exit code or output tells what is in a folder.
var readers = strings.Fields("[ [[ test cat ls find grep egrep fgrep sed head tail sort uniq wc cut sha256sum readlink realpath awk diff cmp stat du command which type")

// Places that differ between the machines for which an image is made.
var machinePlaces = strings.Fields("/proc /sys /lib /lib32 /lib64 /usr/lib /usr/lib32 /usr/lib64 /etc/apk/arch /var/lib/dpkg /etc/ld.so.conf.d /etc/ld-musl- /usr/local/go/pkg /usr/local/go/bin")

// Folders in which commands are looked up, besides systemDirs.
var commandDirs = []string{"/usr/local/sbin", "/go/bin", "/root/go/bin"}

func onPath(dir string) bool {
	return slices.Contains(systemDirs, dir) || slices.Contains(commandDirs, dir)
}

// Folders in which a command named by its full path is the one of that name.
var systemDirs = []string{"/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/usr/local/go/bin"}

var (
	otherManagers = strings.Fields("dpkg rpm pacman pip pip3 npm npx yarn pnpm gem conda brew snap")
	compilers     = strings.Fields("gcc g++ cc c++ clang clang++ rustc zig swift swiftc ghc ocamlfind nim crystal dmd ldc2 fpc dotnet javac gfortran")
	downloaders   = strings.Fields("wget curl aria2c scp rsync ftp")
	archProbes    = strings.Fields("uname arch lscpu getconf")
	buildRunners  = strings.Fields("make gmake mage task just bazel ninja cmake meson goreleaser xx-go")
	hiders        = strings.Fields("make gmake mage task just") // of buildRunners
	shells        = strings.Fields("sh bash ash dash zsh source .")
	interpreters  = strings.Fields("sh bash ash dash zsh python python3 perl ruby node source . eval exec xargs sudo su chroot")
)

// commandName gives the name that a command is known by, or ok=false for a path outside the system's folders.
func commandName(arg0 string) (string, bool) {
	if !strings.Contains(arg0, "/") {
		return arg0, true
	}
	return path.Base(arg0), slices.Contains(systemDirs, path.Dir(arg0))
}

// plainCommand judges every command but go. products are the files that go build wrote so far in the stage.
func plainCommand(c call, products []product) *Problem {
	arg0 := c.Args[0].Text
	if c.Args[0].Dyn {
		return &Problem{Code: "dynamic-command", Reason: "the command's name is not known before it runs"}
	}
	if runsProduct(arg0, products) {
		return &Problem{Code: "runs-product", Reason: "runs " + arg0 + ", which was built for the target platform"}
	}
	name, system := commandName(arg0)
	if !system {
		if strings.HasSuffix(arg0, ".sh") || strings.HasPrefix(arg0, "./") || strings.HasPrefix(arg0, "scripts/") || strings.HasPrefix(arg0, "hack/") {
			return &Problem{Code: "script", Reason: "runs the script " + arg0 + ", whose commands are not in the Dockerfile", Hidden: isScript(arg0)}
		}
		return &Problem{Code: "unknown-command", Reason: "runs " + arg0 + ", which may depend on the machine"}
	}
	switch {
	case slices.Contains(archProbes, name), name == "dpkg" && hasArg(c, "--print-architecture"), name == "dpkg-architecture":
		return &Problem{Code: "arch-probe", Reason: name + " answers for the machine it runs on"}
	case name == "cargo":
		return &Problem{Code: "other-compiler", Reason: "cargo builds for the machine it runs on"}
	case slices.Contains(otherManagers, name):
		return &Problem{Code: "package-installed", Reason: name + " may install programs for the machine it runs on"}
	case slices.Contains(compilers, name):
		return &Problem{Code: "other-compiler", Reason: name + " compiles for the machine it runs on"}
	case slices.Contains(downloaders, name):
		return &Problem{Code: "download", Reason: name + " downloads files that may be made for one architecture"}
	case slices.Contains(buildRunners, name):
		return &Problem{Code: "make", Reason: name + " runs commands that are not in the Dockerfile", Hidden: slices.Contains(hiders, name)}
	case slices.Contains(interpreters, name):
		return &Problem{Code: "script", Reason: name + " runs commands that are not in the Dockerfile", Hidden: runsScript(name, c)}
	case !slices.Contains(neutralCommands, name):
		return &Problem{Code: "unknown-command", Reason: "runs " + name + ", which may depend on the machine"}
	}
	return neutralArgs(name, c)
}

// isScript tells a script from a program that was built, by its name.
func isScript(arg0 string) bool {
	p := strings.TrimPrefix(arg0, "./")
	return strings.HasSuffix(p, ".sh") || strings.HasSuffix(p, ".bash") || strings.HasPrefix(p, "scripts/") || strings.HasPrefix(p, "hack/")
}

// runsScript reports whether a shell is called with a file.
func runsScript(name string, c call) bool {
	if !slices.Contains(shells, name) {
		return false
	}
	for _, a := range c.Args[1:] {
		switch {
		case a.Dyn || strings.HasPrefix(a.Text, "-") && strings.Contains(a.Text, "c"):
			return false
		case !strings.HasPrefix(a.Text, "-"):
			return true
		}
	}
	return false
}

var (
	// runsFromTar are options by which tar runs a program.
	runsFromTar = []string{"--to-command", "--checkpoint-action", "--use-compress-program", "-I", "--rsh-command", "-F", "--info-script", "--new-volume-script"}
	sedRuns     = lazyre.New(`(^|[;{}\n0-9$/])\s*e(\s|;|$)|^s(.).*[gpIiMm0-9]*e[gpIiMm0-9]*$`)
	awkRuns     = lazyre.New(`system\s*\(|getline|[^|]\|\s*["a-z(]|"\s*\|[^|]`)
)

// neutralArgs refuses the uses of neutral commands that look at the machine or run something else.
func neutralArgs(name string, c call) *Problem {
	for _, a := range c.Args[1:] {
		switch {
		case slices.Contains(readers, name) && (c.Read || strings.HasPrefix(name, "[") || name == "test") && onMachine(join(c.Dir.Text, a.Text), name == "ls" || name == "find"):
			return &Problem{Code: "arch-probe", Reason: name + " reads " + a.Text + ", which differs between machines"}
		case name == "command" && a.Text != "-v" && a.Text != "-V" && !hasArg(c, "-v") && !hasArg(c, "-V"):
			return &Problem{Code: "script", Reason: "command runs another command"}
		case name == "tar" && slices.ContainsFunc(runsFromTar, func(f string) bool { return strings.HasPrefix(a.Text, f) }),
			name == "install" && (a.Text == "-s" || strings.HasPrefix(a.Text, "--strip")), name == "git" && a.Text == "foreach",
			name == "sed" && (a.Text == "-f" || sedRuns().MatchString(a.Text)), name == "awk" && (a.Text == "-f" || awkRuns().MatchString(a.Text)):
			return &Problem{Code: "script", Reason: name + " " + a.Text + " runs other commands"}
		case name == "find" && slices.Contains([]string{"-exec", "-execdir", "-ok", "-okdir"}, a.Text):
			return &Problem{Code: "script", Reason: "find " + a.Text + " runs other commands"}
		case name == "git" && slices.Contains([]string{"bisect", "filter-branch", "difftool", "mergetool"}, a.Text):
			return &Problem{Code: "script", Reason: "git " + a.Text + " runs other commands"}
		}
	}
	return nil
}

// onMachine reports whether a path is in a place that differs between machines or, for a folder that is listed, holds one.
func onMachine(p string, listed bool) bool {
	return listed && slices.Contains([]string{"/", "/usr", "/usr/local/go", "/etc/apk"}, p) ||
		slices.ContainsFunc(machinePlaces, func(m string) bool { return strings.HasPrefix(p, m) && (within(p, m) || strings.HasSuffix(m, "-")) })
}

func hasArg(c call, want string) bool {
	return slices.ContainsFunc(c.Args, func(w word) bool { return w.Text == want })
}

// runsProduct reports whether arg0 may be a file that go build wrote: by its path, or by its name when it is looked up.
func runsProduct(arg0 string, products []product) bool {
	for _, p := range products {
		switch {
		case p.Path == path.Clean(arg0):
			return true
		case p.Dir && strings.HasPrefix(path.Clean(arg0), p.Path+"/"):
			return true
		case strings.Contains(arg0, "/") && path.Base(p.Path) == path.Base(arg0) && !path.IsAbs(arg0):
			return true
		case !strings.Contains(arg0, "/") && path.Base(p.Path) == arg0 && (onPath(path.Dir(p.Path)) || !slices.Contains(neutralCommands, arg0) && arg0 != "go"):
			return true
		}
	}
	return false
}

package dockerfile

import (
	"path"
	"slices"
	"strings"
)

// Problem is a reason why a group of stages must not be pinned to the build platform.
type Problem struct {
	Code   string // stable
	Reason string // one sentence, without a final full stop
	Line   int
	Stage  string
}

// Commands whose result does not depend on the machine that runs them, as long as nothing of what they touch does.
var neutralCommands = strings.Fields(`mkdir cd echo printf true false : cp mv ls cat set test [ [[ touch git rm rmdir ln chmod chown
	sed grep egrep fgrep head tail sort uniq wc tr cut basename dirname date pwd export unset sleep find tar gzip gunzip install
	tee sha256sum readlink realpath id whoami awk diff cmp exit umask`)

// Folders in which a command named by its full path is the one of that name.
var systemDirs = []string{"/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/usr/local/go/bin"}

var (
	packageManagers = strings.Fields("apk apt apt-get aptitude dpkg yum dnf microdnf zypper pacman rpm pip pip3 npm yarn pnpm gem cargo")
	downloaders     = strings.Fields("wget curl aria2c scp rsync ftp")
	archProbes      = strings.Fields("uname arch lscpu getconf")
	buildRunners    = strings.Fields("make gmake mage task just bazel ninja cmake meson goreleaser xx-go")
	interpreters    = strings.Fields("sh bash ash dash zsh python python3 perl ruby node source . eval exec xargs sudo su chroot")
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
			return &Problem{Code: "script", Reason: "runs the script " + arg0 + ", whose commands are not in the Dockerfile"}
		}
		return &Problem{Code: "unknown-command", Reason: "runs " + arg0 + ", which may depend on the machine"}
	}
	switch {
	case slices.Contains(archProbes, name), name == "apk" && hasArg(c, "--print-arch"), name == "dpkg" && hasArg(c, "--print-architecture"),
		name == "dpkg-architecture":
		return &Problem{Code: "arch-probe", Reason: name + " answers for the machine it runs on"}
	case slices.Contains(packageManagers, name):
		return &Problem{Code: "package-installed", Reason: name + " installs packages for the machine it runs on"}
	case slices.Contains(downloaders, name):
		return &Problem{Code: "download", Reason: name + " downloads files that may be made for one architecture"}
	case slices.Contains(buildRunners, name):
		return &Problem{Code: "make", Reason: name + " runs commands that are not in the Dockerfile"}
	case slices.Contains(interpreters, name):
		return &Problem{Code: "script", Reason: name + " runs commands that are not in the Dockerfile"}
	case !slices.Contains(neutralCommands, name):
		return &Problem{Code: "unknown-command", Reason: "runs " + name + ", which may depend on the machine"}
	}
	return neutralArgs(name, c)
}

// neutralArgs refuses the uses of neutral commands that look at the machine or run something else.
func neutralArgs(name string, c call) *Problem {
	for i, a := range c.Args[1:] {
		switch {
		case strings.HasPrefix(a.Text, "/proc") || strings.HasPrefix(a.Text, "/sys/") || strings.HasPrefix(a.Text, "/lib/ld-"):
			return &Problem{Code: "arch-probe", Reason: name + " reads " + a.Text + ", which differs between machines"}
		case name == "find" && slices.Contains([]string{"-exec", "-execdir", "-ok", "-okdir"}, a.Text):
			return &Problem{Code: "script", Reason: "find " + a.Text + " runs other commands"}
		case name == "git" && i == 0 && slices.Contains([]string{"clone", "fetch", "pull", "submodule", "bisect", "filter-branch"}, a.Text):
			return &Problem{Code: "download", Reason: "git " + a.Text + " brings in files that are not in the Dockerfile"}
		case (name == "awk" || name == "sed") && (strings.Contains(a.Text, "system(") || strings.Contains(a.Text, "|getline")):
			return &Problem{Code: "script", Reason: name + " runs other commands"}
		}
	}
	return nil
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
		case !strings.Contains(arg0, "/") && path.Base(p.Path) == arg0 && !slices.Contains(neutralCommands, arg0) && arg0 != "go":
			return true
		}
	}
	return false
}

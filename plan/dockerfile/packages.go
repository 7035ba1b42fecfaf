package dockerfile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/internal/lazyre"
)

// Package managers that only add files of the distribution. Others (pip, npm, cargo, ...) run what they fetch.
var packageManagers = strings.Fields("apk apt apt-get aptitude yum dnf microdnf tdnf zypper")

// Subcommands of theirs that bring nothing in.
var packageUpkeep = strings.Fields("update upgrade dist-upgrade clean autoclean autoremove remove purge del erase cache makecache refresh ref info search list version")

// Options of theirs that are followed by a value.
var packageValueFlags = strings.Fields("-t --virtual -X --repository --target-release --default-release -o --option -c --config-file --releasever --enablerepo --disablerepo --setopt -x --exclude")

// Packages that are known to bring no C compiler with them, on any of the distributions.
var plainPackages = strings.Fields(`bash bash-completion ca-certificates ca-certificates-bundle coreutils curl diffutils file findutils gettext git git-lfs gnupg gnupg2 gpg gzip
	jq less libcap libcap2-bin make mailcap mercurial openssh openssh-client openssh-clients openssl patch procps protobuf protobuf-compiler
	rsync sed shadow sudo subversion tar tree tzdata unzip upx upx-ucl wget which xz xz-utils yq zip zstd apt-transport-https lsb-release tini dumb-init su-exec`)

var goPackage = lazyre.New(`^(go|golang|golang-go|golang-bin|golang-1\.\d+(-go)?|go-?1\.\d+|gcc-?go.*|go-toolset|tinygo)([=~<>].*)?$`)

// installed is what a call of a package manager puts into the stage.
type installed struct {
	// compiler is the first package that may bring a C compiler.
	compiler string
	problem  *Problem
}

// judgePackages decides about a call of a package manager.
func judgePackages(name string, c call) installed {
	sub, skip := "", false
	var out installed
	for _, a := range c.Args[1:] {
		switch {
		case skip:
			skip = false
		case name == "apk" && a.Text == "--print-arch":
			out.problem = &Problem{Code: "arch-probe", Reason: "apk answers for the machine it runs on"}
		case slices.Contains(packageValueFlags, a.Text):
			skip = true
		case strings.HasPrefix(a.Text, "-"):
		case sub == "" && a.Dyn:
			out.problem = &Problem{Code: "dynamic-command", Reason: "what " + name + " does is not known before it runs"}
		case sub == "":
			sub = a.Text
		case sub != "install" && sub != "add":
		case goPackage().MatchString(a.Text):
			out.problem = &Problem{Code: "package-installed", Reason: "Go itself comes from the package " + a.Text + ", whose defaults are those of the machine it runs on"}
		case strings.Contains(a.Text, "/") || strings.HasSuffix(a.Text, ".deb") || strings.HasSuffix(a.Text, ".rpm") || strings.HasSuffix(a.Text, ".apk"):
			out.problem = &Problem{Code: "package-installed", Reason: name + " installs the file " + a.Text + ", which is for the machine it runs on"}
		case out.compiler == "" && !slices.Contains(plainPackages, plainName(a.Text)):
			out.compiler = strings.ReplaceAll(a.Text, "\x00", "...")
		}
	}
	if out.problem == nil && sub != "" && sub != "install" && sub != "add" && !slices.Contains(packageUpkeep, sub) {
		out.problem = &Problem{Code: "package-installed", Reason: name + " " + sub + " may change the machine that it runs on"}
	}
	return out
}

// plainName is the package without its version.
func plainName(s string) string {
	if i := strings.IndexAny(s, "=~<>"); i > 0 {
		s = s[:i]
	}
	return strings.TrimSuffix(s, ":any")
}

var (
	golangTag = lazyre.New(`^(?:(\d+)(?:\.(\d+))?(?:\.\d+)?(?:rc\d+|beta\d+)?)?(?:-|$)`)
	alpineTag = lazyre.New(`(?:^|^[0-9a-z.]+-)alpine(?:\d+\.\d+)?$`)
)

// goSince reports whether an image is the official golang of 1.minor or later. A tag without a version is the latest one.
func goSince(ref string, minor int) bool {
	if official(ref) != "golang" {
		return false
	}
	ref, digest, _ := strings.Cut(ref, "@")
	_, tag, _ := strings.Cut(ref[strings.LastIndex(ref, "/")+1:], ":")
	m := golangTag().FindStringSubmatch(tag)
	if m == nil || m[2] == "" {
		return digest == ""
	}
	n, err := strconv.Atoi(m[2])
	return err == nil && n >= minor
}

// noCompiler reports whether an image is known to bring no C compiler, and a Go that then turns cgo off by itself: the official
// golang on Alpine, since 1.20. Before, the standard library came compiled with cgo.
func noCompiler(ref string) bool {
	name, _, _ := strings.Cut(ref, "@")
	_, tag, _ := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
	return alpineTag().MatchString(tag) && goSince(ref, 20)
}

// official is the name of an image that Docker's official images hold, wherever it is mirrored as library/NAME, or "".
func official(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	i := strings.LastIndex(ref, "/")
	name, _, _ := strings.Cut(ref[i+1:], ":")
	prefix := ref[:i+1]
	if prefix == "" || prefix == "docker.io/" || strings.HasSuffix("/"+prefix, "/library/") {
		return name
	}
	return ""
}

// Images of which it is known in which folders they hold files.
var knownImages = strings.Fields("golang alpine debian ubuntu busybox buildpack-deps")

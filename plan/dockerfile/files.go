package dockerfile

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/internal/lazyre"
)

// product is a file that go build wrote. With Dir it is any file below Path, of a name that the text does not tell.
type product struct {
	Path string // absolute
	Dir  bool
}

// files follows who writes where in a stage. Three kinds matter: products, which are the target's; files that are the same
// whichever machine the stage runs on, like sources; and files of that machine.
type files struct {
	products []product
	neutral  []string // files, or folders that a COPY filled
	foreign  []string
	made     []string // folders made by mkdir
	unknown  bool     // a file of the machine was written to a place that is not known
	// open says that the image may hold files anywhere.
	open bool
	// hidden says that commands ran which are not known, so that they may have written anything. tools are the names of programs
	// that go install put on PATH, for the machine.
	hidden bool
	tools  []string
	// brought says that scripts of other places than the main context came in, or may have; outside is where the files of other
	// stages and contexts are.
	brought bool
	outside []string
	// compiler is the first package installed that may bring a C compiler.
	compiler string
}

func newFiles(open bool) *files { return &files{open: open} }

func (f *files) clone() *files {
	c := *f
	c.products, c.neutral, c.foreign = slices.Clone(f.products), slices.Clone(f.neutral), slices.Clone(f.foreign)
	c.made, c.tools, c.outside = slices.Clone(f.made), slices.Clone(f.tools), slices.Clone(f.outside)
	return &c
}

// write notes that something other than go build wrote to p. What is the same on any machine may be written anywhere.
func (f *files) write(p string, dyn, foreign bool) {
	switch {
	case dyn && foreign:
		f.unknown = true
	case dyn, strings.HasPrefix(p, "/dev/"):
	case foreign:
		f.foreign = append(f.foreign, p)
	default:
		f.neutral = append(f.neutral, p)
	}
}

// bring notes what came in from outside the group and the main context: from a stage, or from an image or a named context if
// from is nil.
func (f *files) bring(from *Node, dest string, sources []string) {
	isScript := func(p string) bool { return scriptName().MatchString(path.Base(p)) }
	f.outside = append(f.outside, path.Clean(dest))
	f.brought = f.brought || from == nil || isScript(dest) || slices.ContainsFunc(sources, isScript)
}

// runsOutside reports whether a call names a file that came in from outside. The goals of make are no files.
func (f *files) runsOutside(c call) bool {
	name, _ := commandName(c.Args[0].Text)
	return slices.ContainsFunc(c.Args, func(w word) bool {
		if !strings.Contains(w.Text, "/") && !slices.Contains(interpreters, name) {
			return false
		}
		p := join(c.Dir.Text, w.Text)
		return slices.ContainsFunc(f.outside, func(o string) bool { return o != "/" && within(p, o) })
	})
}

var scriptName = lazyre.New(`(?i)\.(sh|bash|mk|mak|py|pl|rb|just)$|^(gnu)?makefile$|^(justfile|configure|taskfile\.ya?ml|magefile\.go)$`)

// hide forgets what was written below a folder that was mounted for one RUN.
func (f *files) hide(dir string) {
	below := func(p string) bool { return within(p, dir) }
	f.products = slices.DeleteFunc(f.products, func(p product) bool { return below(p.Path) })
	f.neutral = slices.DeleteFunc(f.neutral, below)
	f.foreign = slices.DeleteFunc(f.foreign, below)
	f.made = slices.DeleteFunc(f.made, below)
}

// command notes what a plain command writes. A copy of a product is a product.
// tainted says that what it reads from a pipe may be of the machine.
func (f *files) command(c call, tainted bool) {
	name, _ := commandName(c.Args[0].Text)
	var args []word
	for _, a := range c.Args[1:] {
		if !strings.HasPrefix(a.Text, "-") {
			args = append(args, a)
		}
	}
	foreign := tainted || f.readsForeign(c)
	switch name {
	case "mkdir", "install":
		if name == "mkdir" || hasArg(c, "-d") {
			for _, a := range args {
				f.made = append(f.made, join(c.Dir.Text, a.Text))
			}
			return
		}
		f.transfer(args, c.Dir.Text)
	case "ln":
		if len(args) > 1 && (hasArg(c, "-s") || hasArg(c, "-sf") || hasArg(c, "-sfn") || hasArg(c, "-snf") || hasArg(c, "--symbolic")) && !path.IsAbs(args[0].Text) {
			// A symbolic link leads from where it is.
			args[0].Text = path.Join(path.Dir(join(c.Dir.Text, args[len(args)-1].Text)), args[0].Text)
		}
		f.transfer(args, c.Dir.Text)
	case "cp", "mv":
		f.transfer(args, c.Dir.Text)
	case "tee", "touch", "gzip", "gunzip", "sed", "sort":
		for _, a := range args {
			f.write(join(c.Dir.Text, a.Text), a.Dyn, foreign)
		}
	case "git": // brings the same files to any machine
		f.brought = f.brought || len(args) > 0 && slices.Contains([]string{"clone", "submodule", "pull", "fetch"}, args[0].Text)
		if len(args) > 1 && args[0].Text == "clone" {
			dir := args[len(args)-1]
			if len(args) == 2 {
				dir.Text = strings.TrimSuffix(path.Base(dir.Text), ".git")
			}
			f.write(join(c.Dir.Text, dir.Text), dir.Dyn || c.Dir.Dyn, false)
		}
	case "tar":
		f.tar(c, foreign)
	case "unzip":
		to := c.Dir
		for i, a := range c.Args[:len(c.Args)-1] {
			if a.Text == "-d" {
				to = word{Text: join(c.Dir.Text, c.Args[i+1].Text), Dyn: c.Args[i+1].Dyn || c.Dir.Dyn}
			}
		}
		f.write(to.Text, to.Dyn, foreign)
	}
	for _, w := range c.Writes {
		f.write(join(c.Dir.Text, w.Text), w.Dyn || c.Dir.Dyn, foreign)
	}
}

// tar writes an archive, which is neither a product nor the same on all machines if a product is in it, or takes one apart.
func (f *files) tar(c call, foreign bool) {
	create, file, to := false, word{}, c.Dir
	for i, a := range c.Args[1:] {
		short := i == 0 && !strings.HasPrefix(a.Text, "-") || strings.HasPrefix(a.Text, "-") && !strings.HasPrefix(a.Text, "--")
		create = create || short && strings.Contains(a.Text, "c") || a.Text == "--create"
		next := word{}
		if i+2 < len(c.Args) {
			next = c.Args[i+2]
		}
		switch {
		case short && strings.HasSuffix(a.Text, "f"):
			file = word{Text: join(c.Dir.Text, next.Text), Dyn: next.Dyn || c.Dir.Dyn}
		case a.Text == "-C":
			to = word{Text: join(c.Dir.Text, next.Text), Dyn: next.Dyn || c.Dir.Dyn}
		}
	}
	if !create {
		f.write(to.Text, to.Dyn, foreign)
	} else if file.Text != "" && path.Base(file.Text) != "-" {
		f.write(file.Text, file.Dyn, foreign || len(f.products) > 0)
	}
}

// transfer follows cp, mv, ln and install.
func (f *files) transfer(args []word, dir string) {
	if len(args) < 2 {
		return
	}
	dest := args[len(args)-1]
	to := join(dir, dest.Text)
	into := strings.HasSuffix(dest.Text, "/") || dest.Text == "." || slices.Contains(f.made, to) || len(args) > 2
	for _, src := range args[:len(args)-1] {
		from, target := join(dir, src.Text), to
		many := strings.ContainsAny(src.Text, "*?[") || src.Dyn
		if into && !many {
			target = path.Join(to, path.Base(from))
		}
		switch {
		case f.isProduct(from) && !slices.Contains(f.foreign, from) && !dest.Dyn && !src.Dyn && !strings.ContainsAny(from, "*?["):
			f.products = append(f.products, product{Path: target})
		case many && !src.Dyn && !dest.Dyn && f.isProduct(path.Dir(from)+"/x") && !f.overlapsForeign(path.Dir(from)):
			f.products = append(f.products, product{Path: target, Dir: true})
		case f.holdsProduct(from) && !src.Dyn && !dest.Dyn && !f.overlapsForeign(from) && !provided(from):
			f.products = append(f.products, product{Path: target, Dir: true})
		default:
			f.write(target, dest.Dyn, src.Dyn || !f.same(from))
		}
	}
}

// readsForeign reports whether an argument of the command is a file of the machine.
func (f *files) readsForeign(c call) bool {
	switch name, _ := commandName(c.Args[0].Text); {
	case name == "echo" || name == "printf" || name == "git" || name == ":":
		return false
	case c.Dir.Dyn:
		return true
	}
	return slices.ContainsFunc(c.Args[1:], func(a word) bool {
		p := join(c.Dir.Text, a.Text)
		return !strings.HasPrefix(a.Text, "-") && !strings.Contains(a.Text, "\n") && !f.same(p) && !f.isProduct(p)
	})
}

// same reports whether what is at p does not depend on the machine that the stage runs on.
func (f *files) same(p string) bool {
	if i := strings.IndexAny(p, "*?[\x00"); i >= 0 {
		p = path.Dir(p[:i] + "x")
	}
	switch {
	case f.overlapsForeign(p):
		return false
	case neutralInImage(p), slices.Contains(f.neutral, p):
		return true
	case provided(p) || slices.Contains(imageDirs, p):
		return false
	}
	ours := func(w string) bool { return within(p, w) && !slices.Contains(imageDirs, w) }
	return !f.open || slices.ContainsFunc(f.neutral, ours) || slices.ContainsFunc(f.made, ours)
}

func (f *files) overlapsForeign(p string) bool {
	return slices.ContainsFunc(f.foreign, func(w string) bool { return within(w, p) || within(p, w) })
}

func (f *files) isProduct(p string) bool {
	return slices.ContainsFunc(f.products, func(q product) bool {
		return q.Path == p && !q.Dir || q.Dir && strings.HasPrefix(p, q.Path+"/") && !f.image(q.Path) && !f.unknown && !f.overlapsForeign(p)
	})
}

// image reports whether the image may hold files in dir, of which one could be meant instead of a product.
func (f *files) image(dir string) bool {
	return dir != "/go/bin" && (slices.Contains(imageDirs, dir) || provided(dir))
}

func (f *files) holdsProduct(p string) bool {
	p = path.Clean("/" + p)
	return slices.ContainsFunc(f.products, func(q product) bool { return within(q.Path, p) })
}

// within reports whether p is dir or below it.
func within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// Folders that images fill themselves.
var imageDirs = strings.Fields("/ /bin /sbin /lib /lib64 /usr /usr/src /usr/local /usr/local/src /go /go/bin /go/src /etc /root /home /opt /tmp /var /srv " +
	"/run /dev /proc /sys /mnt /media")

// Folders of which an image fills everything below.
var imageTrees = strings.Fields("/bin /sbin /lib /lib32 /lib64 /libx32 /boot /dev /proc /sys /run /etc " +
	"/usr/bin /usr/sbin /usr/lib /usr/lib32 /usr/lib64 /usr/libx32 /usr/libexec /usr/include /usr/share /usr/games " +
	"/usr/local/bin /usr/local/sbin /usr/local/lib /usr/local/libexec /usr/local/include /usr/local/share /usr/local/etc /usr/local/go " +
	"/var/lib /var/cache /var/log /var/spool /var/run /var/lock /var/mail /var/local /var/opt /var/tmp /root/.cache /root/.config /go/pkg")

// provided reports whether p belongs to what images hold.
func provided(p string) bool {
	return slices.ContainsFunc(imageTrees, func(t string) bool { return within(p, t) })
}

// Data that an image holds, the same for every architecture: packages without programs, and texts. It is the whole list.
var neutralFiles = strings.Fields("/etc/ssl/certs /etc/ssl/cert.pem /etc/pki/tls/certs /etc/pki/ca-trust/extracted /usr/share/ca-certificates /usr/local/share/ca-certificates " +
	"/usr/share/zoneinfo /usr/local/go/lib/time/zoneinfo.zip /etc/passwd /etc/group /etc/nsswitch.conf /etc/mime.types /etc/services /etc/protocols")

func neutralInImage(p string) bool {
	return slices.ContainsFunc(neutralFiles, func(t string) bool { return within(p, t) })
}

// embeddable is a file of the machine that a program built in workdir may have in it, or "". What a program embeds is in its
// module, and a module is in one folder of the root.
func (f *files) embeddable(workdir string) string {
	top := "/" + strings.SplitN(strings.TrimPrefix(workdir, "/"), "/", 2)[0]
	for _, dir := range []string{"/go/src", "/usr/src", "/usr/local/src"} {
		if within(workdir, dir) {
			top = dir
		}
	}
	for _, w := range f.foreign {
		hidden := strings.Contains(w, "/.") || strings.Contains(w, "/_")
		if (within(w, top) || within(workdir, w)) && !hidden && !provided(w) && !within(w, "/go/bin") {
			return w
		}
	}
	return ""
}

// take judges a path that another stage takes out. An empty code means that all of it is the target's or the same for all.
func (f *files) take(source string) (code, reason string) {
	p := path.Clean("/" + source)
	base := path.Base(p)
	switch {
	case base == "*" || base == ".":
		p = path.Dir(p)
	case strings.ContainsAny(p, "*?["):
		if p = path.Dir(p); strings.ContainsAny(p, "*?[") || !f.clean(p) {
			return "copies-tree", fmt.Sprintf("%s is a pattern, so more than the result of go build may be taken", source)
		}
	}
	switch {
	case f.isProduct(p):
		if slices.Contains(f.foreign, p) {
			return "foreign-file", fmt.Sprintf("%s is also written by something other than go build", p)
		}
		return "", ""
	case neutralInImage(p) && !f.overlapsForeign(p):
		return "", ""
	case f.unnamed(p):
		return "output-unknown", fmt.Sprintf("the text does not tell whether go build wrote %s or the image holds it", p)
	case !f.holdsProduct(p) && !f.known(p):
		return "foreign-file", fmt.Sprintf("%s was not written by go build, so it belongs to the build platform", p)
	case slices.Contains(imageDirs, p) || provided(p) && !slices.Contains(f.neutral, p):
		return "copies-tree", fmt.Sprintf("%s holds more than what go build wrote", p)
	case f.unknown:
		return "copies-tree", fmt.Sprintf("it is not known what else is written to %s", p)
	case f.overlapsForeign(p):
		return "copies-tree", fmt.Sprintf("%s also holds files that go build did not write", p)
	case f.open:
		return "copies-tree", fmt.Sprintf("the image may hold files of its own in %s", p)
	}
	return "", ""
}

// unnamed reports whether p may be a product whose name is not known, in a folder that the image fills, too.
func (f *files) unnamed(p string) bool {
	return slices.ContainsFunc(f.products, func(q product) bool { return q.Dir && path.Dir(p) == q.Path && f.image(q.Path) })
}

// known reports whether p is, or is in, something that was written in the stage and is the same on any machine.
func (f *files) known(p string) bool {
	ours := func(w string) bool { return within(p, w) && (p == w || !slices.Contains(imageDirs, w)) }
	return slices.ContainsFunc(f.neutral, ours) || slices.ContainsFunc(f.made, ours)
}

// clean reports whether nothing in dir is of the machine.
func (f *files) clean(dir string) bool {
	return !slices.Contains(imageDirs, dir) && !provided(dir) && !f.unknown && !f.open && !f.overlapsForeign(dir) && (f.holdsProduct(dir) || f.known(dir))
}

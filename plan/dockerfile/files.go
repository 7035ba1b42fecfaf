package dockerfile

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// files follows who writes where in a stage, to tell what go build wrote from everything else.
type files struct {
	products []product
	written  []string // by anything else: files, or folders that a COPY filled
	made     []string // folders made by mkdir
	unknown  bool     // something was written to a place that is not known
}

func newFiles() *files { return &files{} }

func (f *files) clone() *files {
	return &files{products: slices.Clone(f.products), written: slices.Clone(f.written), made: slices.Clone(f.made), unknown: f.unknown}
}

func (f *files) write(p string, dyn bool) {
	switch {
	case dyn:
		f.unknown = true
	case strings.HasPrefix(p, "/dev/"):
	default:
		f.written = append(f.written, p)
	}
}

func (f *files) copied(c Copy) { f.write(c.Dest, false) }

// command notes what a plain command writes. A copy of a product is a product.
func (f *files) command(c call, workdir string) {
	name, _ := commandName(c.Args[0].Text)
	var args []word
	for _, a := range c.Args[1:] {
		if !strings.HasPrefix(a.Text, "-") {
			args = append(args, a)
		}
	}
	switch name {
	case "mkdir":
		for _, a := range args {
			f.made = append(f.made, join(workdir, a.Text))
		}
	case "cp", "mv", "ln", "install":
		if len(args) < 2 {
			return
		}
		dest := args[len(args)-1]
		to := join(workdir, dest.Text)
		into := strings.HasSuffix(dest.Text, "/") || slices.Contains(f.made, to) || len(args) > 2
		for _, src := range args[:len(args)-1] {
			from, target := join(workdir, src.Text), to
			if into {
				target = path.Join(to, path.Base(from))
			}
			if f.isProduct(from) && !src.Dyn && !dest.Dyn {
				f.products = append(f.products, product{Path: target})
				continue
			}
			f.write(target, dest.Dyn || src.Dyn && into)
		}
	case "tee", "touch", "tar", "gzip", "gunzip", "sed", "sort":
		for _, a := range args {
			f.write(join(workdir, a.Text), a.Dyn)
		}
		if name == "tar" || name == "gunzip" {
			f.written = append(f.written, workdir)
		}
	}
}

func (f *files) isProduct(p string) bool {
	return slices.ContainsFunc(f.products, func(q product) bool {
		return q.Path == p && !q.Dir || q.Dir && strings.HasPrefix(p, q.Path+"/")
	})
}

func (f *files) holdsProduct(p string) bool {
	p = path.Clean("/" + p)
	return slices.ContainsFunc(f.products, func(q product) bool { return within(q.Path, p) })
}

// within reports whether p is dir or below it.
func within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// Folders that base images fill themselves.
var imageDirs = strings.Fields("/bin /sbin /lib /lib64 /usr /usr/bin /usr/sbin /usr/lib /usr/local /usr/local/bin /usr/local/go /go /go/bin /etc /root /home /opt /tmp /var /srv /run /dev /proc /sys")

// take judges a path that another stage takes out. An empty code means that all of it was written by go build.
func (f *files) take(source string) (code, reason string) {
	p := path.Clean("/" + source)
	if base := path.Base(p); base == "*" || base == "." {
		p = path.Dir(p)
	} else if strings.ContainsAny(p, "*?[") {
		return "copies-tree", fmt.Sprintf("%s is a pattern, so more than the result of go build may be taken", source)
	}
	if f.isProduct(p) {
		if slices.Contains(f.written, p) {
			return "foreign-file", fmt.Sprintf("%s is also written by something other than go build", p)
		}
		return "", ""
	}
	if !f.holdsProduct(p) {
		return "foreign-file", fmt.Sprintf("%s was not written by go build, so it belongs to the build platform", p)
	}
	switch {
	case slices.Contains(imageDirs, p) || p == "/":
		return "copies-tree", fmt.Sprintf("%s holds more than what go build wrote", p)
	case f.unknown:
		return "copies-tree", fmt.Sprintf("it is not known what else is written to %s", p)
	}
	for _, w := range f.written {
		if within(w, p) || within(p, w) {
			return "copies-tree", fmt.Sprintf("%s also holds files that go build did not write", p)
		}
	}
	return "", ""
}

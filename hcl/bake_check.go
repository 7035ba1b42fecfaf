package hcl

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/docker/go-units"

	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/schema"
)

// checker checks what a resolved target says, as Bake does before it prints or builds: it looks at secret files, the SSH
// agent and the places of outputs, but not at contexts, Dockerfiles and tags.
type checker struct {
	*bakeLoader
	t *bakeTarget
}

// check finishes the targets of a result. It changes what Bake changes: the context is cleaned, an archive without a
// dest goes to standard output.
func (l *bakeLoader) check(res *bakeResult) {
	for _, name := range sortedKeys(res.targets) {
		c := checker{l, res.targets[name]}
		c.paths()
		c.sizes()
		c.platforms()
		c.secrets()
		c.ssh()
		c.outputs()
		c.annotations()
	}
}

func (c checker) bad(attr, code, summary, detail string, args ...any) {
	c.badAdvice(attr, code, summary, "", detail, args...)
}

// badAdvice reports a problem at the place that set an attribute.
func (c checker) badAdvice(attr, code, summary, advice, detail string, args ...any) {
	at := c.t.at
	if v := c.t.values[attr]; v != nil && v.at != nil {
		at = *v.at
	}
	c.errorf(code, at, summary, advice, detail, args...)
}

// tag checks the name of an image.
func (c checker) tag(s string) {
	if problem, advice := tagProblem(s); problem != "" {
		c.badAdvice("tags", codeBadTag, "Bad tag", advice, "%s", problem)
	}
}

// special reports whether a context is no path that is relative to what the build file's paths are relative to.
func special(p string) bool {
	ref := schema.ParseRef(p)
	return ref.WorkingDir || ref.Remote() || isLink(ref)
}

// paths brings the context into its final form.
func (c checker) paths() {
	v := *c.t.values["context"]
	file, _ := c.t.text("dockerfile")
	switch {
	case v.text == "-":
		c.bad("context", codeBadContext, "Bad context", "A context cannot be read from standard input here.")
		return
	case file == "-":
		c.bad("dockerfile", codeBadContext, "Bad Dockerfile", "A Dockerfile cannot be read from standard input here.")
		return
	}
	if ref := schema.ParseRef(v.text); ref.WorkingDir {
		v.text = path.Clean(ref.Value)
		c.remoteDockerfile(v.text, file)
	} else if !ref.Remote() {
		var err error
		if v.text, err = c.env.Source.Context(path.Clean(v.text)); err != nil {
			c.bad("context", codeBadContext, "Bad context", "%s.", upperFirst(err.Error()))
		}
	}
	c.t.values["context"] = &v
}

// remoteDockerfile refuses a Dockerfile that may be meant to come from the source of the build files, but would be read
// from a folder of this machine.
func (c checker) remoteDockerfile(dir, file string) {
	if ref := schema.ParseRef(file); !c.env.Source.tree() || ref.WorkingDir || ref.Remote() {
		return
	}
	if st, err := c.env.stat(path.Join(dir, file)); err == nil && st != nil {
		c.badAdvice("dockerfile", codeBadContext, "Bad Dockerfile", fmt.Sprintf("Write %q if the one on this machine is meant.", schema.WorkingDirPath(path.Join(dir, file))),
			"The build file comes from %s and its context from this machine; the Dockerfile %s cannot be taken from there.", c.env.Source.URL, file)
	}
}

func (c checker) sizes() {
	if s, ok := c.t.text("shm-size"); ok {
		if _, err := units.RAMInBytes(s); err != nil {
			c.bad("shm-size", codeBadSize, "Bad size", "%q is not a size; write bytes, or a number with k, m or g.", s)
		}
	}
	for _, u := range c.t.list("ulimits") {
		if _, err := units.ParseUlimit(u); err != nil {
			c.bad("ulimits", codeBadSize, "Bad limit", "%q is not a limit NAME=SOFT[:HARD]: %v.", u, err)
		}
	}
	if v := c.t.values["resources"]; v != nil {
		for _, k := range []string{"memory", "memory-swap"} {
			s := v.keys[k]
			if s == nil || (k == "memory-swap" && strings.TrimSpace(*s) == "-1") {
				continue
			}
			if _, err := units.RAMInBytes(strings.TrimSpace(*s)); err != nil {
				c.bad("resources", codeBadSize, "Bad size", "%s: %q is not a size.", k, *s)
			}
		}
	}
}

func (c checker) platforms() {
	for _, s := range c.t.list("platforms") {
		for _, p := range strings.Split(s, ",") {
			if strings.EqualFold(p, "local") {
				continue
			}
			if _, err := platforms.Parse(p); err != nil {
				c.bad("platforms", codeBadPlatform, "Bad platform", "%q is not a platform.", p)
			}
		}
	}
}

// maxSecret is the largest secret that BuildKit takes.
const maxSecret = 500 * 1024

func (c checker) secrets() {
	v := c.t.values["secret"]
	if v == nil {
		return
	}
	for _, e := range v.entries {
		id, file := e.fields["id"], e.fields["src"]
		if id == "" {
			c.bad("secret", codeBadSecret, "Bad secret", "A secret has no id.")
			continue
		}
		if file == "" && e.fields["env"] == "" {
			if _, ok := c.env.Getenv(id); ok {
				continue
			}
			file = id
		}
		if file == "" {
			continue
		}
		st, err := c.env.stat(file)
		switch {
		case err != nil && e.fields["src"] == "":
			c.bad("secret", codeBadSecret, "Bad secret", "The secret %q says neither src nor env, and there is no environment variable and no file of that name.", id)
		case err != nil:
			c.bad("secret", codeBadSecret, "Bad secret", "The file %s of the secret %q cannot be read: %v.", file, id, pathErr(err))
		case st != nil && st.Size() > maxSecret:
			c.bad("secret", codeBadSecret, "Bad secret", "The file %s of the secret %q has more than %d bytes.", file, id, maxSecret)
		}
	}
}

func pathErr(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (c checker) ssh() {
	var entries []bakeEntry
	if v := c.t.values["ssh"]; v != nil {
		entries = v.entries
	}
	if len(entries) == 0 && schema.ParseRef(c.t.values["context"].text).SSH {
		entries = []bakeEntry{{fields: map[string]string{"id": "default"}}}
	}
	seen := map[string]bool{}
	for _, e := range entries {
		id := e.fields["id"]
		if id == "" {
			id = "default"
		}
		if seen[id] {
			c.bad("ssh", codeBadSecret, "Bad SSH agent", "There are two SSH entries with the id %q.", id)
		}
		seen[id] = true
		c.agent(id, e.paths)
	}
}

// agent checks that the socket or the keys of one SSH entry are there.
func (c checker) agent(id string, paths []string) {
	if c.env.Portable {
		return
	}
	if len(paths) == 0 || len(paths) == 1 && paths[0] == "" {
		sock, _ := c.env.Getenv("SSH_AUTH_SOCK")
		if sock == "" {
			c.bad("ssh", codeBadSecret, "No SSH agent", "SSH %q has no paths, and SSH_AUTH_SOCK is not set.", id)
			return
		}
		paths = []string{sock}
	}
	socket := false
	for _, p := range paths {
		if socket {
			c.bad("ssh", codeBadSecret, "Bad SSH agent", "SSH %q names a socket and something else; a socket stands alone.", id)
			return
		}
		st, err := c.env.stat(p)
		if err != nil {
			c.bad("ssh", codeBadSecret, "Bad SSH agent", "%s of SSH %q cannot be read: %v.", p, id, pathErr(err))
			return
		}
		socket = st != nil && st.Mode()&fs.ModeSocket != 0
		if st != nil && !socket && c.env.ReadFile != nil {
			text, err := c.env.ReadFile(resolvePath(p, c.env.Dir))
			if block, _ := pem.Decode(text); err == nil && block == nil {
				c.bad("ssh", codeBadSecret, "Bad SSH key", "%s of SSH %q is neither a private key nor the socket of an agent.", p, id)
				return
			}
		}
	}
}

// outputs checks the places of outputs.
func (c checker) outputs() {
	v := c.t.values["output"]
	if v == nil {
		return
	}
	out := *v
	out.entries = slices.Clone(v.entries)
	stdout := false
	for i, e := range out.entries {
		typ, dest := e.fields["type"], e.fields["dest"]
		file, dir := typ == "tar", typ == "local"
		if typ == "oci" || typ == "docker" {
			tar, err := strconv.ParseBool(e.fields["tar"])
			file = err != nil || tar
			dir = !file
		}
		if file && dest == "" && typ != "docker" {
			dest = "-"
			out.entries[i] = setField(e, "dest", dest)
		}
		switch {
		case dir && dest == "":
			c.bad("output", codeBadOutput, "Bad output", "An output of type %s needs dest, the folder to write to.", typ)
		case dir && dest == "-":
			c.bad("output", codeBadOutput, "Bad output", "A folder cannot be written to standard output.")
		case file && dest == "-" && stdout:
			c.bad("output", codeBadOutput, "Bad output", "Two outputs go to standard output.")
		case file && dest == "-":
			stdout = true
			if c.env.StdoutIsTerminal {
				c.bad("output", codeBadOutput, "Bad output", "An archive cannot be written to a terminal; give the output of type %s a dest.", typ)
			}
		case (file || dir) && dest != "":
			c.place(dest, dir)
		}
	}
	c.t.values["output"] = &out
}

// place checks that a path can be a folder or a file.
func (c checker) place(p string, dir bool) {
	st, err := c.env.stat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		c.bad("output", codeBadOutput, "Bad output", "%s cannot be written to: %v.", p, pathErr(err))
	case st == nil:
	case dir && !st.IsDir():
		c.bad("output", codeBadOutput, "Bad output", "%s is a file, and the output writes a folder.", p)
	case !dir && st.IsDir():
		c.bad("output", codeBadOutput, "Bad output", "%s is a folder, and the output writes a file.", p)
	}
}

// annotationType is a part of an annotation before the colon.
var annotationType = lazyre.New(`^([a-z-]+)(?:\[([A-Za-z0-9_/-]+)\])?$`)

func (c checker) annotations() {
	for _, a := range c.t.list("annotations") {
		if err := checkAnnotation(a); err != nil {
			c.bad("annotations", codeBadAnnotation, "Bad annotation", "%q: %v.", a, err)
		}
	}
}

func checkAnnotation(a string) error {
	k, _, ok := strings.Cut(a, "=")
	if !ok {
		return errors.New("it is not KEY=VALUE")
	}
	types, _, ok := strings.Cut(k, ":")
	if !ok {
		return nil
	}
	for _, t := range strings.Split(types, ",") {
		m := annotationType().FindStringSubmatch(t)
		if m == nil {
			return fmt.Errorf("%q is not TYPE or TYPE[PLATFORM]", t)
		}
		if !slices.Contains([]string{"index", "manifest", "index-descriptor", "manifest-descriptor"}, m[1]) {
			return fmt.Errorf("there is no type %q; there is: index, manifest, index-descriptor, manifest-descriptor", m[1])
		}
		if m[2] != "" {
			if _, err := platforms.Parse(m[2]); err != nil {
				return fmt.Errorf("%q is not a platform", m[2])
			}
		}
	}
	return nil
}

// stat looks at a file, relative to the working directory. Without a file system nothing is known: both are nil.
func (e *Env) stat(p string) (fs.FileInfo, error) {
	if e.Stat == nil || e.Portable {
		return nil, nil
	}
	if !filepath.IsAbs(p) {
		p = filepath.Join(e.Dir, p)
	}
	return e.Stat(p)
}

// on reads an environment variable that switches something.
func (e *Env) on(name string) bool {
	if e.Getenv == nil {
		return false
	}
	s, _ := e.Getenv(name)
	b, err := strconv.ParseBool(strings.TrimSpace(s))
	return err == nil && b
}

func (e *Env) cmdContext() string {
	if e.CmdContext == "" {
		return schema.WorkingDirPath("")
	}
	return e.CmdContext
}

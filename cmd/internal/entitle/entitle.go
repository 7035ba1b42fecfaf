// Package entitle decides whether a build may do what its build files ask for.
//
// A build file that one runs without having read it should not be able to send files from elsewhere on the machine into a
// build, write where it likes, or run steps with more rights than a build has. So files of some directories are free: of the
// project for xbuild.hcl ([ProjectRoot]), of the working directory for Bake's files. Everything else must be granted on the
// command line.
//
// In: builds ([Needs]), paths that expressions read, and grants ([Parse], [FromSets]). Out: what is missing
// ([Grants.Missing]), each with the grant that would allow it. Every path of a schema.Build is listed in files, which a test
// compares with the type. Start with [Grants.Missing].
package entitle

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tonistiigi/go-csvvalue"

	"github.com/xbuild/xbuild/schema"
)

// The keys of grants, as --allow takes them.
const (
	NetworkHost = "network.host"
	Insecure    = "security.insecure"
	Device      = "device"
	Read        = "fs.read"
	Write       = "fs.write"
	ReadWrite   = "fs"
	SSH         = "ssh"
	LocalDelete = "buildx.local.delete"
)

// Keys are the keys of grants.
var Keys = []string{NetworkHost, Insecure, Device, Read, Write, ReadWrite, SSH, LocalDelete}

// ignored are keys that Bake reads and that grant nothing.
var ignored = []string{"image", "image.push", "image.load"}

// World is what the machine is like.
type World struct {
	// Dir is the working directory, which relative paths of grants are relative to.
	Dir string
	// Free are the directories that may be read and written.
	Free []string
	// Real gives an absolute path without the links in it, as far as it exists; [RealPaths] makes one.
	Real func(path string) string
}

// Need is something that a build asks for beyond what every build may do.
type Need struct {
	Key string
	// Value is an absolute path, or the name of a device; empty for what has none.
	Value string
	// Target asks for it, with the attribute Attr.
	Target, Attr string
}

// Needs is what one build of a target asks for. Paths says whether paths and SSH agents count, which the environment can
// switch off.
func Needs(target string, b *schema.Build, w World, paths bool) []Need {
	var out []Need
	add := func(attr, key, value string) { out = append(out, Need{key, value, target, attr}) }
	for _, e := range b.Entitlements {
		switch key, value, _ := strings.Cut(e, "="); key {
		case Device:
			add("entitlements", Device, deviceName(value))
		default:
			add("entitlements", key, value)
		}
	}
	if b.Network == "host" && !slices.Contains(b.Entitlements, NetworkHost) {
		add("network", NetworkHost, "")
	}
	for _, o := range b.Outputs {
		if o.Type == schema.OutputLocal && o.Attrs["mode"] == "delete" {
			add("output", LocalDelete, "")
		}
	}
	if !paths {
		return out
	}
	if attr := agentForGit(b); attr != "" {
		add(attr, SSH, "")
	}
	for _, s := range b.SSH {
		if len(s.Paths) == 0 {
			add("ssh", SSH, "")
		}
		for _, p := range s.Paths {
			add("ssh", Read, p)
		}
	}
	return append(out, files(target, b, w)...)
}

// agentForGit is the attribute with a repository that git reaches through SSH, for which the build is offered the agent of
// the user; empty if there is none, or if the build names that agent itself.
func agentForGit(b *schema.Build) string {
	if slices.ContainsFunc(b.SSH, func(s schema.SSH) bool { return s.ID == "default" }) {
		return ""
	}
	if schema.ParseRef(b.Context).SSH {
		return "context"
	}
	for _, c := range b.Contexts {
		if schema.ParseRef(c).SSH {
			return "contexts"
		}
	}
	return ""
}

// files is what a build reads and writes on this machine. Whatever is an absolute path is on this machine.
func files(target string, b *schema.Build, w World) []Need {
	var out []Need
	add := func(attr, key, p string) {
		if filepath.IsAbs(p) {
			out = append(out, Need{key, filepath.Clean(p), target, attr})
		}
	}
	add("context", Read, b.Context)
	if b.DockerfileInline == "" {
		add("dockerfile", Read, b.Dockerfile)
	}
	for _, c := range b.Contexts {
		if ref := schema.ParseRef(c); ref.Kind == schema.OCILayoutRef {
			if c = ref.LayoutDir(); !filepath.IsAbs(c) {
				c = filepath.Join(w.Dir, c)
			}
		}
		add("contexts", Read, c)
	}
	for _, s := range b.Secrets {
		add("secret", Read, s.Src)
	}
	for _, c := range b.CacheFrom {
		if c.Type == "local" {
			add("cache-from", Read, c.Attrs["src"])
		}
	}
	for _, c := range b.CacheTo {
		if c.Type == "local" {
			add("cache-to", Write, c.Attrs["dest"])
		}
	}
	for _, o := range b.Outputs {
		add("output", Write, o.Dest)
	}
	return out
}

// deviceName is the name in a request for a device, NAME or NAME with options.
func deviceName(s string) string {
	if fields, err := csvvalue.Fields(s, nil); err == nil && len(fields) > 0 {
		return fields[0]
	}
	return s
}

// Grants is what the user allows.
type Grants struct {
	plain   []string // keys without a value
	devices []string
	// read and write are absolute paths; "*" stands for every path.
	read, write []string
}

// Parse reads the arguments of --allow. Relative paths are relative to the working directory.
func Parse(allow []string, w World) (Grants, error) {
	var g Grants
	for _, a := range allow {
		key, value, given := strings.Cut(a, "=")
		switch {
		case slices.Contains(ignored, key):
		case key == Device && value != "":
			g.devices = append(g.devices, deviceName(value))
		case (key == Read || key == Write || key == ReadWrite) && value != "":
			g.paths(key, value, w)
		case key == Read || key == Write || key == ReadWrite:
			return g, fmt.Errorf("--allow %s: say what may be used: %s=PATH, or %s=* for everything", a, key, key)
		case !slices.Contains(Keys, key):
			return g, fmt.Errorf("--allow %s: there is no such grant; want one of %s", a, strings.Join(Keys, ", "))
		case given:
			return g, fmt.Errorf("--allow %s: %s takes no value", a, key)
		default:
			g.plain = append(g.plain, key)
		}
	}
	return g, nil
}

func (g *Grants) paths(key, p string, w World) {
	if p != "*" && !filepath.IsAbs(p) {
		p = filepath.Join(w.Dir, p)
	}
	if key != Write {
		g.read = append(g.read, p)
	}
	if key != Read {
		g.write = append(g.write, p)
	}
}

// FromSets adds what the arguments of --set grant: who writes there what a build reads or writes has allowed it.
func (g Grants) FromSets(sets []string, w World) Grants {
	g.read, g.write, g.plain = slices.Clone(g.read), slices.Clone(g.write), slices.Clone(g.plain)
	for _, s := range sets {
		left, value, _ := strings.Cut(s, "=")
		_, key, _ := strings.Cut(strings.TrimSuffix(left, "+"), ".")
		key, _, _ = strings.Cut(key, ".")
		switch key {
		case "entitlement", "entitlements":
			g.plain = append(g.plain, value)
			if name, ok := strings.CutPrefix(value, Device+"="); ok {
				g.devices = append(g.devices, deviceName(name))
			}
		case "network":
			if value == "host" {
				g.plain = append(g.plain, NetworkHost)
			}
		case "context", "contexts", "dockerfile", "secret", "secrets", "ssh", "cache-from":
			for _, p := range pathsIn(value) {
				g.paths(Read, p, w)
			}
		case "cache-to", "output", "outputs":
			for _, p := range pathsIn(value) {
				g.paths(Write, p, w)
			}
		}
	}
	return g
}

// pathsIn is what may be a path in a value: the whole, or the values of its fields.
func pathsIn(value string) []string {
	fields, err := csvvalue.Fields(value, nil)
	if err != nil || value == "" {
		return nil
	}
	var out []string
	for _, f := range fields {
		k, v, ok := strings.Cut(f, "=")
		switch {
		case !ok:
			v = k
		case strings.EqualFold(k, "type"), strings.EqualFold(k, "id"):
			continue
		}
		if ref := schema.ParseRef(v); ref.Kind == schema.OCILayoutRef {
			v = ref.LayoutDir()
		} else {
			v = ref.Value
		}
		if v != "" && v != "*" {
			out = append(out, v)
		}
	}
	return out
}

// Missing is what of the needs is not granted, each once and the larger of nested paths only, in the order of keys and
// values.
func (g Grants) Missing(needs []Need, w World) []Need {
	roots := map[string][]string{}
	for _, d := range w.Free {
		d = w.Real(d)
		roots[Read], roots[Write] = append(roots[Read], d), append(roots[Write], d)
	}
	all := map[string]bool{}
	for key, granted := range map[string][]string{Read: g.read, Write: g.write} {
		for _, p := range granted {
			if p == "*" {
				all[key] = true
				continue
			}
			roots[key] = append(roots[key], w.Real(p))
		}
	}
	var out []Need
	for _, n := range needs {
		ok := slices.Contains(g.plain, n.Key)
		switch n.Key {
		case Device:
			ok = ok || slices.Contains(g.devices, n.Value)
		case Read, Write:
			real := w.Real(n.Value)
			ok = all[n.Key] || slices.ContainsFunc(roots[n.Key], func(r string) bool { return below(real, r) })
		}
		if !ok {
			out = append(out, n)
		}
	}
	return outermost(out)
}

// Allows reports whether a file may be read whose path is absolute.
func (g Grants) Allows(path string, w World) bool {
	return len(g.Missing([]Need{{Key: Read, Value: path}}, w)) == 0
}

// Root is the free or granted directory that holds a file, with the path of the file in it, both without links. Where
// everything is granted it is empty.
func (g Grants) Root(path string, w World) (root, rel string) {
	real := w.Real(path)
	for _, r := range slices.Concat(w.Free, g.read) {
		if r == "*" {
			return "", ""
		}
		if r = w.Real(r); below(real, r) {
			if r == real { // a file that is granted itself
				r = filepath.Dir(r)
			}
			rel, err := filepath.Rel(r, real)
			if err == nil {
				return r, rel
			}
		}
	}
	return "", ""
}

// below reports whether p is root or lies in it.
func below(p, root string) bool {
	rel, err := filepath.Rel(root, p)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// outermost drops repetitions, and paths that lie in others of the list.
func outermost(in []Need) []Need {
	out := slices.Clone(in)
	slices.SortStableFunc(out, func(a, b Need) int {
		return cmp.Or(cmp.Compare(slices.Index(Keys, a.Key), slices.Index(Keys, b.Key)), cmp.Compare(a.Value, b.Value))
	})
	covers := func(a, b Need) bool {
		return a.Key == b.Key && (a.Value == b.Value || (a.Key == Read || a.Key == Write) && below(b.Value, a.Value))
	}
	var kept []Need
	for _, n := range out {
		if !slices.ContainsFunc(kept, func(k Need) bool { return covers(k, n) }) {
			kept = append(kept, n)
		}
	}
	return kept
}

// Flags are the arguments that would grant the needs. Paths near the working directory are relative to it; what is to be
// read and written is one grant.
func Flags(needs []Need, w World) []string {
	var out []string
	for _, n := range needs {
		key := n.Key
		other := map[string]string{Read: Write, Write: Read}[key]
		if slices.ContainsFunc(needs, func(o Need) bool { return other != "" && o.Key == other && o.Value == n.Value }) {
			if key == Write {
				continue
			}
			key = ReadWrite
		}
		if n.Value != "" {
			key += "=" + Short(n.Value, w)
		}
		out = append(out, "--allow "+quoted(key))
	}
	return out
}

// Short is a path as a user would write it: relative if it is not far from the working directory.
func Short(p string, w World) string {
	up := ".." + string(filepath.Separator)
	if rel, err := filepath.Rel(w.Dir, p); err == nil && filepath.IsAbs(p) && !strings.HasPrefix(rel, up+"..") {
		return rel
	}
	return p
}

// quoted is an argument as a shell takes it.
func quoted(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=@:+,%", r))
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Describe says in words what a target would do.
func (n Need) Describe(w World) string {
	switch n.Key {
	case NetworkHost:
		return "runs steps in the network of the host"
	case Insecure:
		return "runs steps with all rights of the host"
	case Device:
		if n.Value == "" {
			return "uses devices of the host"
		}
		return "uses the device " + n.Value
	case Read:
		return "reads " + Short(n.Value, w)
	case Write:
		return "writes " + Short(n.Value, w)
	case SSH:
		return "uses the SSH agent"
	case LocalDelete:
		return "deletes files that it does not write"
	}
	return "asks for " + n.Key
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/exec/buildkit"
	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/schema"
)

// remoteHelp is what the help of commands that read build files says about addresses.
const remoteHelp = "The first argument may be the address of a git repository, of an archive or of a build file on an http server: the build\n" +
	"files are then read from there, by BuildKit, and relative contexts are folders of the repository or archive. A second address\n" +
	"is the value of BAKE_CMD_CONTEXT. Files that -f cwd://FILE names are read from this machine."

// remoteSource says that build files are not on this machine.
type remoteSource struct {
	url        string
	cmdContext string // empty if none is given
}

// takeRemote takes addresses from the beginning of the arguments and gives the rest, which are targets.
func (f *inputFlags) takeRemote(args []string) []string {
	take := func() string {
		if len(args) == 0 {
			return ""
		}
		if !schema.ParseRef(args[0]).Remote() {
			return ""
		}
		first := args[0]
		args = args[1:]
		return first
	}
	if f.remote.url = take(); f.remote.url != "" {
		f.remote.cmdContext = take()
	}
	return args
}

// splitLocal tells the names of files in the source from those on this machine.
func splitLocal(names []string) (there, here []string) {
	for _, n := range names {
		if p, ok := schema.CutWorkingDir(n); ok {
			here = append(here, p)
		} else {
			there = append(there, n)
		}
	}
	return there, here
}

// readRemote reads the build files of the source through BuildKit. Names is empty for those that are usual.
func (a *app) readRemote(ctx context.Context, r remoteSource, dir string, names []string) ([]textFile, hcl.Source, error) {
	src := hcl.Source{URL: r.url}
	req := a.definitionRequest(r.url)
	if req.Names = names; len(names) == 0 {
		req.Names, req.Optional = hcl.DefaultNames(), true
	}
	b, err := a.connect(ctx)
	if err != nil {
		return nil, src, err
	}
	defer b.Close()
	def, err := b.ReadDefinition(ctx, req)
	if err != nil {
		return nil, src, &exitError{ExitUsage, err}
	}
	src.Archive = def.Archive
	if len(def.Files) == 1 && def.Files[0].Name == r.url { // a build file by itself: what it names is on this machine
		f := def.Files[0]
		name, base := f.Name, path.Base(f.Name)
		if u, err := url.Parse(f.Name); err == nil {
			name, base = u.Redacted(), path.Base(u.Path)
		}
		return []textFile{{name, filepath.Join(dir, base), f.Bytes}}, hcl.Source{}, nil
	}
	var out []textFile
	for _, f := range def.Files {
		out = append(out, textFile{f.Name, filepath.Join(hcl.RemoteRoot, filepath.FromSlash(f.Name)), f.Bytes})
	}
	if req.Optional {
		out = a.usual(out)
	}
	return out, src, nil
}

// usual leaves, of the files that are there under the usual names, those that are read: an xbuild.hcl stands before Bake's.
func (a *app) usual(files []textFile) []textFile {
	i := slices.IndexFunc(files, func(f textFile) bool { return hcl.Dialect(f.path) == schema.XbuildDialect && len(f.text) > 0 })
	if i < 0 {
		return files
	}
	for j, f := range files {
		if j != i {
			fmt.Fprintf(a.err, "xbuild: %s is read; %s beside it is ignored, unless -f names it\n", files[i].name, f.name)
		}
	}
	return files[i : i+1]
}

// definitionRequest has the credentials of the environment, under the names that Bake knows.
func (a *app) definitionRequest(address string) buildkit.DefinitionRequest {
	return buildkit.DefinitionRequest{URL: address, GitToken: a.getenv("BUILDX_BAKE_GIT_AUTH_TOKEN"), GitHeader: a.getenv("BUILDX_BAKE_GIT_AUTH_HEADER"),
		SSH: strings.Split(a.getenv("BUILDX_BAKE_GIT_SSH"), ",")}
}

// withGitCredentials returns the configuration in which targets with contexts on the server of the build files have the
// credentials for it, as secrets.
func (a *app) withGitCredentials(r remoteSource, cfg *schema.Config) *schema.Config {
	host := schema.ParseRef(r.url).Host
	if host == "" {
		return cfg
	}
	var secrets []schema.Secret
	for key, name := range map[string]string{buildkit.GitToken: "BUILDX_BAKE_GIT_AUTH_TOKEN", buildkit.GitHeader: "BUILDX_BAKE_GIT_AUTH_HEADER"} {
		if a.getenv(name) != "" {
			secrets = append(secrets, schema.Secret{ID: key + "." + host, Env: name})
		}
	}
	slices.SortFunc(secrets, func(x, y schema.Secret) int { return strings.Compare(x.ID, y.ID) })
	add := func(b schema.Build) schema.Build {
		there := strings.EqualFold(schema.ParseRef(b.Context).Host, host)
		for _, c := range b.Contexts {
			there = there || strings.EqualFold(schema.ParseRef(c).Host, host)
		}
		if there {
			b.Secrets = slices.Concat(b.Secrets, secrets)
		}
		return b
	}
	out := *cfg
	out.Targets = nil
	for _, t := range cfg.Targets {
		c := *t
		c.Base, c.PerPlatform = add(t.Base), maps.Clone(t.PerPlatform)
		for q, b := range t.PerPlatform {
			own := add(*b)
			c.PerPlatform[q] = &own
		}
		out.Targets = append(out.Targets, &c)
	}
	return &out
}

// remoteWorld makes what expressions and includes read of the world come from the source. The files of this machine that
// they can read are those that a file of this machine may, which -f cwd://FILE named. strict says that they are of xbuild's
// dialect.
func (a *app) remoteWorld(ctx context.Context, env *hcl.Env, r remoteSource, strict bool) {
	env.Git = nil             // it is another repository that is checked out here
	if env.Source.URL == "" { // a build file by itself, whose paths look like those of this machine
		env.ReadFile = func(string) ([]byte, error) { return nil, errElsewhere }
		env.Glob = func(string) ([]string, error) { return nil, errElsewhere }
		if strict { // what Bake's files have looked at is where secrets come from, and outputs go to
			env.Stat = func(string) (fs.FileInfo, error) { return nil, errElsewhere }
		}
		return
	}
	here := *env
	read := func(p string) ([]byte, bool, error) {
		name, ok := strings.CutPrefix(filepath.ToSlash(p), hcl.RemoteRoot+"/")
		if !ok {
			return nil, false, nil
		}
		b, err := a.connect(ctx)
		if err != nil {
			return nil, true, err
		}
		defer b.Close()
		req := a.definitionRequest(r.url)
		req.Names = []string{name}
		def, err := b.ReadDefinition(ctx, req)
		if err != nil {
			return nil, true, err
		}
		return def.Files[0].Bytes, true, nil
	}
	env.ReadFile = func(p string) ([]byte, error) {
		if text, ok, err := read(p); ok {
			return text, err
		}
		return here.ReadFile(p)
	}
	env.Stat = func(p string) (fs.FileInfo, error) {
		_, ok, err := read(p)
		switch {
		case !ok:
			return here.Stat(p)
		case err != nil:
			return nil, &fs.PathError{Op: "stat", Path: p, Err: fs.ErrNotExist}
		}
		return fileThere{}, nil
	}
	env.Glob = func(pattern string) ([]string, error) {
		if strings.HasPrefix(pattern, hcl.RemoteRoot) {
			return nil, errors.New("the build file is not on this machine; name the files one by one")
		}
		return here.Glob(pattern)
	}
}

// errElsewhere is the error for files that a build file from an http server would read.
var errElsewhere = &notGranted{"the build file is not on this machine, and must not read files of it"}

// fileThere is all that is known of a file of the source: that it is one.
type fileThere struct{ fs.FileInfo }

func (fileThere) IsDir() bool       { return false }
func (fileThere) Mode() fs.FileMode { return 0o644 }
func (fileThere) Size() int64       { return 0 }

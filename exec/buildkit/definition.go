package buildkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/moby/buildkit/util/archiveutil"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// MaxDefinition is the size in bytes up to which a build file is read.
const MaxDefinition = 2 << 20

// DefinitionRequest asks for build files that are not on this machine.
type DefinitionRequest struct {
	// URL is that of a git repository, as BuildKit reads them, of an archive (tar, also compressed), or of one build file.
	URL string
	// Names are the files to read from a repository or an archive. A single build file is read whatever they are.
	Names []string
	// Optional says that those of Names that do not exist are left out; else they are an error.
	Optional bool
	// GitToken and GitHeader are credentials for an http(s) repository; empty means none. They are only given to the host
	// of URL.
	GitToken, GitHeader string
	// SSH holds the paths of an agent's socket, or of keys, for a repository read by ssh. Empty means the agent that
	// SSH_AUTH_SOCK names, if there is one.
	SSH []string
}

// DefinitionFile is a build file that was read.
type DefinitionFile struct {
	Name  string // one of the names asked for, or the URL of a single build file
	Bytes []byte
}

// RemoteDefinition is what was found.
type RemoteDefinition struct {
	// Files are in the order of the names asked for.
	Files []DefinitionFile
	// Archive says that the URL is that of an archive.
	Archive bool
}

// ReadDefinition reads build files through the daemon, which has the network and the cache. The URL must be one of git or
// http(s); a build file is at most [MaxDefinition] bytes long.
func (b *Backend) ReadDefinition(ctx context.Context, req DefinitionRequest) (*RemoteDefinition, error) {
	def := &RemoteDefinition{}
	st, isGit, err := dockerui.DetectGitContext(req.URL, nil)
	if isGit && err != nil {
		return nil, fmt.Errorf("%s is not a git address that BuildKit can read: %s", req.URL, cleanMessage(err))
	}
	var file string // where the answer of an http server is kept
	if !isGit {
		var ok bool
		if st, file, ok = dockerui.DetectHTTPContext(req.URL); !ok {
			return nil, fmt.Errorf("%s is not the address of a git repository or of a file on an http server", req.URL)
		}
	}
	extra, err := req.credentials(isGit)
	if err != nil {
		return nil, err
	}
	s, err := b.openSession(ctx, extra...)
	if err != nil {
		return nil, fmt.Errorf("the session with BuildKit cannot be opened: %w", err)
	}
	defer s.end()
	r := &run{Backend: b, session: s}
	var said error // the client gives errors of the function back as the daemon's
	err = b.request(ctx, r.solveOpt(), func(ctx context.Context, gc gateway.Client) (*gateway.Result, error) {
		ref, err := solveRef(ctx, gc, *st)
		if err == nil && file != "" {
			ref, err = def.open(ctx, gc, ref, *st, file, req.URL)
		}
		if err == nil && ref != nil {
			err = def.read(ctx, ref, req)
		}
		said = err
		return gateway.NewResult(), err
	})
	if err != nil {
		return nil, b.definitionError(ctx, req.URL, err, said)
	}
	return def, nil
}

// definitionError makes one sentence of what went wrong: said, if it is one already.
func (b *Backend) definitionError(ctx context.Context, url string, err, said error) error {
	var own *definitionTrouble
	var lost *lostError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &lost): // and the function may still be at work
		return b.unreachable(err)
	case errors.As(said, &own):
		return own
	}
	f := &exec.Failure{}
	classify(f, err)
	if f.Kind == exec.DaemonLost {
		return b.unreachable(err)
	}
	// git prints more than one line.
	lines := strings.FieldsFunc(cleanMessage(err), func(r rune) bool { return r == '\n' })
	return fmt.Errorf("BuildKit cannot read the build files of %s: %s", url, strings.Join(lines, "; "))
}

// definitionTrouble is an error whose text is final.
type definitionTrouble struct{ text string }

func (e *definitionTrouble) Error() string { return e.text }

func trouble(format string, args ...any) error {
	return &definitionTrouble{fmt.Sprintf(format, args...)}
}

func solveRef(ctx context.Context, gc gateway.Client, st llb.State) (gateway.Reference, error) {
	def, err := st.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	res, err := gc.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true})
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}

// open looks at what an http server answered: a build file, which is read, or an archive, which is unpacked and returned.
func (d *RemoteDefinition) open(ctx context.Context, gc gateway.Client, ref gateway.Reference, st llb.State, file, url string) (gateway.Reference, error) {
	head, err := ref.ReadFile(ctx, gateway.ReadRequest{Filename: file, Range: &gateway.FileRange{Length: 1024}})
	if err != nil {
		return nil, err
	}
	if archiveutil.IsArchive(head) {
		d.Archive = true
		return solveRef(ctx, gc, llb.Scratch().File(llb.Copy(st, file, "/", &llb.CopyInfo{AttemptUnpack: true}),
			llb.WithCustomName("[internal] unpack "+url)))
	}
	text, err := readLimited(ctx, ref, file, url)
	d.Files = []DefinitionFile{{url, text}}
	return nil, err
}

// read reads the files that were asked for.
func (d *RemoteDefinition) read(ctx context.Context, ref gateway.Reference, req DefinitionRequest) error {
	for _, name := range req.Names {
		st, err := ref.StatFile(ctx, gateway.StatRequest{Path: name})
		if err != nil {
			if !isMissing(err) {
				return err
			}
			if req.Optional {
				continue
			}
			return trouble("there is no file %s in %s", name, req.URL)
		}
		if st.IsDir() {
			if req.Optional {
				continue
			}
			return trouble("%s in %s is a folder, not a build file", name, req.URL)
		}
		text, err := readLimited(ctx, ref, name, name+" in "+req.URL)
		if err != nil {
			return err
		}
		d.Files = append(d.Files, DefinitionFile{name, text})
	}
	if len(d.Files) == 0 {
		return trouble("there is no build file in %s: looked for %s", req.URL, strings.Join(req.Names, ", "))
	}
	return nil
}

func isMissing(err error) bool {
	return strings.Contains(err.Error(), "no such file or directory") || strings.Contains(err.Error(), "not found")
}

// readLimited reads a file unless it is too large.
func readLimited(ctx context.Context, ref gateway.Reference, file, title string) ([]byte, error) {
	text, err := ref.ReadFile(ctx, gateway.ReadRequest{Filename: file, Range: &gateway.FileRange{Length: MaxDefinition + 1}})
	if err == nil && len(text) > MaxDefinition {
		return nil, trouble("%s is larger than %d MB, which is more than a build file can be", title, MaxDefinition>>20)
	}
	return text, err
}

// credentials are what the session offers for reading the repository, and nothing for other hosts.
func (q *DefinitionRequest) credentials(isGit bool) ([]session.Attachable, error) {
	if !isGit {
		return nil, nil
	}
	var out []session.Attachable
	ref := schema.ParseRef(q.URL)
	secrets := map[string][]byte{}
	for name, value := range map[string]string{llb.GitAuthTokenKey: q.GitToken, llb.GitAuthHeaderKey: q.GitHeader} {
		if value != "" {
			secrets[name+"."+ref.Host] = []byte(value)
		}
	}
	if len(secrets) > 0 {
		out = append(out, secretsprovider.FromMap(secrets))
	}
	if !ref.SSH {
		return out, nil
	}
	paths := slices.DeleteFunc(slices.Clone(q.SSH), func(p string) bool { return p == "" })
	ssh, err := sshprovider.NewSSHAgentProvider([]sshprovider.AgentConfig{{ID: sshforward.DefaultID, Paths: paths}})
	if err != nil && len(paths) > 0 {
		return nil, fmt.Errorf("the ssh agent or keys for %s cannot be used: %w", q.URL, err)
	}
	if err == nil { // without an agent the repository may still be readable by other means
		out = append(out, ssh)
	}
	return out, nil
}

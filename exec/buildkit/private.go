package buildkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/session/sshforward/sshprovider"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/mask"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// private is what a run may show to the steps that ask for it, and to nobody else: secrets and SSH agents, by the names
// that the plan gave them. Secrets are read once, when the run begins, so that all its steps see the same values and
// [private.hide] knows what must not appear in a log.
type private struct {
	secrets map[string][]byte
	agents  []sshprovider.AgentConfig
	// words are the values of secrets, hidden all that may not be shown.
	words  []string
	hidden *mask.Masker
}

// newPrivate reads the secrets of all builds. A failure names the first target that cannot have what it asks for.
func (r *run) newPrivate() (*private, error) {
	p := &private{secrets: map[string][]byte{}}
	for _, b := range r.builds {
		for _, s := range b.Values.Secrets {
			name := nameOf(b.SecretNames, s.ID)
			if _, ok := p.secrets[name]; ok {
				continue
			}
			value, err := r.secretValue(b, s)
			if err != nil {
				return nil, &exec.Failure{Kind: exec.BuildFailed, Uses: []plan.Use{b.use()}, Err: err}
			}
			p.secrets[name] = value
			for _, w := range wordsOf(value) {
				p.words = append(p.words, string(w))
			}
		}
		for _, s := range b.Values.SSH {
			name := nameOf(b.SSHNames, s.ID)
			if slices.ContainsFunc(p.agents, func(a sshprovider.AgentConfig) bool { return a.ID == name }) {
				continue
			}
			a := sshprovider.AgentConfig{ID: name, Paths: slices.Clone(s.Paths)}
			if _, err := sshprovider.NewSSHAgentProvider([]sshprovider.AgentConfig{a}); err != nil {
				return nil, &exec.Failure{Kind: exec.BuildFailed, Uses: []plan.Use{b.use()}, Err: sshTrouble(b.Target, s, err)}
			}
			p.agents = append(p.agents, a)
		}
		p.agentForGit(b)
	}
	p.hidden = mask.Exactly(p.words...).And(exec.Hidden(r.plan))
	return p, nil
}

// agentForGit offers the user's agent to a build that reads a repository by ssh, as Bake does, if there is one.
func (p *private) agentForGit(b *build) {
	byssh := func(s string) bool { return schema.ParseRef(s).SSH }
	if !byssh(b.Values.Context) && !slices.ContainsFunc(slices.Collect(maps.Values(b.Values.Contexts)), byssh) {
		return
	}
	a := sshprovider.AgentConfig{ID: nameOf(b.SSHNames, sshforward.DefaultID)}
	if slices.ContainsFunc(p.agents, func(x sshprovider.AgentConfig) bool { return x.ID == a.ID }) {
		return
	}
	if _, err := sshprovider.NewSSHAgentProvider([]sshprovider.AgentConfig{a}); err == nil {
		p.agents = append(p.agents, a)
	}
}

// nameOf is the name of an id.
func nameOf(names map[string]string, id string) string {
	if n, ok := names[id]; ok {
		return n
	}
	return id
}

func (r *run) secretValue(b *build, s schema.Secret) ([]byte, error) {
	if s.Src == "" {
		v, ok := os.LookupEnv(s.Env)
		if !ok {
			r.emit(exec.Event{Type: exec.Message, Time: time.Now(),
				Name: fmt.Sprintf("secret %s of target %s is empty, since the environment variable %s is not set", s.ID, b.Target, s.Env)})
		}
		return []byte(v), nil
	}
	v, err := os.ReadFile(s.Src)
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("secret %s of target %s: the file %s does not exist", s.ID, b.Target, s.Src)
	case errors.As(err, &pathErr):
		return nil, fmt.Errorf("secret %s of target %s: the file %s cannot be read: %w", s.ID, b.Target, s.Src, pathErr.Err)
	case err != nil:
		return nil, fmt.Errorf("secret %s of target %s: %w", s.ID, b.Target, err)
	case len(v) > secretsprovider.MaxSecretSize:
		return nil, fmt.Errorf("secret %s of target %s: the file %s has %d bytes, and BuildKit takes at most %d", s.ID, b.Target, s.Src, len(v), secretsprovider.MaxSecretSize)
	}
	return v, nil
}

// sshTrouble words why keys or an agent cannot be used.
func sshTrouble(target string, s schema.SSH, err error) error {
	if len(s.Paths) == 0 {
		return fmt.Errorf("ssh %s of target %s: no SSH agent can be reached; start one and set SSH_AUTH_SOCK, or give the path of a key", s.ID, target)
	}
	text := err.Error()
	if _, after, ok := strings.Cut(text, fmt.Sprintf("failed to convert agent config for ID: %q: ", s.ID)); ok {
		text = after
	}
	return fmt.Errorf("ssh %s of target %s: %s cannot be used: %s", s.ID, target, strings.Join(s.Paths, ", "), text)
}

// attach lists what a session must offer. There is a provider even for nothing, so that a step that asks for a secret
// is told that there is none.
func (p *private) attach() ([]session.Attachable, error) {
	out := []session.Attachable{secretsprovider.NewSecretProvider(p)}
	if len(p.agents) > 0 {
		agents, err := sshprovider.NewSSHAgentProvider(p.agents)
		if err != nil {
			return nil, err
		}
		out = append(out, agents)
	}
	return out, nil
}

// GetSecret implements secrets.SecretStore.
func (p *private) GetSecret(_ context.Context, name string) ([]byte, error) {
	v, ok := p.secrets[name]
	if !ok {
		return nil, secrets.ErrNotFound
	}
	return v, nil
}

// The shortest values that are hidden: what is shorter would blot out half of every log.
const (
	shortestWord = 4
	shortestLine = 8 // of a value of several lines
)

// wordsOf is what must not be printed of a secret: its text, and each of its lines.
func wordsOf(value []byte) [][]byte {
	var out [][]byte
	text := bytes.TrimSpace(value)
	if len(text) >= shortestWord {
		out = append(out, text)
	}
	if bytes.IndexByte(text, '\n') < 0 {
		return out
	}
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) >= shortestLine {
			out = append(out, line)
		}
	}
	return out
}

// hide takes the secrets and the sensitive arguments out of a piece of a log. held is what the last piece left over, since a value
// may arrive in parts; rest is what this one leaves. At the end of a log the rest is printed by a call with last set.
func (p *private) hide(held, data []byte, last bool) (out, rest []byte) {
	if p == nil || p.hidden.Empty() {
		return append(held, data...), nil
	}
	text, left := p.hidden.Part(string(held), string(data), last)
	return []byte(text), []byte(left)
}

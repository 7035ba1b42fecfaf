package buildkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"sync"
	"time"

	dockerconfig "github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/filesync"
)

// buildSession is the daemon's way back to this process during one run: it reads folders and credentials through it, and
// sends local outputs.
type buildSession struct {
	*session.Session
	dirs  *dirSource
	done  chan struct{}
	drain func() time.Duration
}

// openSession starts the session of a run. Local exports arrive in the staging folder.
func (r *run) openSession(ctx context.Context) (*buildSession, error) {
	more, err := r.private.attach()
	if err != nil {
		return nil, err
	}
	more = append(more, r.attachCaches()...)
	if dir := r.export.dir(); dir != "" {
		more = append(more, r.export.receiver(dir))
	}
	return r.Backend.openSession(ctx, more...)
}

// openSession starts a session that offers folders, credentials and more.
func (b *Backend) openSession(ctx context.Context, more ...session.Attachable) (*buildSession, error) {
	s, err := session.NewSession(context.WithoutCancel(ctx), sharedKey())
	if err != nil {
		return nil, err
	}
	bs := &buildSession{Session: s, dirs: newDirSource(b.opt.StateDir), done: make(chan struct{}), drain: b.drainTime}
	// What a session offers is announced when it starts, so everything is added before.
	s.Allow(filesync.NewFSSyncProvider(bs.dirs))
	s.Allow(authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: b.credentials()}))
	for _, a := range more {
		s.Allow(a)
	}
	go func() {
		defer close(bs.done)
		// The run ends the session by Close; a failure to connect shows in the first call that needs it.
		_ = s.Run(context.WithoutCancel(ctx), b.dialSession)
	}()
	return bs, nil
}

// end closes the session and returns when nothing uses its folders any more. It does not wait for a daemon that is
// frozen.
func (s *buildSession) end() {
	go s.Close()
	select {
	case <-s.done:
	case <-time.After(s.drain()):
	}
}

// credentials reads docker's configuration when a registry first asks for credentials, so that a broken file is no
// obstacle to a build that needs none.
func (b *Backend) credentials() authprovider.AuthConfigProvider {
	load := sync.OnceValues(func() (authprovider.AuthConfigProvider, error) {
		cfg, err := dockerconfig.Load(b.opt.DockerConfig)
		if err != nil {
			return nil, err
		}
		return authprovider.LoadAuthConfig(cfg), nil
	})
	return func(ctx context.Context, host string, scope []string, expired authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
		p, err := load()
		if err != nil {
			return types.AuthConfig{}, err
		}
		return p(ctx, host, scope, expired)
	}
}

// sharedKey tells this machine's folders from those of another machine at the same path. The daemon keeps the copy of a
// folder under it and compares only sizes and times, so two machines must never share one.
var sharedKey = sync.OnceValue(func() string {
	host, _ := os.Hostname()
	id, _ := os.ReadFile("/etc/machine-id")
	sum := sha256.Sum256([]byte(host + "\x00" + string(id)))
	return "xbuild:" + hex.EncodeToString(sum[:12])
})

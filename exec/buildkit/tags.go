package buildkit

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/distribution/reference"
	dockerconfig "github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
)

// tagTimeout bounds one question to a registry.
const tagTimeout = 10 * time.Second

// Tags returns a function that asks a registry for the digest of what a reference names. No daemon is asked, so the
// daemon's mirrors and its exceptions for registries without TLS are not known; registries of this machine may do without.
// dockerConfig is the folder of docker's config.json, where credentials come from; empty means $DOCKER_CONFIG, else
// ~/.docker. The function may be called at the same time.
func Tags(dockerConfig string) func(ctx context.Context, ref string) (digest string, err error) {
	return tags(dockerConfig, tagTransport())
}

// tagTransport keeps as many connections to a registry open as questions are asked at the same time.
func tagTransport() *http.Transport {
	t := &http.Transport{}
	if usual, ok := http.DefaultTransport.(*http.Transport); ok {
		t = usual.Clone()
	}
	t.MaxIdleConnsPerHost = parallelExports
	return t
}

func tags(dockerConfig string, transport http.RoundTripper) func(ctx context.Context, ref string) (digest string, err error) {
	load := sync.OnceValues(func() (*configfile.ConfigFile, error) {
		if dockerConfig == "" {
			dockerConfig = dockerconfig.Dir()
		}
		return dockerconfig.Load(dockerConfig)
	})
	credentials := func(host string) (user, secret string, err error) {
		cfg, err := load()
		if err != nil {
			return "", "", err
		}
		if host == "registry-1.docker.io" {
			host = "https://index.docker.io/v1/"
		}
		a, err := cfg.GetAuthConfig(host)
		if a.IdentityToken != "" {
			return "", a.IdentityToken, err
		}
		return a.Username, a.Password, err
	}
	client := &http.Client{Transport: transport}
	resolver := docker.NewResolver(docker.ResolverOptions{Hosts: docker.ConfigureDefaultRegistries(
		docker.WithClient(client), docker.WithPlainHTTP(docker.MatchLocalhost),
		docker.WithAuthorizer(docker.NewDockerAuthorizer(docker.WithAuthClient(client), docker.WithAuthCreds(credentials))))})
	return func(ctx context.Context, ref string) (string, error) {
		named, err := reference.ParseNormalizedNamed(ref)
		if err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(ctx, tagTimeout)
		defer cancel()
		_, desc, err := resolver.Resolve(ctx, reference.TagNameOnly(named).String())
		return desc.Digest.String(), err
	}
}

// Package engine is a client of the Docker Engine's API, for the few calls that builds need.
//
// In: an address, or the configuration of the docker command. Out: an [Engine] that loads and pushes images, says what it has, and gives
// connections to the BuildKit inside of it. Promised: every call ends with its context; errors do not show addresses that the client
// made up. Start with [Address] and [Dial].
package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/distribution/reference"
	dockerconfig "github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/xbuild/xbuild/internal/regular"
)

// usual is where a Docker Engine listens.
const usual = "unix:///var/run/docker.sock"

// Engine is a Docker Engine. A few calls of its API are needed, so no client library is.
type Engine struct {
	// Address is how the user would write it, and Version the engine's.
	Address, Version string
	// Containerd says that it keeps images in containerd's store, which can hold several platforms.
	Containerd bool
	client     *http.Client
	dial       func(context.Context) (net.Conn, error)
	base       string // scheme and host of requests
}

// Address is the address of the engine that the docker command would use: that of a context, or by DOCKER_HOST,
// DOCKER_CONTEXT and docker's configuration.
func Address(configDir, name string) (string, error) {
	if configDir == "" {
		configDir = dockerconfig.Dir()
	}
	if name == "" {
		if h := os.Getenv("DOCKER_HOST"); h != "" {
			return h, nil
		}
		name = Context(configDir)
	}
	if name == defaultContext {
		return usual, nil
	}
	sum := sha256.Sum256([]byte(name))
	text, err := regular.ReadFile(filepath.Join(configDir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"))
	if err != nil {
		return "", fmt.Errorf("there is no docker context %q in %s", name, configDir)
	}
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := json.Unmarshal(text, &meta); err != nil || meta.Endpoints["docker"].Host == "" {
		return "", fmt.Errorf("the docker context %q names no engine", name)
	}
	return meta.Endpoints["docker"].Host, nil
}

// defaultContext is docker's name for the engine that no context names.
const defaultContext = "default"

// Context is the docker context that the docker command would use. docker buildx has a builder of that name.
func Context(configDir string) string {
	if os.Getenv("DOCKER_HOST") != "" {
		return defaultContext
	}
	if name := os.Getenv("DOCKER_CONTEXT"); name != "" {
		return name
	}
	if configDir == "" {
		configDir = dockerconfig.Dir()
	}
	if cfg, err := dockerconfig.Load(configDir); err == nil {
		return cmp.Or(cfg.CurrentContext, defaultContext)
	}
	return defaultContext
}

// Dial connects to an engine, at unix:///path or tcp://host:port, and asks how it keeps images. patience bounds how long that takes.
func Dial(ctx context.Context, address string, patience time.Duration) (*Engine, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the address %q of a Docker Engine is not valid", address)
	}
	e := &Engine{Address: address}
	network, at := "tcp", u.Host
	switch u.Scheme {
	case "unix":
		network, at = "unix", u.Path
		e.base = "http://docker"
	case "tcp", "http":
		e.base = "http://" + u.Host
	default:
		return nil, fmt.Errorf("a Docker Engine at %s cannot be reached: unix and tcp are supported", address)
	}
	e.dial = func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{Timeout: patience}).DialContext(ctx, network, at)
	}
	e.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return e.dial(ctx) }}}
	call, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var info struct {
		ServerVersion string
		DriverStatus  [][2]string
	}
	if err := e.get(call, "/info", &info); err != nil {
		return nil, fmt.Errorf("no Docker Engine answers at %s: %w", address, err)
	}
	e.Version = info.ServerVersion
	e.Containerd = slices.Contains(info.DriverStatus, [2]string{"driver-type", "io.containerd.snapshotter.v1"})
	return e, nil
}

func (e *Engine) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+path, nil)
	if err != nil {
		return err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return rootCause(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// ImagePlatform is the platform of an image that the engine has.
func (e *Engine) ImagePlatform(ctx context.Context, name string) (ocispecs.Platform, error) {
	var image struct{ Os, Architecture, Variant string }
	err := e.get(ctx, "/images/"+name+"/json", &image)
	return ocispecs.Platform{OS: image.Os, Architecture: image.Architecture, Variant: image.Variant}, err
}

// Load sends an archive of images.
func (e *Engine) Load(ctx context.Context, archive io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.base+"/images/load?quiet=1", archive)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-tar")
	resp, err := e.client.Do(req)
	if err != nil {
		return rootCause(err)
	}
	defer resp.Body.Close()
	return readMessages(resp, nil)
}

// Push sends an image that the engine has to its registry, and returns its digest.
func (e *Engine) Push(ctx context.Context, name string, auth types.AuthConfig) (string, error) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", err
	}
	tag := "latest"
	if t, ok := ref.(reference.Tagged); ok {
		tag = t.Tag()
	}
	to := e.base + "/images/" + reference.FamiliarName(ref) + "/push?tag=" + url.QueryEscape(tag)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, nil)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(auth)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Registry-Auth", base64.URLEncoding.EncodeToString(text))
	resp, err := e.client.Do(req)
	if err != nil {
		return "", rootCause(err)
	}
	defer resp.Body.Close()
	digest := ""
	err = readMessages(resp, func(m *message) { digest = cmp.Or(m.Aux.Digest, digest) })
	return digest, err
}

// message is one of those that the engine sends while it works.
type message struct {
	Message string `json:"message"`
	Error   string `json:"error"`
	Aux     struct{ Digest string }
}

// readMessages reads what the engine says of its work; the first error ends it.
func readMessages(resp *http.Response, see func(*message)) error {
	for dec := json.NewDecoder(resp.Body); ; {
		var m message
		err := dec.Decode(&m)
		switch {
		case err == io.EOF && resp.StatusCode == http.StatusOK:
			return nil
		case err == io.EOF:
			return fmt.Errorf("it answers %s", resp.Status)
		case err != nil:
			return err
		case m.Error != "":
			return errors.New(m.Error)
		case m.Message != "" && resp.StatusCode != http.StatusOK:
			return fmt.Errorf("%s (%s)", m.Message, resp.Status)
		}
		if see != nil {
			see(&m)
		}
	}
}

// rootCause drops what net/http puts around an error: the made-up address.
func rootCause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

package buildkit

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

	"github.com/distribution/reference"
	dockerconfig "github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/xbuild/xbuild/internal/regular"
)

// defaultEngine is where a Docker Engine listens.
const defaultEngine = "unix:///var/run/docker.sock"

// engine is a Docker Engine. A few calls of its API are needed, so no client library is.
type engine struct {
	address    string // as the user would write it
	client     *http.Client
	dial       func(context.Context) (net.Conn, error)
	base       string // scheme and host of requests
	containerd bool   // it keeps images in containerd's store, which can hold several platforms
	version    string
}

// engineAddress is the address of the engine that the docker command would use: that of a context, or by DOCKER_HOST,
// DOCKER_CONTEXT and docker's configuration.
func engineAddress(configDir, name string) (string, error) {
	if configDir == "" {
		configDir = dockerconfig.Dir()
	}
	if name == "" {
		if h := os.Getenv("DOCKER_HOST"); h != "" {
			return h, nil
		}
		name = engineContext(configDir)
	}
	if name == defaultContext {
		return defaultEngine, nil
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

// engineContext is the docker context that the docker command would use. docker buildx has a builder of that name.
func engineContext(configDir string) string {
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

// dialEngine connects to an engine and asks how it keeps images.
func dialEngine(ctx context.Context, address string) (*engine, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the address %q of a Docker Engine is not valid", address)
	}
	e := &engine{address: address}
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
		return (&net.Dialer{Timeout: usualPatience.dial}).DialContext(ctx, network, at)
	}
	e.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return e.dial(ctx) }}}
	call, cancel := context.WithTimeout(ctx, usualPatience.dial)
	defer cancel()
	var info struct {
		ServerVersion string
		DriverStatus  [][2]string
	}
	if err := e.get(call, "/info", &info); err != nil {
		return nil, fmt.Errorf("no Docker Engine answers at %s: %w", address, err)
	}
	e.version = info.ServerVersion
	e.containerd = slices.Contains(info.DriverStatus, [2]string{"driver-type", "io.containerd.snapshotter.v1"})
	return e, nil
}

func (e *engine) get(ctx context.Context, path string, into any) error {
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

// imagePlatform is the platform of an image that the engine has.
func (e *engine) imagePlatform(ctx context.Context, name string) (ocispecs.Platform, error) {
	var image struct{ Os, Architecture, Variant string }
	err := e.get(ctx, "/images/"+name+"/json", &image)
	return ocispecs.Platform{OS: image.Os, Architecture: image.Architecture, Variant: image.Variant}, err
}

// load sends an archive of images.
func (e *engine) load(ctx context.Context, archive io.Reader) error {
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

// push sends an image that the engine has to its registry, and returns its digest.
func (e *engine) push(ctx context.Context, name string, auth types.AuthConfig) (string, error) {
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
	err = readMessages(resp, func(m *engineMessage) { digest = cmp.Or(m.Aux.Digest, digest) })
	return digest, err
}

// engineMessage is one of those that the engine sends while it works.
type engineMessage struct {
	Message string `json:"message"`
	Error   string `json:"error"`
	Aux     struct{ Digest string }
}

// readMessages reads what the engine says of its work; the first error ends it.
func readMessages(resp *http.Response, see func(*engineMessage)) error {
	for dec := json.NewDecoder(resp.Body); ; {
		var m engineMessage
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

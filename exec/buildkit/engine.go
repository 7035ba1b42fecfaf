package buildkit

import (
	"bytes"
	"context"
	"crypto/sha256"
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
	"strings"

	dockerconfig "github.com/docker/cli/cli/config"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// defaultEngine is where a Docker Engine listens.
const defaultEngine = "unix:///var/run/docker.sock"

// engine is a Docker Engine. Two calls of its API are needed, so no client library is.
type engine struct {
	address    string // as the user would write it
	client     *http.Client
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
		if name = os.Getenv("DOCKER_CONTEXT"); name == "" {
			if cfg, err := dockerconfig.Load(configDir); err == nil {
				name = cfg.CurrentContext
			}
		}
	}
	if name == "" || name == "default" {
		return defaultEngine, nil
	}
	sum := sha256.Sum256([]byte(name))
	text, err := os.ReadFile(filepath.Join(configDir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"))
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
	e.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, at)
	}}}
	call, cancel := context.WithTimeout(ctx, dialTimeout)
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
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxIndex))
	if err != nil {
		return err
	}
	var last struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		if err := dec.Decode(&last); err != nil {
			break
		}
		if last.Error != "" {
			return errors.New(last.Error)
		}
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s (%s)", strings.TrimSpace(last.Message), resp.Status)
	}
	return nil
}

// rootCause drops what net/http puts around an error: the made-up address.
func rootCause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// engineFor is the engine that an output names. The run asks each once.
func (r *run) engineFor(ctx context.Context, e *export) (*engine, error) {
	address, err := engineAddress(r.Backend.opt.DockerConfig, e.output.Attrs["context"])
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	known := r.engines[address]
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	en, err := dialEngine(ctx, address)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.engines == nil {
		r.engines = map[string]*engine{}
	}
	r.engines[address] = en
	return en, nil
}

// checkEngines sees before anything is built that every engine that an image is for is there and can hold it.
func (r *run) checkEngines(ctx context.Context) error {
	for _, e := range r.exports {
		if e.output.Type != schema.OutputDocker || e.key != "" {
			continue
		}
		en, err := r.engineFor(ctx, e)
		if err != nil {
			return r.exportFailure(e, err, "start docker, or name an engine with DOCKER_HOST")
		}
		if e.index && !en.containerd {
			return r.exportFailure(e, fmt.Errorf("the Docker Engine at %s keeps images in its classic store, which holds one platform under a name, and target %s is built for %d",
				en.address, e.target, len(e.builds)), "build one platform with --platform, or turn the containerd image store on: \"features\": {\"containerd-snapshotter\": true} in the engine's daemon.json")
		}
	}
	return nil
}

func (r *run) exportFailure(e *export, err error, hint string) error {
	f := &exec.Failure{Kind: exec.OutputFailed, Err: err, Hint: hint}
	for _, b := range e.builds {
		f.Uses = append(f.Uses, b.use())
	}
	return f
}

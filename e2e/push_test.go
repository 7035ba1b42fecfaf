package e2e

import (
	"archive/tar"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestPush: an image for two platforms is one index in a real registry, and each image holds a program for its platform.
func TestPush(t *testing.T) {
	dir := copyExample(t, "guide")
	w := external(t, dir)
	tag := bed(t).Registry + "/guide/server:e2e"
	r := w.ok(t, "run", "image", "--var", "TAG="+tag)
	index := pulled(t, tag, nil)
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.stdout, tag+"@"+digest.String()) {
		t.Errorf("the result does not name %s@%s:\n%s", tag, digest, r.stdout)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, d := range m.Manifests {
		platforms = append(platforms, d.Platform.String())
		img, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		f, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if f.Architecture != d.Platform.Architecture || fmt.Sprint(f.Config.Entrypoint) != "[/bin/server]" {
			t.Errorf("the image for %s is for %s and has entrypoint %v", d.Platform, f.Architecture, f.Config.Entrypoint)
		}
		program := filepath.Join(t.TempDir(), "server")
		extract(t, img, "bin/server", program)
		if got := machine(t, program); got != machines["linux_"+d.Platform.Architecture] {
			t.Errorf("the server for %s is %s", d.Platform, got)
		}
	}
	if got := strings.Join(platforms, " "); got != "linux/amd64 linux/arm64" {
		t.Errorf("the index has %s, want linux/amd64 linux/arm64 and nothing else", got)
	}
}

func pulled(t *testing.T, tag string, auth authn.Authenticator) v1.ImageIndex {
	t.Helper()
	ref, err := name.ParseReference(tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	var opts []remote.Option
	if auth != nil {
		opts = append(opts, remote.WithAuth(auth))
	}
	index, err := remote.Index(ref, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// extract writes one file of an image.
func extract(t *testing.T, img v1.Image, path, to string) {
	t.Helper()
	content := mutate.Extract(img)
	defer content.Close()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("%s in the image: %v", path, err)
		}
		if strings.TrimPrefix(h.Name, "/") != path {
			continue
		}
		f, err := os.Create(to)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := io.Copy(f, r); err != nil {
			t.Fatal(err)
		}
		return
	}
}

// TestPushCredentials: credentials come from docker's configuration file or from a helper that it names, without any
// docker; without them the error names the registry and the file.
func TestPushCredentials(t *testing.T) {
	const user, password = "ada", "s3cret-word"
	reg := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="e2e"`)
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}`)
			return
		}
		reg.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	d := freshDaemon(t, fmt.Sprintf("[registry.%q]\n  http = true\n", host))

	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	helper := fmt.Sprintf("#!/bin/sh\nread host\n[ \"$1 $host\" = 'get %s' ] || exit 1\necho '{\"ServerURL\":\"%s\",\"Username\":\"%s\",\"Secret\":\"%s\"}'\n", host, host, user, password)
	for _, tc := range []struct{ name, config string }{
		{"file", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, auth)},
		{"helper", fmt.Sprintf(`{"credHelpers":{%q:"e2e"}}`, host)},
		{"none", `{}`},
		{"wrong", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte(user+":wrong")))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tag := host + "/e2e/" + tc.name + ":1"
			dir := project(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY xbuild.hcl /\n", "docker/config.json": tc.config,
				"xbuild.hcl": fmt.Sprintf("target \"default\" {\n  platforms = [\"linux/amd64\", \"linux/arm64\"]\n  tags = [%q]\n  output = [\"type=registry\"]\n}\n", tag)})
			write(t, filepath.Join(dir, "bin/docker-credential-e2e"), helper)
			if err := os.Chmod(filepath.Join(dir, "bin/docker-credential-e2e"), 0o755); err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, dir, "BUILDKIT_HOST="+d.Address, "DOCKER_CONFIG="+filepath.Join(dir, "docker"), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
			r := w.xbuild(t.Context(), "run", "--progress", "plain")
			if strings.Contains(r.stdout+r.stderr, password) || strings.Contains(r.stdout+r.stderr, auth) {
				t.Errorf("the output has the password:\n%s", r.stderr)
			}
			if tc.name == "file" || tc.name == "helper" {
				if r.code != 0 {
					t.Fatalf("exit code %d\n%s", r.code, tail(r.stderr, 40))
				}
				pulled(t, tag, &authn.Basic{Username: user, Password: password})
				return
			}
			if r.code != 1 || !strings.Contains(r.stderr, host) || !strings.Contains(r.stderr, filepath.Join(dir, "docker", "config.json")) {
				t.Errorf("exit code %d, want 1 and an error that names %s and the configuration file:\n%s", r.code, host, r.stderr)
			}
		})
	}
}

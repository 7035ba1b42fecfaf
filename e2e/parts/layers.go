package parts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maker makes layers in a folder of its own.
type maker struct {
	ctx    context.Context
	dir    string
	layers map[string]v1.Layer
}

// layersOf makes the layers of one architecture, lowest first.
func (m *maker) layersOf(first func(int) (v1.Layer, error), arch int, more ...func(int) (v1.Layer, error)) ([]v1.Layer, error) {
	var out []v1.Layer
	for _, f := range append([]func(int) (v1.Layer, error){first}, more...) {
		l, err := f(arch)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// busybox is a small Linux: Debian's static busybox, its commands as links, users, /tmp and this machine's certificates.
func (m *maker) busybox(arch int) (v1.Layer, error) {
	key := "busybox-" + arches[arch].debian
	if l := m.layers[key]; l != nil {
		return l, nil
	}
	unpacked, err := m.packages(arches[arch].debian, "busybox-static")
	if err != nil {
		return nil, err
	}
	root := filepath.Join(m.dir, key)
	if err := copyFile(filepath.Join(unpacked, "bin/busybox"), filepath.Join(root, "bin/busybox"), 0o755); err != nil {
		return nil, err
	}
	commands, err := run(m.ctx, filepath.Join(root, "bin/busybox"), "--list") // under QEMU where it must be
	if err != nil {
		return nil, err
	}
	for _, c := range strings.Fields(commands) {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", c)); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	for _, d := range []string{"etc/ssl/certs", "root", "tmp", "usr/bin", "usr/local/bin", "var/tmp"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return nil, err
		}
	}
	for _, f := range [][2]string{{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"}, {"etc/group", "root:x:0:\n"}} {
		if err := os.WriteFile(filepath.Join(root, f[0]), []byte(f[1]), 0o644); err != nil {
			return nil, err
		}
	}
	if certs := certificates(); certs != "" {
		if err := copyFile(certs, filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), 0o644); err != nil {
			return nil, err
		}
	}
	return m.layer(key, tree{from: root})
}

// certificates is the bundle that programs on this machine trust, so that builds get through the same proxies.
func certificates() string {
	for _, f := range []string{os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt"} {
		if st, err := os.Stat(f); err == nil && st.Mode().IsRegular() {
			return f
		}
	}
	return ""
}

// gcc is a C compiler with its library, and make, from Debian packages.
func (m *maker) gcc(arch int) (v1.Layer, error) {
	key := "gcc-" + arches[arch].debian
	if l := m.layers[key]; l != nil {
		return l, nil
	}
	unpacked, err := m.packages(arches[arch].debian, "gcc", "libc6-dev", "make")
	if err != nil {
		return nil, err
	}
	return m.layer(key, tree{from: unpacked, skip: func(p string) bool { return strings.HasPrefix(p, "usr/share/") }})
}

// crossGCC is a C compiler that runs on one architecture and compiles for the other of the two.
func (m *maker) crossGCC(arch int) (v1.Layer, error) {
	key := "gcc-cross-" + arches[arch].debian
	if l := m.layers[key]; l != nil {
		return l, nil
	}
	names := []string{"gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"}
	if arches[arch].debian == "arm64" {
		names = []string{"gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"}
	}
	unpacked, err := m.packages(arches[arch].debian, names...)
	if err != nil {
		return nil, err
	}
	return m.layer(key, tree{from: unpacked, skip: func(p string) bool { return strings.HasPrefix(p, "usr/share/") }})
}

// toolchain is the Go that runs these tests, for one architecture, at /usr/local/go.
func (m *maker) toolchain(arch int) (v1.Layer, error) {
	a := arches[arch].platform.Architecture
	key := "go-" + a
	if l := m.layers[key]; l != nil {
		return l, nil
	}
	out, err := run(m.ctx, "go", "mod", "download", "-json", fmt.Sprintf("golang.org/toolchain@v0.0.1-%s.linux-%s", runtime.Version(), a))
	if err != nil {
		return nil, err
	}
	var mod struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &mod); err != nil {
		return nil, fmt.Errorf("go mod download: %w", err)
	}
	return m.layer(key, tree{from: mod.Dir, to: "usr/local/go", skip: func(p string) bool {
		for _, d := range []string{"test/", "doc/", "api/", "misc/", "src/cmd/"} {
			if strings.HasPrefix(p, d) {
				return true
			}
		}
		return strings.Contains(p, "/testdata/") || strings.HasSuffix(p, "_test.go")
	}, executable: func(p string) bool { // the module cache does not keep the bits
		return strings.HasPrefix(p, "bin/") || strings.HasPrefix(p, "pkg/tool/")
	}})
}

// packages downloads Debian packages with everything they need and unpacks them into one folder.
func (m *maker) packages(arch string, names ...string) (string, error) {
	apt := filepath.Join(m.dir, "apt-"+arch)
	lists, cache := filepath.Join(apt, "lists"), filepath.Join(apt, "cache-"+names[0])
	for _, d := range []string{filepath.Join(lists, "partial"), filepath.Join(cache, "archives/partial")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", err
		}
	}
	// A world of its own: no package is installed in it, so that the whole closure comes down.
	get := func(args ...string) error {
		_, err := run(m.ctx, "apt-get", append([]string{"-qq", "-y", "-oAPT::Architecture=" + arch, "-oAPT::Architectures=" + arch,
			"-oDir::State::Lists=" + lists, "-oDir::Cache=" + cache, "-oDir::State::status=/dev/null",
			"-oAPT::Sandbox::User=root", "-oDebug::NoLocking=1", "-oAcquire::Retries=3"}, args...)...)
		return err
	}
	var err error
	for range 3 {
		// A third party's list may fail; what counts is whether the packages can be found.
		if e := get("update"); e != nil {
			err = e
		}
		if e := get(append([]string{"install", "--download-only", "--no-install-recommends"}, names...)...); e == nil {
			return m.unpack(apt, filepath.Join(cache, "archives"), names[0])
		} else if err = errors.Join(err, e); m.ctx.Err() != nil {
			break
		}
		time.Sleep(5 * time.Second)
	}
	return "", fmt.Errorf("downloading %s for %s: %w", strings.Join(names, ", "), arch, err)
}

func (m *maker) unpack(apt, archives, key string) (string, error) {
	debs, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil || len(debs) == 0 {
		return "", fmt.Errorf("apt-get downloaded nothing to %s", archives)
	}
	root := filepath.Join(apt, "root-"+key)
	for _, deb := range debs {
		if _, err := run(m.ctx, "dpkg-deb", "-x", deb, root); err != nil {
			return "", err
		}
	}
	return root, nil
}

func copyFile(from, to string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, mode)
}

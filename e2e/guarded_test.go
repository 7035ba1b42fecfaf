package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// certificate writes a certificate for 127.0.0.1 that vouches for itself, and its key.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
	return cert, key
}

// TestGuardedRegistry: images and caches go to a real registry that wants TLS and a password, and are read from it by a
// BuildKit that knows nothing; without the password the error names the registry and the file that was looked at.
func TestGuardedRegistry(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret-word"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	htpasswd := filepath.Join(dir, "htpasswd")
	write(t, htpasswd, "ada:"+string(hash)+"\n")
	host, err := bed(t).StartGuardedRegistry(t.Context(), "guarded", cert, key, htpasswd)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("[registry.%q]\n  ca = [%q]\n", host, cert)
	src := project(t, map[string]string{"xbuild.hcl": fmt.Sprintf(`target "default" {
  dockerfile-inline = "FROM alpine:3.22\nRUN --network=none echo guarded > /x\n"
  tags       = ["%[1]s/e2e/app:1", "%[1]s/e2e/app:2"]
  output     = ["type=registry"]
  cache-to   = ["type=registry,ref=%[1]s/e2e/cache:1,mode=max,required=true"]
  cache-from = ["%[1]s/e2e/cache:1"]
}
`, host), "docker/config.json": fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("ada:s3cret-word"))),
		"none/config.json": "{}"})
	for i := range 2 {
		daemon := freshDaemon(t, config).Address
		w := newWorld(t, src, "BUILDKIT_HOST="+daemon, "DOCKER_CONFIG="+filepath.Join(src, "docker"))
		if i == 0 {
			none := newWorld(t, src, "BUILDKIT_HOST="+daemon, "DOCKER_CONFIG="+filepath.Join(src, "none"))
			r := none.code(t, 1, "run", "--progress", "plain")
			if !strings.Contains(r.stderr, host) || !strings.Contains(r.stderr, filepath.Join(src, "none", "config.json")) || !strings.Contains(r.stderr, "log in") {
				t.Errorf("without a password:\n%s", r.stderr)
			}
		}
		r := w.ok(t, "run", "--progress", "plain")
		if !strings.Contains(r.stdout, host+"/e2e/app:2@sha256:") {
			t.Errorf("run %d: the result is %q", i, r.stdout)
		}
		if cached := strings.Contains(r.stderr, "echo guarded > /x CACHED"); i == 1 && !cached {
			t.Errorf("the second daemon did not use the cache:\n%s", r.stderr)
		}
	}
}

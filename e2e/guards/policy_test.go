package guards

import (
	"archive/tar"
	"bytes"
	"testing"
)

const policyTarget = `target "default" {
  output = ["out"]
}
`

// TestPolicies: what docker buildx would hold against a policy is not built without it.
func TestPolicies(t *testing.T) {
	const scratch = "FROM scratch\nCOPY <<EOF /x\nx\nEOF\n"
	denyAll := `{"version": 1, "rules": [{"action": "DENY", "selector": {"identifier": "*"}}]}`
	off := []string{"--policy", "disabled=true"}
	const inArchive = "target \"default\" {\n  context = \"{server}/context.tar\"\n  output = [\"out\"]\n}\n"
	check(t, []guard{
		{
			name: "Dockerfile.rego of a repository", bake: policyTarget, xbuild: policyTarget, places: []place{git},
			files: map[string]string{"Dockerfile": scratch, "Dockerfile.rego": "package docker\n"},
			late:  true, refuses: refusedBy("the policy Dockerfile.rego of {server}/r.git"), grant: off, granted: wantFile("{project}/out/x", "x\n"),
		},
		{
			name: "policy of another Dockerfile of a repository", places: []place{git},
			bake:  "target \"default\" {\n  context = \"app\"\n  dockerfile = \"sub/My.Dockerfile\"\n  output = [\"out\"]\n}\n",
			files: map[string]string{"app/sub/My.Dockerfile": scratch, "app/sub/My.Dockerfile.rego": "package docker\n"},
			late:  true, refuses: refusedBy("the policy sub/My.Dockerfile.rego of {server}/r.git"), grant: off, granted: wantFile("{project}/out/x", "x\n"),
		},
		{
			name: "policies of a repository turned off in the build file", places: []place{git},
			bake:  "target \"default\" {\n  output = [\"out\"]\n  policy = [{ disabled = true }]\n}\n",
			files: map[string]string{"Dockerfile": scratch, "Dockerfile.rego": "package docker\n"},
			free:  true, granted: wantFile("{project}/out/x", "x\n"),
		},
		{
			name: "repository without a policy of this Dockerfile", bake: policyTarget, xbuild: policyTarget, places: []place{git},
			files: map[string]string{"Dockerfile": scratch, "Other.rego": "package docker\n"},
			free:  true, granted: wantFile("{project}/out/x", "x\n"),
		},
		{
			name: "Dockerfile.rego of an archive", bake: inArchive, xbuild: inArchive,
			served: map[string][]byte{"context.tar": archive(t, map[string]string{"Dockerfile": scratch, "Dockerfile.rego": "package docker\n"})},
			late:   true, refuses: refusedBy("the policy Dockerfile.rego of {server}/context.tar"), grant: off, granted: wantFile("{project}/out/x", "x\n"),
		},
		{
			name: "archive without a policy", bake: inArchive, xbuild: inArchive,
			served: map[string][]byte{"context.tar": archive(t, map[string]string{"Dockerfile": scratch})},
			free:   true, granted: wantFile("{project}/out/x", "x\n"),
		},
		{
			name: "question to a Dockerfile with a policy", places: []place{git}, args: []string{"--call", "outline"},
			bake: policyTarget, skip: []verb{plan, validate, list, completion, print},
			files:   map[string]string{"Dockerfile": scratch, "Dockerfile.rego": "package docker\n"},
			refuses: map[verb]string{run: "the policy Dockerfile.rego of {server}/r.git"}, grant: off,
		},
		{
			name: "Dockerfile.rego", bake: policyTarget, xbuild: policyTarget,
			files:   map[string]string{"Dockerfile": scratch, "Dockerfile.rego": "package docker\n"},
			refuses: refusedBy("{project}/Dockerfile.rego", plan), grant: off, granted: wantFile("{project}/out/x", "x\n"),
		},
		{
			name:    "policy of the target",
			bake:    "target \"default\" {\n  output = [\"out\"]\n  policy = [{ filename = \"p.rego\" }]\n}\n",
			files:   map[string]string{"Dockerfile": scratch, "p.rego": "package docker\n"},
			refuses: refusedBy("p.rego", plan), grant: off, granted: wantFile("{project}/out/x", "x\n"),
		},
		{
			name: "policy of docker buildx", bake: policyTarget, xbuild: policyTarget, env: []string{"BUILDX_DEFAULT_POLICY=1"},
			files:   map[string]string{"Dockerfile": scratch},
			refuses: refusedBy("BUILDX_DEFAULT_POLICY", plan), grant: off, granted: wantFile("{project}/out/x", "x\n"),
		},
		{
			name:  "policies turned off in the build file",
			bake:  "target \"default\" {\n  output = [\"out\"]\n  policy = [{ disabled = true }]\n}\n",
			files: map[string]string{"Dockerfile": scratch, "Dockerfile.rego": "package docker\n"},
			free:  true, granted: wantFile("{project}/out/x", "x\n"),
		},
		{
			name: "source policy", bake: "target \"default\" {}\n", xbuild: "target \"default\" {}\n", env: []string{"EXPERIMENTAL_BUILDKIT_SOURCE_POLICY={project}/policy.json"},
			files: map[string]string{"Dockerfile": "FROM scratch\nADD {server}/x /x\n", "policy.json": denyAll},
			fails: map[verb]string{run: "policy", runPlan: "policy"},
		},
		{
			name: "source policy that cannot be read", bake: policyTarget, xbuild: policyTarget, env: []string{"EXPERIMENTAL_BUILDKIT_SOURCE_POLICY={project}/policy.json"},
			files:   map[string]string{"Dockerfile": scratch, "policy.json": `{"rule": []}`},
			refuses: refusedBy("{project}/policy.json"), skip: []verb{plan},
		},
	})
}

// archive is a tar archive of files.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

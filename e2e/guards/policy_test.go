package guards

import "testing"

const policyTarget = `target "default" {
  output = ["out"]
}
`

// TestPolicies: what docker buildx would hold against a policy is not built without it.
func TestPolicies(t *testing.T) {
	const scratch = "FROM scratch\nCOPY <<EOF /x\nx\nEOF\n"
	denyAll := `{"version": 1, "rules": [{"action": "DENY", "selector": {"identifier": "*"}}]}`
	off := []string{"--policy", "disabled=true"}
	check(t, []guard{
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

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// grantable are the privileges that a target must be granted on the command line.
var grantable = []string{"network.host", "security.insecure", "device"}

// free are grants of Bake's that nothing here needs: reading and writing where the build file says, and an SSH agent.
var free = []string{"fs", "fs.read", "fs.write", "ssh", "image", "image.push", "image.load", "buildx.local.delete"}

// checkAllow refuses words of --allow that mean nothing.
func checkAllow(allow []string) error {
	for _, s := range allow {
		name, _, _ := strings.Cut(s, "=")
		if slices.Contains(grantable, name) || slices.Contains(free, name) {
			continue
		}
		msg := fmt.Sprintf("--allow %s: want one of %s", s, strings.Join(grantable, ", "))
		if near := schema.Suggest(name, grantable); near != "" {
			msg += fmt.Sprintf("; did you mean %q?", near)
		}
		return &exitError{ExitUsage, fmt.Errorf("%s", msg)}
	}
	return nil
}

// checkGrants refuses a plan with targets that ask for privileges which the command line does not grant. A build file may
// come from anywhere, and these reach out of the build's container.
func checkGrants(p *plan.Plan, at func(target, attr string) *diag.Range, allow []string) diag.List {
	var out diag.List
	var missing []string
	done := map[string]bool{}
	for _, b := range p.Builds {
		asks := map[string]string{} // attribute by privilege
		for _, e := range b.Values.Entitlements {
			asks[e] = "entitlements"
		}
		if b.Values.Network == "host" {
			asks["network.host"] = "network"
		}
		for _, e := range sortedNames(asks) {
			if granted(e, allow) || done[b.Target+"\x00"+e] {
				continue
			}
			done[b.Target+"\x00"+e] = true
			if !slices.Contains(missing, e) {
				missing = append(missing, e)
			}
			out = out.Errorf("not-granted", at(b.Target, asks[e]), "A target asks for a privilege that it was not granted", "target %s asks for %s.", b.Target, e)
		}
	}
	if len(out) > 0 {
		out[len(out)-1].Advice = "if you trust the build file, run again with --allow " + strings.Join(missing, " --allow ")
	}
	return out
}

// granted reports whether a privilege, which may name one device, is among the grants.
func granted(e string, allow []string) bool {
	name, _, _ := strings.Cut(e, "=")
	return slices.Contains(allow, e) || slices.Contains(allow, name)
}

func sortedNames(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

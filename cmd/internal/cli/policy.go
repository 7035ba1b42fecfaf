package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/xbuild/xbuild/exec/buildkit"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// sourcePolicyVar names a file with a source policy of BuildKit, defaultPolicyVar turns on the policy that is inside buildx.
const (
	sourcePolicyVar  = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"
	defaultPolicyVar = "BUILDX_DEFAULT_POLICY"
)

// gitLabelsVar has docker buildx label every image with the commit.
const gitLabelsVar = "BUILDX_GIT_LABELS"

// noPolicies is what makes a build do without policies in Rego.
const noPolicies = "--policy disabled=true"

// policyFlag is the value of --policy: what to do about policies in Rego, which xbuild cannot evaluate.
type policyFlag struct {
	values []string
}

func (f *policyFlag) register(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.values, "policy", nil, "policies in Rego: disabled=true builds without them; otherwise a target that has one is refused")
}

// disabled reports whether policies are not to be heeded. What the flag can say is what docker buildx bake knows.
func (f *policyFlag) disabled() (bool, error) {
	off := false
	for _, v := range f.values {
		fail := func(format string, args ...any) (bool, error) {
			return false, &exitError{ExitUsage, fmt.Errorf("--policy %s: %w", v, fmt.Errorf(format, args...))}
		}
		fields, err := csvvalue.Fields(v, nil)
		if err != nil {
			return fail("not a comma-separated list")
		}
		for _, field := range fields {
			key, value, ok := strings.Cut(field, "=")
			var on bool
			if key == "disabled" || key == "strict" || key == "reset" {
				if on, err = strconv.ParseBool(value); err != nil || !ok {
					return fail("%s is neither true nor false", key)
				}
			}
			switch key {
			case "disabled":
				off = off || on
			case "strict", "log-level":
			case "filename":
				return fail("a file is named in the build file")
			case "reset":
				return fail("how policies are put together is said in the build file")
			default:
				return fail("%q is none of disabled, strict, log-level", key)
			}
		}
		if off && (len(fields) > 1 || len(f.values) > 1) {
			return fail("disabled=true stands alone")
		}
	}
	return off, nil
}

// sets are the overrides that the flag stands for in what is printed, as docker buildx bake shows them.
func (f *policyFlag) sets() ([]string, error) {
	off, err := f.disabled()
	if off {
		return []string{"*.policy=disabled=true"}, nil
	}
	var out []string
	for _, v := range f.values {
		out = append(out, "*.policy+="+v)
	}
	return out, err
}

// on is the value of a switch in the environment; what is neither true nor false is false, as for docker buildx.
func on(value string) bool {
	b, err := strconv.ParseBool(value)
	return err == nil && b
}

// sourcePolicy reads the source policy that the environment names; nil if it names none.
func (a *app) sourcePolicy() (*buildkit.SourcePolicy, error) {
	path := a.getenv(sourcePolicyVar)
	if path == "" {
		return nil, nil
	}
	p, err := buildkit.ReadSourcePolicy(path)
	if err != nil {
		return nil, &exitError{ExitUsage, fmt.Errorf("the source policy %s, which %s names, cannot be used: %w", path, sourcePolicyVar, errText(err))}
	}
	return p, nil
}

// regoOf is the policy that docker buildx takes for a Dockerfile without being asked; empty if there is none.
func regoOf(b *schema.Build) string {
	if b.DockerfileInline != "" || !filepath.IsAbs(b.Dockerfile) {
		return ""
	}
	path := dockerfilePath(b.Dockerfile) + ".rego"
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return ""
	}
	return path
}

// policiesDisabled reports whether the build file turns policies off for a target.
func policiesDisabled(b *schema.Build) bool {
	return slices.ContainsFunc(b.Policies, func(p schema.Policy) bool { return p.Disabled })
}

// checkPolicies refuses builds that docker buildx would hold against a policy in Rego: xbuild cannot evaluate it, and building
// without it would be no answer. at finds an attribute of a target.
func (a *app) checkPolicies(in *inputFlags, choices []plan.Choice, at func(target, attr string) *diag.Range) (diag.List, error) {
	if v := a.getenv(gitLabelsVar); v == "full" || on(v) {
		return nil, &exitError{ExitUsage, fmt.Errorf("%s is %s, and xbuild adds no labels by itself: unset it, and set labels in the build file", gitLabelsVar, v)}
	}
	off, err := in.policy.disabled()
	if err != nil || off {
		return nil, err
	}
	var out diag.List
	refuse := func(b plan.Choice, attr, format string, args ...any) {
		out = out.Errorf("policy-not-supported", at(b.Target, attr), "A policy cannot be evaluated", format, args...)
		out[len(out)-1].Advice = "build without policies by " + noPolicies + ", or with docker buildx bake"
	}
	builtin := on(a.getenv(defaultPolicyVar))
	done := map[string]bool{}
	for _, b := range choices {
		if policiesDisabled(b.Values) {
			continue
		}
		if builtin && !done[""] {
			done[""] = true
			refuse(b, "dockerfile", "%s asks for the policy of docker buildx, which xbuild does not have.", defaultPolicyVar)
		}
		for _, pol := range b.Values.Policies {
			if pol.File != "" && !done[pol.File] {
				done[pol.File] = true
				refuse(b, "policy", "The target %q has the policy %s, which is written in Rego.", b.Target, pol.File)
			}
		}
		if rego := regoOf(b.Values); rego != "" && !done[rego] {
			done[rego] = true
			refuse(b, "dockerfile", "Beside the Dockerfile of the target %q is the policy %s, which is written in Rego.", b.Target, rego)
		}
	}
	return out, nil
}

// refusePolicies is checkPolicies for a command, and prints what it finds.
func (a *app) refusePolicies(in *inputFlags, choices []plan.Choice, sources diag.Sources, at func(target, attr string) *diag.Range) error {
	l, err := a.checkPolicies(in, choices, at)
	if err != nil {
		return err
	}
	return a.report(l, sources)
}

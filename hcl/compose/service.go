package compose

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/schema"
)

var targetName = lazyre.New(`^[a-zA-Z0-9_-]+$`)

// targetNameOf is the name of the target that stands for a service. Targets cannot have dots in their names.
func targetNameOf(service string) string { return strings.ReplaceAll(service, ".", "_") }

// values collects attributes; what is empty stays unset.
type values map[string]Value

func (v values) text(name, s string) {
	if s != "" {
		v[name] = s
	}
}

func (v values) flag(name string, on bool) {
	if on {
		v[name] = true
	}
}

func (v values) list(name string, s []string) {
	if len(s) > 0 {
		v[name] = s
	}
}

func (v values) strings(name string) []string {
	s, _ := v[name].([]string)
	return s
}

func (v values) keys(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	out := make(map[string]*string, len(m))
	for k, s := range m {
		out[k] = &s
	}
	v[name] = out
}

// target is what Bake makes of a service with a build section.
func (l *load) target(project *types.Project, s *types.ServiceConfig) (*Target, error) {
	t := &Target{Name: targetNameOf(s.Name)}
	t.File, t.Line = l.find("services", s.Name)
	if !targetName().MatchString(t.Name) {
		return nil, &pathError{[]string{"services", s.Name}, fmt.Sprintf("the service %q cannot be a target: only letters, digits, _ and - are allowed in the name, and dots", s.Name)}
	}
	b, v := s.Build, values{}
	v.text("context", b.Context)
	v.text("dockerfile", b.Dockerfile)
	v.text("dockerfile-inline", b.DockerfileInline)
	v.text("target", b.Target)
	v.text("network", b.Network)
	if b.ShmSize > 0 {
		v.text("shm-size", units.BytesSize(float64(b.ShmSize)))
	}
	v.keys("contexts", namedContexts(b.AdditionalContexts))
	v.keys("args", arguments(project, s))
	v.keys("labels", b.Labels)
	v.keys("extra-hosts", extraHosts(b.ExtraHosts))
	v.list("tags", b.Tags)
	v.list("platforms", b.Platforms)
	v.list("cache-from", b.CacheFrom)
	v.list("cache-to", b.CacheTo)
	v.list("ulimits", ulimits(b.Ulimits))
	v.list("ssh", sshKeys(b.SSH))
	v.list("attest", append(attestation("sbom", b.SBOM), attestation("provenance", b.Provenance)...))
	v.flag("no-cache", b.NoCache)
	v.flag("pull", b.Pull)
	for _, used := range b.Secrets {
		csv, err := secret(project, s.Name, used)
		if err != nil {
			return nil, err
		}
		v.list("secret", append(v.strings("secret"), csv))
	}
	if err := v.extend(s.Name, b.Extensions["x-bake"]); err != nil {
		return nil, err
	}
	if len(v.strings("tags")) == 0 && s.Image != "" {
		v.list("tags", []string{s.Image})
	}
	t.Values = v
	return t, nil
}

// arguments are the build arguments of a service. One without a value takes it from the service's environment, else from
// that of the project, and is left out if neither has it.
func arguments(project *types.Project, s *types.ServiceConfig) map[string]string {
	out := map[string]string{}
	for name, value := range s.Build.Args {
		if value == nil {
			value = s.Environment[name]
		}
		if value != nil {
			out[name] = *value
		} else if env, ok := project.Environment[name]; ok {
			out[name] = env
		}
	}
	return out
}

// namedContexts turns contexts that are services into contexts that are targets.
func namedContexts(in map[string]string) map[string]string {
	out := map[string]string{}
	for name, c := range in {
		service, ok := strings.CutPrefix(c, "service:")
		if !ok {
			service, ok = schema.ParseRef(c).Linked()
		}
		if ok {
			c = schema.LinkTo(targetNameOf(service))
		}
		out[name] = c
	}
	return out
}

func extraHosts(in types.HostsList) map[string]string {
	out := map[string]string{}
	for host, addrs := range in {
		out[host] = strings.Join(addrs, ",")
	}
	return out
}

func ulimits(in map[string]*types.UlimitsConfig) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(in)) {
		out = append(out, fmt.Sprintf("%s=%d:%d", name, in[name].Soft, in[name].Hard))
	}
	return out
}

func sshKeys(in types.SSHConfig) []string {
	var out []string
	for _, k := range in {
		s := k.ID
		if k.Path != "" {
			s += "=" + k.Path
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// attestation is the CSV form of the keys sbom and provenance: on, off, or options.
func attestation(kind, value string) []string {
	if value == "" {
		return nil
	}
	if on, err := strconv.ParseBool(value); err == nil {
		value = "disabled=" + strconv.FormatBool(!on)
	}
	return []string{"type=" + kind + "," + value}
}

// secret is the CSV form of a secret that a build uses.
func secret(project *types.Project, service string, used types.ServiceSecretConfig) (string, error) {
	def := project.Secrets[used.Source]
	if def.External {
		name := used.Source
		return "", &pathError{[]string{"services", service, "build", "secrets"},
			fmt.Sprintf("the secret %q is external, and only a container platform has its value; define it with file or environment", name)}
	}
	fields := []string{"id=" + used.Source}
	if def.File != "" {
		fields = append(fields, "src="+def.File)
	}
	if def.Environment != "" {
		fields = append(fields, "env="+def.Environment)
	}
	return csv(fields), nil
}

// csv joins fields, quoting where it must.
func csv(fields []string) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		if out[i] = f; strings.ContainsAny(f, ",\"\r\n") {
			out[i] = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
		}
	}
	return strings.Join(out, ",")
}

package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/schema"
)

// undeclared marks the name of a secret that a target mentions in its Dockerfile but was not given.
const undeclared = "#undeclared"

// namePrivate decides under which names secrets and SSH agents are offered to a build. BuildKit tells them apart by
// nothing but their id: it runs equal RUN steps once, whatever their secrets hold, and offers one id once a session. So
// an id that the build file gives two sources gets a name of its own for each, and so does one that a target was not
// given while another was. All targets of the build file count, not only those of this run: a name is part of a step's
// cache key and must not change with what else is built.
func (p *planner) namePrivate() {
	secrets, ssh := map[string][]string{}, map[string][]string{}
	families := map[string][]string{}
	for _, t := range p.cfg.Targets {
		values := []*schema.Build{&t.Base}
		for _, q := range t.Platforms {
			values = append(values, t.On(q))
		}
		for _, v := range values {
			for _, s := range v.Secrets {
				if family(s.ID) == "" {
					secrets[s.ID] = addOnce(secrets[s.ID], p.secretSource(s))
				}
			}
			for base, source := range p.familySources(v) {
				families[base] = addOnce(families[base], source)
			}
			for _, s := range v.SSH {
				ssh[s.ID] = addOnce(ssh[s.ID], p.sshSource(s))
			}
		}
	}
	for _, b := range p.builds {
		mine, mineSSH := map[string]string{}, map[string]string{}
		for _, s := range b.values.Secrets {
			if family(s.ID) == "" {
				mine[s.ID] = p.secretSource(s)
			}
		}
		for _, s := range b.values.SSH {
			mineSSH[s.ID] = p.sshSource(s)
		}
		b.secretNames, b.sshNames = privateNames(secrets, mine), privateNames(ssh, mineSSH)
		for base, name := range privateNames(families, p.familySources(b.values)) {
			if b.secretNames == nil {
				b.secretNames = map[string]string{}
			}
			b.secretNames[base] = name
			for _, s := range b.values.Secrets {
				if family(s.ID) == base {
					b.secretNames[s.ID] = name + strings.TrimPrefix(s.ID, base)
				}
			}
		}
	}
}

// gitSecrets are the secrets for reading git repositories. BuildKit looks for one of the repository's host first, such as
// GIT_AUTH_TOKEN.github.com, so all of a target that begin alike are named together.
var gitSecrets = []string{"GIT_AUTH_TOKEN", "GIT_AUTH_HEADER"}

// family is the one of gitSecrets that an id belongs to, or empty.
func family(id string) string {
	for _, base := range gitSecrets {
		if id == base || strings.HasPrefix(id, base+".") {
			return base
		}
	}
	return ""
}

// familySources says for each of gitSecrets where all its secrets come from; those without any are left out.
func (p *planner) familySources(v *schema.Build) map[string]string {
	out := map[string]string{}
	for _, s := range v.Secrets {
		if base := family(s.ID); base != "" {
			out[base] += s.ID + "=" + p.secretSource(s) + "\x00"
		}
	}
	return out
}

// runKeys lists what the build file says about all RUN steps of a target; nil if it says nothing.
func runKeys(v *schema.Build) []string {
	var out []string
	add := func(name, value string) {
		if value != "" {
			out = append(out, name, value)
		}
	}
	if v.Network != "default" {
		add("network", v.Network)
	}
	if v.ShmSize != 0 {
		add("shm-size", strconv.FormatInt(v.ShmSize, 10))
	}
	add("ulimits", strings.Join(v.Ulimits, ","))
	for _, name := range sortedKeys(v.ExtraHosts) {
		add("host "+name, v.ExtraHosts[name])
	}
	for _, name := range sortedKeys(v.Resources) {
		add("resource "+name, v.Resources[name])
	}
	return out
}

// privateNames maps ids to names where the two differ. all holds the sources of every id, mine those of one build.
func privateNames(all map[string][]string, mine map[string]string) map[string]string {
	var out map[string]string
	for id, sources := range all {
		source, given := mine[id]
		name := id
		switch {
		case !given:
			name = id + undeclared
		case len(sources) > 1:
			sum := sha256.Sum256([]byte(source))
			name = id + "#" + hex.EncodeToString(sum[:4])
		}
		if name != id {
			if out == nil {
				out = map[string]string{}
			}
			out[id] = name
		}
	}
	return out
}

func addOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// secretSource says where a secret comes from. Paths are relative to the build file, so that two checkouts share caches.
func (p *planner) secretSource(s schema.Secret) string {
	if s.Env != "" {
		return "env:" + s.Env
	}
	return "file:" + p.relative(s.Src)
}

func (p *planner) sshSource(s schema.SSH) string {
	var paths []string
	for _, x := range s.Paths {
		paths = append(paths, p.relative(x))
	}
	return "ssh:" + strings.Join(paths, "\x00")
}

func (p *planner) relative(path string) string {
	if rel, err := filepath.Rel(p.cfg.Dir, path); err == nil {
		return filepath.ToSlash(rel)
	}
	return path
}

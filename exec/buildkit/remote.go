package buildkit

import (
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/util/gitutil"
)

// The names under which BuildKit asks for credentials of a git server, before a dot and its host.
const (
	GitToken  = llb.GitAuthTokenKey
	GitHeader = llb.GitAuthHeaderKey
)

// GitHost is the host, with a port if it has one, of the address of a git repository; empty for anything else.
func GitHost(address string) string {
	if _, ok, err := dfgitutil.ParseGitRef(address); !ok || err != nil {
		return ""
	}
	u, err := gitutil.ParseURL(address)
	if err != nil { // github.com/..., which is read by https
		if u, err = gitutil.ParseURL("https://" + address); err != nil {
			return ""
		}
	}
	return u.Host
}

// RemoteContext tells whether a context is one that BuildKit reads itself, a git repository or an http(s) address, and
// whether it reaches it through SSH.
func RemoteContext(context string) (remote, ssh bool) {
	if !strings.Contains(context, ":") && !strings.HasPrefix(context, "github.com/") {
		return false, false // which is true for most, and what follows makes a stack trace for each
	}
	if u, err := gitutil.ParseURL(context); err == nil {
		ssh = u.Scheme == gitutil.SSHProtocol
	}
	if strings.HasPrefix(context, "https://") || strings.HasPrefix(context, "http://") {
		return true, ssh
	}
	_, ok, _ := dfgitutil.ParseGitRef(context)
	return ok, ssh
}

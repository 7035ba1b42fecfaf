package buildkit

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/util/gitutil"
)

// RemoteContext tells whether a context is one that BuildKit reads itself, a git repository or an http(s) address, and
// whether it reaches it through SSH.
func RemoteContext(context string) (remote, ssh bool) {
	if u, err := gitutil.ParseURL(context); err == nil {
		ssh = u.Scheme == gitutil.SSHProtocol
	}
	if strings.HasPrefix(context, "https://") || strings.HasPrefix(context, "http://") {
		return true, ssh
	}
	_, ok, _ := dfgitutil.ParseGitRef(context)
	return ok, ssh
}

package buildkit

import "github.com/moby/buildkit/client/llb"

// The names under which BuildKit asks for credentials of a git server, before a dot and its host.
const (
	GitToken  = llb.GitAuthTokenKey
	GitHeader = llb.GitAuthHeaderKey
)

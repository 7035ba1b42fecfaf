package buildkit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	commonexptypes "github.com/moby/buildkit/exporter/exptypes"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/xbuild/xbuild/schema"
)

// convertOnServer lets the daemon's frontend make the LLB. Nothing is built yet: the answer is a definition, like that of
// a conversion here, and goes the same way from then on.
func (r *run) convertOnServer(ctx context.Context, gc gateway.Client, b *build, why string) (converted, error) {
	req := gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: b.frontendOpts(r.opt.NoCache), FrontendInputs: map[string]*pb.Definition{}}
	if err := r.serverInputs(ctx, b, &req); err != nil {
		return converted{}, err
	}
	res, err := gc.Solve(ctx, req)
	if err != nil {
		return converted{}, err
	}
	c := converted{path: "server", why: why, state: llb.Scratch()}
	ref, ok := res.FindRef(b.id())
	if !ok {
		return c, fmt.Errorf("the frontend made no result for %s", b.Platform)
	}
	if ref != nil {
		if c.state, err = ref.ToState(); err != nil {
			return c, err
		}
	}
	c.config = exptypes.ParseKey(res.Metadata, exptypes.ExporterImageConfigKey, &exptypes.Platform{ID: b.id()})
	c.base = exptypes.ParseKey(res.Metadata, exptypes.ExporterImageBaseConfigKey, &exptypes.Platform{ID: b.id()})
	if v := exptypes.ParseKey(res.Metadata, commonexptypes.ExporterEpochKey, &exptypes.Platform{ID: b.id()}); v != nil {
		sec, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil {
			return c, fmt.Errorf("the frontend gave %q as SOURCE_DATE_EPOCH", v)
		}
		epoch := time.Unix(sec, 0)
		c.epoch = &epoch
	}
	return c, nil
}

// serverInputs gives the frontend the Dockerfile and the contexts as definitions, so that it needs no file and no local
// name of its own.
func (r *run) serverInputs(ctx context.Context, b *build, req *gateway.SolveRequest) error {
	add := func(name string, st llb.State) error {
		def, err := st.Marshal(ctx)
		if err == nil {
			err = r.locals.collect(def, false)
		}
		if err == nil {
			def, err = r.locals.rewrite(def, nil)
		}
		if err == nil {
			req.FrontendInputs[name] = def.ToPB()
		}
		return err
	}
	if err := r.serverContext(b, req, add); err != nil {
		return err
	}
	for name, value := range b.Values.Contexts {
		key, err := contextName(name)
		if err != nil {
			return err
		}
		switch link := b.links[name]; {
		case link != nil:
			md, err := json.Marshal(map[string][]byte{exptypes.ExporterImageConfigKey: link.result.config})
			if err != nil {
				return err
			}
			req.FrontendOpt["context:"+key] = "input:" + key
			req.FrontendOpt["input-metadata:"+key] = string(md)
			if err := add(key, link.result.state); err != nil {
				return err
			}
		case isURL(value):
			req.FrontendOpt["context:"+key] = value
		default:
			st, err := r.folder(value, "", "[context "+key+"] load from client")
			if err != nil {
				return fmt.Errorf("context %s: %w", name, err)
			}
			req.FrontendOpt["context:"+key] = "input:" + key
			if err := add(key, st); err != nil {
				return err
			}
		}
	}
	return nil
}

// serverContext adds the Dockerfile and the main context.
func (r *run) serverContext(b *build, req *gateway.SolveRequest, add func(string, llb.State) error) error {
	if schema.ParseRef(b.Values.Context).Remote() {
		st, ok, err := dockerui.DetectGitContext(b.Values.Context, nil)
		if ok && err != nil { // for what is no git address the error says nothing
			return err
		}
		if len(b.file.text) > 0 && !ok { // the frontend would take the one in the context
			return fmt.Errorf("target %s: a Dockerfile that is not in the context cannot be used with %s; put the files into a git repository", b.Target, b.Values.Context)
		}
		if !ok || len(b.file.text) == 0 {
			// The Dockerfile lies in the context, which may be an archive that only the frontend knows to unpack.
			req.FrontendOpt["context"] = b.Values.Context
			if b.Values.Dockerfile != "" {
				req.FrontendOpt["filename"] = b.Values.Dockerfile
			}
			return nil
		}
		if err := add(dockerui.DefaultLocalNameContext, *st); err != nil {
			return err
		}
	} else {
		dockerfile := b.Values.Dockerfile
		if b.Values.DockerfileInline != "" {
			dockerfile = ""
		}
		st, err := r.folder(b.Values.Context, dockerfile, "[internal] load build context")
		if err != nil {
			return err
		}
		if err := add(dockerui.DefaultLocalNameContext, st); err != nil {
			return err
		}
	}
	name := path.Base(dockerui.DefaultDockerfileName)
	req.FrontendOpt["filename"] = name
	return add(dockerui.DefaultLocalNameDockerfile, llb.Scratch().File(llb.Mkfile("/"+name, 0o644, b.file.text),
		llb.WithCustomName("[internal] load build definition from "+b.file.plan.Path)))
}

// folder is the state of a local folder, without what its ignore file excludes.
func (r *run) folder(dir, dockerfile, title string) (llb.State, error) {
	name, err := r.session.dirs.add(dir)
	if err != nil {
		return llb.State{}, err
	}
	text, err := ignoreFile(dir, dockerfile)
	if err != nil {
		return llb.State{}, err
	}
	exclude, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		return llb.State{}, fmt.Errorf("the ignore file of %s cannot be parsed: %w", dir, err)
	}
	return llb.Local(name, llb.SessionID(r.session.ID()), llb.ExcludePatterns(exclude), llb.WithCustomName(title)), nil
}

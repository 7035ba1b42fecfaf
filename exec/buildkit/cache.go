package buildkit

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/ociindex"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	sessioncontent "github.com/moby/buildkit/session/content"
	digest "github.com/opencontainers/go-digest"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// The types of caches that are treated in some way of their own here; others are passed on as they are.
const (
	cacheLocal  = "local"
	cacheInline = "inline"
	cacheGitHub = "gha"
	cacheS3     = "s3"
)

// manifestKey is where a daemon's answer has the descriptor of the manifest of a cache, in JSON.
const manifestKey = "cache.manifest"

// cacheImport is one cache to read, as the daemon takes it.
type cacheImport = gateway.CacheOptionsEntry

// findImports prepares the caches that builds read. Folders are served by the session, so this comes before it starts.
// A folder without a cache is none: the first run of a project has that.
func (r *run) findImports() {
	r.cacheStores, r.steps.cacheParts = map[string]content.Store{}, map[string]bool{}
	for _, b := range r.builds {
		for _, c := range b.CacheFrom {
			attrs := r.withEnvironment(c)
			if attrs == nil {
				continue
			}
			if c.Type == cacheLocal && !r.openCache(attrs) {
				continue
			}
			if !slices.ContainsFunc(b.Values.CacheFrom, func(v schema.Cache) bool { return v.Attrs["ref"] == c.Attrs["ref"] }) {
				r.steps.cacheParts[c.Attrs["ref"]] = true
			}
			b.imports = append(b.imports, cacheImport{Type: c.Type, Attrs: attrs})
		}
	}
}

// openCache makes a local cache readable; false if there is none.
func (r *run) openCache(attrs map[string]string) bool {
	dir := attrs["src"]
	if _, err := os.Stat(dir); err != nil {
		return false
	}
	store, err := contentlocal.NewStore(dir)
	if err != nil {
		return false
	}
	if attrs["digest"] == "" {
		tag := attrs["tag"]
		if tag == "" {
			tag = "latest"
		}
		desc, err := ociindex.NewStoreIndex(dir).Get(tag)
		if err != nil || desc == nil {
			return false
		}
		attrs["digest"] = desc.Digest.String()
	}
	if _, err := store.Info(context.Background(), digest.Digest(attrs["digest"])); err != nil {
		return false
	}
	r.cacheStores["local:"+dir] = store
	return true
}

// attachCaches is what the session offers for caches in folders.
func (r *run) attachCaches() []session.Attachable {
	if len(r.cacheStores) == 0 {
		return nil
	}
	return []session.Attachable{sessioncontent.NewAttachable(r.cacheStores)}
}

// withEnvironment adds what the environment says of a cache, such as the credentials of a CI service, and takes out what
// is for xbuild only. It returns nil for a cache that cannot be used here: GitHub's outside of its runners.
func (r *run) withEnvironment(c schema.Cache) map[string]string {
	attrs := map[string]string{}
	maps.Copy(attrs, c.Attrs)
	delete(attrs, "required")
	set := func(key string, vars ...string) {
		for _, v := range vars {
			if s := os.Getenv(v); s != "" && attrs[key] == "" {
				attrs[key] = s
			}
		}
	}
	switch c.Type {
	case cacheGitHub:
		set("token", "ACTIONS_RUNTIME_TOKEN")
		set("url_v2", "ACTIONS_RESULTS_URL")
		set("url", "ACTIONS_CACHE_URL")
		if v2, err := strconv.ParseBool(os.Getenv("ACTIONS_CACHE_SERVICE_V2")); err == nil && v2 && attrs["version"] == "" {
			attrs["version"] = "2"
		}
		if attrs["token"] == "" || attrs["url"] == "" && attrs["url_v2"] == "" {
			r.remark("the cache of type gha is not used: ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL are not set, as they are on GitHub's runners")
			return nil
		}
	case cacheS3:
		set("access_key_id", "AWS_ACCESS_KEY_ID")
		set("secret_access_key", "AWS_SECRET_ACCESS_KEY")
		set("session_token", "AWS_SESSION_TOKEN")
		set("region", "AWS_REGION", "AWS_DEFAULT_REGION")
		set("bucket", "AWS_BUCKET")
	}
	return attrs
}

// remark says something about the run as a whole, once.
func (r *run) remark(text string) {
	r.mu.Lock()
	said := slices.Contains(r.remarks, text)
	r.remarks = append(r.remarks, text)
	r.mu.Unlock()
	if !said {
		r.emit(exec.Event{Type: exec.Message, Time: time.Now(), Name: text})
	}
}

// cacheExport is one cache to write: of all builds of a target that write to the same place.
type cacheExport struct {
	export
	cache schema.Cache
}

// listCaches lists the caches to write. Inline caches are part of an image and not listed.
func (r *run) listCaches() []*cacheExport {
	var out []*cacheExport
	for _, b := range r.builds {
		if !b.Requested {
			continue
		}
		for _, c := range b.CacheTo {
			if c.Type == cacheInline {
				continue
			}
			i := slices.IndexFunc(out, func(e *cacheExport) bool {
				return e.target == b.Target && e.cache.Type == c.Type && maps.Equal(e.cache.Attrs, c.Attrs)
			})
			if i < 0 {
				i = len(out)
				out = append(out, &cacheExport{export: export{target: b.Target, index: b.several()}, cache: c})
			}
			out[i].builds = append(out[i].builds, b)
		}
	}
	return out
}

// required reports whether the run fails if the cache cannot be written.
func (e *cacheExport) required() bool {
	if need, err := strconv.ParseBool(e.cache.Attrs["required"]); err == nil {
		return need
	}
	ignore, err := strconv.ParseBool(e.cache.Attrs["ignore-error"])
	return err == nil && !ignore
}

// writeCache writes one cache. It is no failure of the run if that cannot be done, unless the build file says so: the
// results are right without.
func (r *run) writeCache(ctx context.Context, e *cacheExport) error {
	attrs := r.withEnvironment(e.cache)
	if attrs == nil {
		return nil
	}
	delete(attrs, "ignore-error")
	r.emit(exec.Event{Type: exec.Exporting, Time: time.Now(), Name: "writing the cache of target " + e.target + " to " + cacheName(e.cache)})
	opt := r.solveOpt(e.builds...)
	opt.CacheExports = []client.CacheOptionsEntry{{Type: e.cache.Type, Attrs: attrs}}
	if e.cache.Type == cacheLocal { // the client opens the folder, and serves it in a session of its own
		if err := r.ownSession(&opt); err != nil {
			return err
		}
	}
	resp, err := r.request(ctx, opt, r.assemble(&e.export))
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		r.noteCache(e.target, resp.ExporterResponse[manifestKey])
		return nil
	}
	err = fmt.Errorf("the cache of target %s cannot be written to %s: %w", e.target, cacheName(e.cache), &causeError{cleanMessage(err), err})
	if e.required() {
		return r.noteExport(err, exec.OutputFailed, e.builds...)
	}
	r.remark(err.Error() + "; the results do not need it")
	return nil
}

// noteCache keeps the descriptor of a cache's manifest; not every type of cache has one.
func (r *run) noteCache(target string, manifest string) {
	if manifest == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.caches == nil {
		r.caches = map[string]string{}
	}
	r.caches[target] = manifest
}

// cacheName names a cache in messages.
func cacheName(c schema.Cache) string {
	for _, key := range []string{"ref", "dest", "scope", "name"} {
		if v := c.Attrs[key]; v != "" {
			return strings.TrimSpace(c.Type + " " + v)
		}
	}
	return c.Type
}

// inlineCache asks for a cache inside of an image if a build of it wants one.
func (e *export) inlineCache(opt *client.SolveOpt) {
	if !e.output.Image() {
		return
	}
	for _, b := range e.builds {
		if b.Values.Args["BUILDKIT_INLINE_CACHE"] == "1" { // how it was asked for before there was cache-to
			opt.CacheExports = []client.CacheOptionsEntry{{Type: cacheInline}}
		}
		for _, c := range b.CacheTo {
			if c.Type == cacheInline {
				opt.CacheExports = []client.CacheOptionsEntry{{Type: cacheInline, Attrs: maps.Clone(c.Attrs)}}
			}
		}
	}
}

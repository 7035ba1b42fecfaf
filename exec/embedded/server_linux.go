package embedded

import (
	"context"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"time"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/defaults"
	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/cache/remotecache"
	inlinecache "github.com/moby/buildkit/cache/remotecache/inline"
	localcache "github.com/moby/buildkit/cache/remotecache/local"
	registrycache "github.com/moby/buildkit/cache/remotecache/registry"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/moby/buildkit/control"
	"github.com/moby/buildkit/frontend"
	dockerfile "github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/frontend/gateway"
	"github.com/moby/buildkit/frontend/gateway/forwarder"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/solver"
	"github.com/moby/buildkit/solver/bboltcachestorage"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/moby/buildkit/util/db/boltutil"
	"github.com/moby/buildkit/util/disk"
	"github.com/moby/buildkit/util/grpcerrors"
	_ "github.com/moby/buildkit/util/grpcutil/encoding/proto" // the codec that the control API expects
	"github.com/moby/buildkit/util/resolver"
	"github.com/moby/buildkit/version"
	"github.com/moby/buildkit/worker"
	bolt "go.etcd.io/bbolt"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

const (
	buildkitModule = "github.com/moby/buildkit"
	// historyEntries and historyAge bound the records of past builds that BuildKit keeps for "buildx history".
	historyEntries = 20
	historyAge     = 48 * time.Hour
)

// entitlements that a client may grant to a build. The daemon allows them, so that it is the run that decides.
var entitlements = []string{"network.host", "security.insecure"}

// server is a BuildKit behind a gRPC server.
type server struct {
	grpc       *grpc.Server
	controller *control.Controller
	activity   *activity
	cancel     context.CancelCauseFunc
	info       Info
}

func (s *server) acquire(req acquireRequest) (acquireReply, error) {
	v, calls, err := s.activity.acquire(req.Settings)
	info := s.info
	info.Calls = calls
	return acquireReply{Verdict: v, Info: info}, err
}

// build puts BuildKit together. ctx ends with the daemon.
func (s *server) build(ctx context.Context, l layout, rootless bool, set settings, runtime string) error {
	apicaps.ExportedProduct = "xbuild"
	version.Version = buildkitVersion()
	s.info.BuildKit = version.Version

	sessions, err := session.NewManager()
	if err != nil {
		return err
	}
	hosts := resolver.NewRegistryConfig(set.Registries)
	w, err := newWorker(ctx, l, rootless, set, runtime, hosts)
	if err != nil {
		return err
	}
	workers := &worker.Controller{}
	if err := workers.Add(w); err != nil {
		return err
	}
	s.controller, err = newController(ctx, l, set, sessions, hosts, w, workers)
	if err != nil {
		return err
	}
	s.grpc = grpc.NewServer(
		grpc.ChainUnaryInterceptor(s.activity.unary, grpcerrors.UnaryServerInterceptor),
		grpc.ChainStreamInterceptor(s.activity.stream, closeUnused, grpcerrors.StreamServerInterceptor),
		grpc.MaxRecvMsgSize(defaults.DefaultMaxRecvMsgSize),
		grpc.MaxSendMsgSize(defaults.DefaultMaxSendMsgSize),
	)
	healthv1.RegisterHealthServer(s.grpc, health.NewServer())
	s.controller.Register(s.grpc)
	s.grpc.RegisterService(&controlDesc, s)
	return nil
}

// cacheExporters are the caches of [CacheTypes].
func cacheExporters(sessions *session.Manager, hosts docker.RegistryHosts) map[string]remotecache.ResolveCacheExporterFunc {
	return map[string]remotecache.ResolveCacheExporterFunc{
		"registry": registrycache.ResolveCacheExporterFunc(sessions, hosts),
		"local":    localcache.ResolveCacheExporterFunc(sessions),
		"inline":   inlinecache.ResolveCacheExporterFunc(),
	}
}

// cacheImporters read them; an inline cache is read from its registry.
func cacheImporters(sessions *session.Manager, hosts docker.RegistryHosts, w worker.Worker) map[string]remotecache.ResolveCacheImporterFunc {
	return map[string]remotecache.ResolveCacheImporterFunc{
		"registry": registrycache.ResolveCacheImporterFunc(sessions, w.ContentStore(), hosts),
		"local":    localcache.ResolveCacheImporterFunc(sessions),
	}
}

// closeUnused lets go of files that were removed but are still open, after a call of Prune: what receives a context leaves
// its file to the garbage collector when the disk is full.
func closeUnused(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	err := handle(srv, stream)
	if info.FullMethod == controlapi.Control_Prune_FullMethodName {
		goruntime.GC()
	}
	return err
}

func newController(ctx context.Context, l layout, set settings, sessions *session.Manager, hosts docker.RegistryHosts, w worker.Worker, workers *worker.Controller) (*control.Controller, error) {
	images, err := gateway.NewGatewayFrontend(workers.Infos(), nil)
	if err != nil {
		return nil, err
	}
	store, err := bboltcachestorage.NewStore(filepath.Join(l.root, "cache.db"))
	if err != nil {
		return nil, err
	}
	history, err := boltutil.SafeOpen(filepath.Join(l.root, "history.db"), 0o600, &bolt.Options{
		FreelistType: bolt.FreelistMapType, NoFreelistSync: true,
	})
	if err != nil {
		return nil, err
	}
	return control.NewController(control.Opt{
		SessionManager:   sessions,
		WorkerController: workers,
		Frontends: map[string]frontend.Frontend{
			"dockerfile.v0": forwarder.NewGatewayForwarder(workers.Infos(), dockerfile.Build),
			"gateway.v0":    images,
		},
		CacheManager:              solver.NewCacheManager(ctx, "local", store, worker.NewCacheResultStorage(workers)),
		ResolveCacheExporterFuncs: cacheExporters(sessions, hosts),
		ResolveCacheImporterFuncs: cacheImporters(sessions, hosts, w),
		Entitlements:              entitlements,
		HistoryDB:                 history,
		HistoryConfig:             historyConfig(set.History),
		CacheStore:                store,
		LeaseManager:              w.LeaseManager(),
		ContentStore:              w.ContentStore(),
		GarbageCollect:            w.GarbageCollect,
		GracefulStop:              ctx.Done(),
		MeterProvider:             sdkmetric.NewMeterProvider(),
	})
}

func historyConfig(c *config.HistoryConfig) *config.HistoryConfig {
	if c != nil {
		return c
	}
	entries := int64(historyEntries)
	return &config.HistoryConfig{MaxAge: config.Duration{Duration: historyAge}, MaxEntries: &entries}
}

// Limits of the store unless the configuration file sets others: a tenth of the disk and at most 20 GB; less, down to
// a quarter of that, while less than a twentieth of the disk is free.
const (
	storeShare = 10
	storeLimit = 20_000_000_000
	freeShare  = 20
)

func gcPolicy(c config.GCConfig, root string) []client.PruneInfo {
	if c.GC != nil && !*c.GC {
		return nil
	}
	// Without the size of the disk every share is taken of a disk of 20 GB.
	size, err := disk.GetDiskStat(root)
	if err != nil {
		size = disk.DiskStat{Total: storeLimit}
	}
	if c.IsUnset() && c.GCKeepStorage == (config.DiskSpace{}) { //nolint:staticcheck // old files have the old key
		limit := min(size.Total/storeShare, storeLimit)
		c.GCMaxUsedSpace = config.DiskSpace{Bytes: limit}
		c.GCReservedSpace = config.DiskSpace{Bytes: limit / 4}
		c.GCMinFreeSpace = config.DiskSpace{Bytes: size.Total / freeShare}
	}
	rules := c.GCPolicy
	if len(rules) == 0 {
		rules = config.DefaultGCPolicy(c, size)
	}
	var out []client.PruneInfo
	for _, r := range rules {
		reserved := r.ReservedSpace
		if reserved == (config.DiskSpace{}) {
			reserved = r.KeepBytes //nolint:staticcheck // old files have the old key
		}
		out = append(out, client.PruneInfo{
			Filter:        r.Filters,
			All:           r.All,
			KeepDuration:  r.KeepDuration.Duration,
			ReservedSpace: reserved.AsBytes(size),
			MaxUsedSpace:  r.MaxUsedSpace.AsBytes(size),
			MinFreeSpace:  r.MinFreeSpace.AsBytes(size),
		})
	}
	return out
}

// buildkitVersion is the version of the module that was linked in. BuildKit itself learns it from its release's build only.
func buildkitVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == buildkitModule {
				if m.Replace != nil {
					m = m.Replace
				}
				return m.Version
			}
		}
	}
	return version.Version
}

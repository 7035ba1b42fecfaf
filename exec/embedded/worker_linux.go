package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/diff/apply"
	ctdmetadata "github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/diff/walking"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay/overlayutils"
	"github.com/containerd/platforms"
	"github.com/moby/buildkit/cache/metadata"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/moby/buildkit/executor"
	"github.com/moby/buildkit/executor/oci"
	"github.com/moby/buildkit/executor/resources"
	"github.com/moby/buildkit/executor/runcexecutor"
	snapshot "github.com/moby/buildkit/snapshot/containerd"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/db/boltutil"
	"github.com/moby/buildkit/util/leaseutil"
	"github.com/moby/buildkit/util/network"
	"github.com/moby/buildkit/util/winlayers"
	"github.com/moby/buildkit/version"
	"github.com/moby/buildkit/worker"
	"github.com/moby/buildkit/worker/base"
	"github.com/moby/buildkit/worker/label"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/semaphore"
)

// namespace is under which BuildKit keeps things in containerd's databases.
const namespace = "buildkit"

// newWorker puts together what BuildKit's worker/runc does, in the same folders, but with no other network than the
// machine's: a start spends tens of milliseconds on a certificate for a proxy that nothing here can ask for, and the
// libraries for bridges are large.
func newWorker(ctx context.Context, l layout, rootless bool, set settings, runtime string, hosts docker.RegistryHosts) (worker.Worker, error) {
	name, snapshotter, err := newSnapshotter(l.root)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(l.root, "runc-"+name)
	monitor, err := resources.NewMonitor()
	if err != nil {
		return nil, err
	}
	networks := map[pb.NetMode]network.Provider{
		pb.NetMode_UNSET: network.NewHostProvider(), pb.NetMode_HOST: network.NewHostProvider(), pb.NetMode_NONE: network.NewNoneProvider(),
	}
	steps, err := newExecutor(l, rootless, root, runtime, dnsConfig(set.DNS), monitor, networks)
	if err != nil {
		return nil, err
	}
	opt, err := newStores(ctx, root, name, snapshotter)
	if err != nil {
		return nil, err
	}
	if well, err := endedWell(l); err != nil {
		return nil, err
	} else if !well {
		if err := forgetCopies(opt.MetadataStore); err != nil {
			return nil, err
		}
	}
	opt.Executor, opt.ResourceMonitor, opt.NetworkProviders = steps, monitor, networks
	opt.Labels = map[string]string{
		label.Executor: "oci", label.Snapshotter: name, label.Network: "host", label.OCIProcessMode: oci.ProcessSandbox.String(), label.SELinuxEnabled: "false",
	}
	if host, err := os.Hostname(); err == nil {
		opt.Labels[label.Hostname] = host
	}
	if n := set.Workers.OCI.MaxParallelism; n > 0 {
		opt.ParallelismSem = semaphore.NewWeighted(int64(n))
	}
	opt.GCPolicy = gcPolicy(set.Workers.OCI.GCConfig, l.root)
	opt.BuildkitVersion = client.BuildkitVersion{Package: version.Package, Version: version.Version, Revision: version.Revision}
	opt.RegistryHosts = hosts
	w, err := base.NewWorker(ctx, opt)
	if err != nil {
		return nil, err
	}
	return newPlatformWorker(w), nil
}

// newExecutor makes what runs the steps. The trace socket stays empty: its default is one path for all daemons of a machine.
func newExecutor(l layout, rootless bool, root, runtime string, dns *oci.DNSConfig, monitor *resources.Monitor, networks map[pb.NetMode]network.Provider) (executor.Executor, error) {
	cgroup := l.cgroup()
	if rootless {
		cgroup = "" // an ordinary user can make none
	}
	return runcexecutor.New(runcexecutor.Opt{
		Root: filepath.Join(root, "executor"), CommandCandidates: []string{runtime}, Rootless: rootless, ProcessMode: oci.ProcessSandbox,
		DNS: dns, DefaultCgroupParent: cgroup, ResourceMonitor: monitor,
	}, networks)
}

// newStores opens the worker's databases and folders.
func newStores(ctx context.Context, root, name string, snapshotter snapshots.Snapshotter) (base.WorkerOpt, error) {
	var opt base.WorkerOpt
	blobs, err := local.NewStore(filepath.Join(root, "content"))
	if err != nil {
		return opt, err
	}
	db, err := boltutil.Open(filepath.Join(root, "containerdmeta.db"), 0o644, &bolt.Options{FreelistType: bolt.FreelistMapType, NoFreelistSync: true})
	if err != nil {
		return opt, err
	}
	meta := ctdmetadata.NewDB(db, blobs, map[string]snapshots.Snapshotter{name: snapshotter})
	if err := meta.Init(ctx); err != nil {
		return opt, err
	}
	entries, err := metadata.NewStore(filepath.Join(root, "metadata_v2.db"))
	if err != nil {
		return opt, err
	}
	id, err := base.ID(root)
	if err != nil {
		return opt, err
	}
	content := snapshot.NewContentStore(meta.ContentStore(), namespace)
	return base.WorkerOpt{
		ID: id, Root: root, MetadataStore: entries, ContentMetadata: db, ContentStore: content,
		Snapshotter:    snapshot.NewSnapshotter(name, meta.Snapshotter(name), namespace, nil),
		Applier:        winlayers.NewFileSystemApplierWithWindows(content, apply.NewFileSystemApplier(content)),
		Differ:         winlayers.NewWalkingDiffWithWindows(content, walking.NewWalkingDiff(content)),
		LeaseManager:   leaseutil.WithNamespace(ctdmetadata.NewLeaseManager(meta), namespace),
		GarbageCollect: meta.GarbageCollect,
		MountPoolRoot:  filepath.Join(root, "cachemounts"),
		Platforms:      []ocispecs.Platform{platforms.Normalize(platforms.DefaultSpec())},
	}, nil
}

// newSnapshotter makes what lays one layer over another, by the kernel's overlays if it can, and creates the worker's folder.
func newSnapshotter(root string) (name string, s snapshots.Snapshotter, err error) {
	name = "overlayfs"
	if err := overlayutils.Supported(root); err != nil {
		logrus.Infof("copying instead of overlaying, which is slow and takes more room: %v", err)
		name = "native"
	}
	dir := filepath.Join(root, "runc-"+name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("the store: %w", err)
	}
	dir = filepath.Join(dir, "snapshots")
	if name == "native" {
		s, err = native.NewSnapshotter(dir)
	} else {
		s, err = overlay.NewSnapshotter(dir, overlay.AsynchronousRemove)
	}
	return name, s, err
}

func dnsConfig(c *config.DNSConfig) *oci.DNSConfig {
	if c == nil {
		return nil
	}
	return &oci.DNSConfig{Nameservers: c.Nameservers, Options: c.Options, SearchDomains: c.SearchDomains}
}

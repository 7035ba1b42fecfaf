package buildkit

import (
	"maps"
	"testing"

	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// optsClient is a gateway client that has nothing but options.
type optsClient struct {
	gateway.Client
	opts map[string]string
}

func (c optsClient) BuildOpts() gateway.BuildOpts {
	return gateway.BuildOpts{Opts: c.opts, Caps: gwpb.Caps.CapSet(gwpb.Caps.All()), LLBCaps: pb.Caps.CapSet(pb.Caps.All())}
}

// The options go through BuildKit's own parser, so that a key that it does not know makes the test fail.
func TestBuildOptionsReachTheFrontend(t *testing.T) {
	b := &build{target: &plan.Target{Declared: 1}, Build: &plan.Build{Platform: schema.MustPlatform("linux/amd64"), Values: &schema.Build{
		NoCacheFilter: []string{"base", "web"}, Network: "none", ShmSize: 1 << 26, Pull: true,
		Ulimits: []string{"nofile=1024:2048"}, ExtraHosts: map[string]string{"db": "10.0.0.1,10.0.0.2"},
		Resources: map[string]string{"memory": "67108864", "memory-swap": "-1", "cpu-shares": "2", "cpu-period": "1000", "cpu-quota": "500", "cpuset-cpus": "0", "cpuset-mems": "0"}}}}
	opts := b.frontendOpts(false)
	ui, err := dockerui.NewClient(optsClient{opts: opts})
	if err != nil {
		t.Fatal(err)
	}
	if ui.NetworkMode != pb.NetMode_NONE || ui.ShmSize != 1<<26 || ui.ImageResolveMode.String() != "pull" {
		t.Errorf("network %v, shm %d, resolve %v", ui.NetworkMode, ui.ShmSize, ui.ImageResolveMode)
	}
	if len(ui.Ulimits) != 1 || ui.Ulimits[0].Name != "nofile" || ui.Ulimits[0].Soft != 1024 || ui.Ulimits[0].Hard != 2048 {
		t.Errorf("ulimits %v", ui.Ulimits)
	}
	if len(ui.ExtraHosts) != 2 || ui.ExtraHosts[0].Host != "db" || ui.ExtraHosts[1].IP.String() != "10.0.0.2" {
		t.Errorf("hosts %v", ui.ExtraHosts)
	}
	if r := ui.LinuxResources; r == nil || r.Memory != 67108864 || r.CpuQuota != 500 || r.CpusetCpus != "0" {
		t.Errorf("resources %+v", r)
	}
	if !ui.IsNoCache("web") || ui.IsNoCache("other") {
		t.Errorf("no-cache %q", opts["no-cache"])
	}
	plain := &build{target: &plan.Target{Declared: 1}, Build: &plan.Build{Platform: b.Platform, Values: &schema.Build{Network: "default"}}}
	for k := range maps.Keys(plain.frontendOpts(false)) {
		switch k {
		case "no-cache", "image-resolve-mode", "force-network-mode", "shm-size", "ulimit", "add-hosts":
			t.Errorf("%s is set without being asked for", k)
		}
	}
}

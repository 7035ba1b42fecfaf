package cli

import (
	"strings"
	"testing"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

func TestGrants(t *testing.T) {
	p := &plan.Plan{Builds: []plan.Build{
		{Target: "net", Values: &schema.Build{Network: "host"}},
		{Target: "net", Values: &schema.Build{Network: "host"}}, // another platform
		{Target: "priv", Values: &schema.Build{Entitlements: []string{"security.insecure", "device=gpu"}}},
		{Target: "plain", Values: &schema.Build{Network: "none"}},
	}}
	at := func(target, attr string) *diag.Range { return &diag.Range{Filename: target + "." + attr} }
	for allow, want := range map[string]string{
		"":                               "net.network: network.host; priv.entitlements: device=gpu; priv.entitlements: security.insecure",
		"network.host":                   "priv.entitlements: device=gpu; priv.entitlements: security.insecure",
		"network.host device":            "priv.entitlements: security.insecure",
		"device=other security.insecure": "net.network: network.host; priv.entitlements: device=gpu",
		"network.host security.insecure device=gpu": "",
	} {
		var got []string
		l := checkGrants(p, at, strings.Fields(allow))
		for _, d := range l {
			_, what, _ := strings.Cut(strings.TrimSuffix(d.Detail, "."), "asks for ")
			got = append(got, d.Subject.Filename+": "+what)
		}
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("--allow %q: %s, want %s", allow, s, want)
		}
		if len(l) > 0 && !strings.Contains(l[len(l)-1].Advice, "--allow ") {
			t.Errorf("--allow %q: the advice is %q", allow, l[len(l)-1].Advice)
		}
	}
	if err := checkAllow([]string{"network.host", "fs.read=/x", "ssh", "device=a"}); err != nil {
		t.Error(err)
	}
	if err := checkAllow([]string{"network.hots"}); err == nil || !strings.Contains(err.Error(), "did you mean") {
		t.Errorf("error %v", err)
	}
}

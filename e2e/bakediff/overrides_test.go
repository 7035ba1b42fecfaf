package bakediff

import (
	"fmt"
	"strings"
	"testing"
)

// overrides is what --set can say about an attribute. T stands for the target; " ; " parts several --set of one command.
var overrides = []struct {
	attribute string
	base, own string   // the value of the parent, and of a child that has one of its own
	sets      []string // without the leading "T."
}{
	{"context", `"a"`, `"b"`, []string{"context=x", "context=", "context=./x/../y", "context=https://example.com/r.git", "context.x=y", "context", "context+=x", "context=-", "context=a=b", "context=x ; T.context=y"}},
	{"contexts", `{"K": "a", "L": "a"}`, `{"K": "b"}`, []string{"contexts.K=x", "contexts.N=x", "contexts.K=", "contexts.a.b.c=x", "contexts=x", "contexts.K", "contexts.K=target:own", "contexts.K=target:nope", "contexts.K=target:child", "contexts.=x", "contexts.K=x ; T.contexts.L=y ; T.contexts.K=z"}},
	{"dockerfile", `"A"`, `"B"`, []string{"dockerfile=X", "dockerfile=", "dockerfile.x=y", "dockerfile", "dockerfile=-"}},
	{"dockerfile-inline", `"FROM a"`, `"FROM b"`, []string{"dockerfile-inline=FROM x", "dockerfile=D"}},
	{"args", `{"K": "a", "L": "a"}`, `{"K": "b"}`, []string{"args.K=x", "arg.K=x", "args.N=x", "arg.N=x", "args.K=", "arg.K", "arg.FROMENV", "args.FROMENV", "arg.MISSING", "args.MISSING", "args=x", "arg=x", "args", "arg.a.b.c=x", "args.a.b=x", "arg.K=a=b", "arg.K=a,b", "arg.K+=x", "args.K+=x", "args.K=x ; T.args.K=y", "args.K=$${x} %%{y} ${z}", "arg.=x", "args.K= spaced  value ", "ARGS.K=x"}},
	{"labels", `{"K": "a", "L": "a"}`, `{"K": "b"}`, []string{"labels.K=x", "label.K=x", "label.org.example.x=y", "labels.org.example.x=y", "label.K=", "labels.K=", "label.K", "labels=x", "label=x", "label.K+=x", "label.K=x ; T.label.L=y", "labels.K=${x}"}},
	{"annotations", `["k=v"]`, `["l=w"]`, []string{"annotation=a=b", "annotations=a=b", "annotation+=a=b", "annotation=", "annotation= ; T.annotation=c=d", "annotation=c=d ; T.annotation=", "annotations=", "annotation.x=y", "annotation=index:a=b", "annotation=bad", "annotation=k=v", "annotation"}},
	{"tags", `["a", "b"]`, `["c"]`, []string{"tags=x", "tag=x", "tags=x ; T.tags=y", "tag+=x", "tags+=x", "tags+=x ; T.tags+=y", "tags=x ; T.tags+=y", "tags+=x ; T.tags=y", "tags=", "tag=", "tags= ; T.tags=x", "tags=x ; T.tags=", "tags+=", "tags=x,y", "tags+=a", "tag.x=y", "tags.x=y", "tag", "tags=x ; T.tags=x"}},
	{"target", `"a"`, `"b"`, []string{"target=x", "target=", "target.x=y", "target"}},
	{"platforms", `["linux/amd64"]`, `["linux/arm64"]`, []string{"platform=linux/386", "platforms=linux/386", "platform=linux/386 ; T.platform=linux/s390x", "platform+=linux/386", "platform+=linux/amd64", "platform=linux/386 ; T.platform+=linux/s390x", "platform+=linux/386 ; T.platform=linux/s390x", "platform=", "platform=linux/386,linux/s390x", "platform=local", "platform=nonsense", "platform.x=y", "platform"}},
	{"output", `["type=docker"]`, `["type=image,name=x"]`, []string{"output=type=registry", "output=type=registry ; T.output=type=docker", "output+=type=registry", "output+=type=docker", "output=", "output=out", "output=type=local,dest=out", "output=../elsewhere", "output=bad=x", "output=type=local", "output.x=y", "outputs=type=docker", "output= ; T.output=type=cacheonly", "output=-", "output=type=oci,dest=o.tar", "output", "push=true", "push=false", "push=what", "push=", "push=1", "load=true", "load=false", "load=what", "load", "push.x=true"}},
	{"cache-from", `["a"]`, `["b"]`, []string{"cache-from=x", "cache-from+=x", "cache-from=x,y", "cache-from=type=local,src=in", "cache-from=", "cache-from=x ; T.cache-from=y", "cache-from=x ; T.cache-from+=y", "cache-from+=a", "cache-from.x=y", "cache-from=ref=x", "cache-from+=", "cache-from"}},
	{"cache-to", `["type=inline"]`, `["b"]`, []string{"cache-to=x", "cache-to+=x", "cache-to=type=local,dest=out", "cache-to=", "cache-to=x ; T.cache-to=y", "cache-to+=type=inline", "cache-to.x=y", "cache-to=type=gha,mode=max"}},
	{"secret", `["id=a,env=A", "id=b,env=B"]`, `["id=a,env=Z"]`, []string{"secret=id=c,env=C", "secrets=id=c,env=C", "secret+=id=c,env=C", "secret+=id=a,env=C", "secret=", "secret.a=env=X", "secret.a=src=f", "secret.b=source=f", "secret.a=id=a,env=X", "secret.a=id=b,env=X", "secret.c=env=X", "secret.a=type=env,src=X", "secret.=env=X", "secret.a+=env=X", "secret.a=what=x", "secret.a=", "secret=id=c,src=missing", "secret= ; T.secret=id=c,env=C", "secret=id=c,env=C ; T.secret=id=d,env=D", "secret.a=src=missing"}},
	{"ssh", `["a=@AGENT@"]`, `["b=@AGENT@"]`, []string{"ssh=c=@AGENT@", "ssh+=c=@AGENT@", "ssh=", "ssh=default", "ssh.x=y", "ssh=c=missing", "ssh+=a=@AGENT@"}},
	{"attest", `["type=sbom"]`, `["type=provenance,mode=min"]`, []string{"attest=type=provenance,mode=max", "attest+=type=provenance,mode=max", "attest=", "attest=type=sbom,disabled=true", "attest= ; T.attest=type=sbom,generator=x", "attest=type=sbom,generator=x ; T.attest=", "attest=mode=max", "attest.x=y", "attests=type=sbom", "attest=type=sbom,disabled=what"}},
	{"policy", `["filename=a.rego"]`, `["filename=b.rego"]`, []string{"policy=filename=x.rego", "policy+=filename=x.rego", "policy=", "policy=reset=true", "policy=disabled=true", "policy=what=x", "policy.x=y", "policy+=strict=true,log-level=debug"}},
	{"pull", `true`, `false`, []string{"pull=true", "pull=false", "pull=1", "pull=F", "pull=what", "pull=", "pull", "pull.x=true", "pull+=true"}},
	{"no-cache", `true`, `false`, []string{"no-cache=true", "no-cache=false", "no-cache=t", "no-cache=0", "no-cache=what", "no-cache=", "no-cache", "no-cache.x=true"}},
	{"no-cache-filter", `["a"]`, `["b"]`, []string{"no-cache-filter=x", "no-cache-filter+=x", "no-cache-filter=", "no-cache-filter=x,y", "no-cache-filter=x ; T.no-cache-filter=y", "no-cache-filter.x=y", "no-cache-filters=x"}},
	{"network", `"none"`, `"default"`, []string{"network=host", "network=", "network=x", "network.x=y", "network"}},
	{"shm-size", `"64m"`, `"1g"`, []string{"shm-size=2g", "shm-size=", "shm-size=lots", "shm-size.x=y", "shm-size=134217728"}},
	{"ulimits", `["nofile=1024"]`, `["nproc=5"]`, []string{"ulimit=core=0", "ulimits=core=0", "ulimit+=core=0", "ulimits+=core=0", "ulimit+=nofile=1024", "ulimit=", "ulimit=bad", "ulimit=nofile=1 ; T.ulimit=nofile=2", "ulimit.x=y", "ulimits="}},
	{"resources", `{"memory": "1g", "cpu-shares": "5"}`, `{"memory": "2g"}`, []string{"resource.memory=3g", "resources.memory=3g", "resource.cpu-shares=7", "resource.cpu-quota=100", "resource.cpuset-cpus=0-1", "resource.what=x", "resource.memory=", "resource.memory=lots", "resource=x", "resource.memory+=1g", "resource.memory.x=1g", "resource.cpu-shares=x"}},
	{"call", `"build"`, `"outline"`, []string{"call=check", "call=targets", "call=", "call=x", "call.x=y"}},
	{"entitlements", `["network.host"]`, `["security.insecure"]`, []string{"entitlement=security.insecure", "entitlements=security.insecure", "entitlement+=security.insecure", "entitlement=", "entitlements=", "entitlement= ; T.entitlement=device", "entitlement=x", "entitlement.x=y", "entitlement=network.host"}},
	{"extra-hosts", `{"K": "1.1.1.1", "L": "1.1.1.1"}`, `{"K": "2.2.2.2"}`, []string{"extra-host.K=3.3.3.3", "extra-hosts.K=3.3.3.3", "extra-host.a.b.c=3.3.3.3", "extra-host.K=", "extra-host=x", "extra-hosts=x", "extra-host.K", "extra-host.K+=x", "extra-hosts.N=host-gateway"}},
	{"description", `"a"`, `"b"`, []string{"description=x"}},
	{"inherits", `["own"]`, `["parent"]`, []string{"inherits=x", "what=x", "name=x", "matrix=x", "=x", "=", "", ".x=y", "tags", "TAGS=x", "tags=é"}},
}

// overridden prints a parent, a child that has nothing, and one that has a value of its own.
const overridden = `target "parent" {
  ATTR = BASE
  args = { P = "1" }
}
target "child" { inherits = ["parent"] }
target "own" {
  inherits = ["parent"]
  ATTR = OWN
}
group "default" { targets = ["parent", "child", "own"] }
`

// overrideCases applies each set to the parent alone, and to all three by a pattern.
func overrideCases(*testing.T) []testCase {
	var out []testCase
	for _, o := range overrides {
		text := overridden
		if o.attribute == "args" { // one block has it once
			text = strings.Replace(text, "  args = { P = \"1\" }\n", "", 1)
		}
		if o.attribute == "inherits" {
			text = strings.NewReplacer("  ATTR = OWN\n", "", "ATTR = BASE", "tags = [\"a\"]").Replace(text)
		}
		text = strings.NewReplacer("ATTR", o.attribute, "BASE", o.base, "OWN", o.own).Replace(text)
		for i, set := range o.sets {
			for _, target := range []string{"parent", "*"} {
				c := testCase{name: fmt.Sprintf("overrides/%s/%d/%s", o.attribute, i+1, strings.ReplaceAll(target, "*", "all")),
					files: map[string]string{"docker-bake.hcl": text, "f": "x"}, env: []string{"FROMENV=from the environment"}}
				for _, s := range strings.Split("T."+set, " ; ") {
					c.args = append(c.args, "--set", target+strings.TrimPrefix(s, "T"))
				}
				out = append(out, c)
			}
		}
	}
	return out
}

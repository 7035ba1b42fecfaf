package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tonistiigi/go-csvvalue"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema/diag"
)

// callOptions say how to show the answers of --call.
type callOptions struct {
	json         bool
	ignoreStatus bool
}

// callOptions are those of the flag, which was checked by callName.
func (f *bakeFlags) callOptions() callOptions {
	var o callOptions
	fields, _ := csvvalue.Fields(f.call, nil)
	for _, field := range fields {
		switch k, v, _ := strings.Cut(field, "="); k {
		case "format":
			o.json = v == "json"
		case "ignorestatus":
			o.ignoreStatus, _ = strconv.ParseBool(v)
		}
	}
	return o
}

// call asks the Dockerfiles of targets that say so, and reports whether there were any. The exit code is that of a failed build
// if one of them has something to say against itself.
func (a *app) call(ctx context.Context, in *inputFlags, j *job) (bool, error) {
	p, b, opt := j.plan, j.backend, in.bake.callOptions()
	var asked, built []string
	for _, bd := range p.Builds {
		if !bd.Requested {
			continue
		}
		if bd.Values.Call != "" {
			asked = append(asked, bd.Target)
		} else {
			built = append(built, bd.Target)
		}
	}
	switch {
	case len(asked) == 0:
		return false, nil
	case len(built) > 0:
		return true, &exitError{ExitUsage, fmt.Errorf("target %s asks its Dockerfile (call), and target %s is built; run them apart", asked[0], built[0])}
	}
	noPolicies, err := in.policy.disabled()
	if err != nil {
		return true, err
	}
	answers, err := b.Call(ctx, p, exec.Options{NoPolicies: noPolicies})
	if err != nil {
		var f *exec.Failure
		if ctx.Err() == nil && errors.As(err, &f) {
			fmt.Fprint(a.err, a.failureText(f, diag.Error, p, j.sources))
			return true, &exitError{code: failedCode([]*exec.Failure{f})}
		}
		return true, err
	}
	text, err := answersText(answers, opt.json)
	if err != nil {
		return true, err
	}
	fmt.Fprint(a.out, text)
	for _, x := range answers {
		if x.Status != 0 && !opt.ignoreStatus {
			return true, &exitError{code: ExitFailed}
		}
	}
	return true, nil
}

// answersText shows answers: equal ones of one Dockerfile once, or all as JSON in Bake's form.
func answersText(answers []exec.Answer, asJSON bool) (string, error) {
	if asJSON {
		targets := map[string]map[string]json.RawMessage{}
		for _, x := range answers {
			name := x.Call
			if name == "lint" {
				name = "check"
			}
			targets[x.Target] = map[string]json.RawMessage{name: x.JSON}
		}
		text, err := json.MarshalIndent(map[string]any{"target": targets}, "", "  ")
		return string(text) + "\n", err
	}
	var names [][]string
	var first []exec.Answer
	for _, x := range answers {
		i := 0
		for i < len(first) && (first[i].Dockerfile != x.Dockerfile || first[i].Text != x.Text || first[i].Call != x.Call) {
			i++
		}
		if i == len(first) {
			first, names = append(first, x), append(names, nil)
		}
		names[i] = append(names[i], x.Target)
	}
	var b strings.Builder
	for i, x := range first {
		text := strings.TrimSpace(x.Text)
		if text == "" && (x.Call == "lint" || x.Call == "check") { // the second is what build files say
			text = "no warnings"
		}
		fmt.Fprintf(&b, "%s (%s):\n%s\n", strings.Join(names[i], ", "), x.Dockerfile, text)
		if i < len(first)-1 {
			b.WriteByte('\n')
		}
	}
	return b.String(), nil
}

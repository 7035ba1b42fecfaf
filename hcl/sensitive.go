package hcl

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/xbuild/xbuild/internal/mask"
	"github.com/xbuild/xbuild/schema/diag"
)

// hide tells the caller what must not be shown.
func (l *loader) hide(texts ...string) {
	if l.env.Hide != nil && len(texts) > 0 {
		l.env.Hide(texts)
	}
}

// sensitiveTexts are the values of all sensitive variables that are known by now, in source order: of a list or a map those in it.
func (l *loader) sensitiveTexts() []string {
	var out []string
	for _, b := range l.blocks {
		if b.typ.Name != "variable" {
			continue
		}
		if n := l.names[b.name]; n != nil && n.variable != nil && n.variable.Sensitive && n.state == done && n.ok {
			out = append(out, leaves(n.value)...)
		}
	}
	return out
}

// leaves are the primitive values in v as texts, each once; true and false are in every text and are left out.
func leaves(v cty.Value) []string {
	var out []string
	v, _ = v.UnmarkDeep()
	_ = cty.Walk(v, func(_ cty.Path, e cty.Value) (bool, error) { // the function below never fails
		if !e.IsKnown() || e.IsNull() || !e.Type().IsPrimitiveType() || e.Type() == cty.Bool {
			return true, nil
		}
		if s, err := convert.Convert(e, cty.String); err == nil && s.AsString() != "" && !slices.Contains(out, s.AsString()) {
			out = append(out, s.AsString())
		}
		return true, nil
	})
	return out
}

// warnShort tells that a sensitive value is too short to be masked: it would blot out half of every log.
func (l *loader) warnShort(b *block, v cty.Value) {
	for _, s := range leaves(v) {
		if len(s) < mask.Shortest {
			l.add(diag.Diagnostic{Severity: diag.Warning, Code: codeSensitiveShort, Subject: &b.label, Summary: "Sensitive value too short to be masked",
				Detail: fmt.Sprintf("The value of %q has fewer than %d bytes, so a step that prints it shows it.", b.name, mask.Shortest),
				Advice: "Use a longer value, or better a secret."})
			return
		}
	}
}

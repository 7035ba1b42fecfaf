package exec

import (
	"github.com/xbuild/xbuild/internal/mask"
	"github.com/xbuild/xbuild/plan"
)

// Hidden is what must not be shown of a plan: the values of its sensitive arguments and of what these are made of.
func Hidden(p *plan.Plan) *mask.Masker {
	var texts []string
	for _, q := range []*plan.Plan{p, p.Alternative} {
		if q == nil {
			continue
		}
		for i := range q.Builds {
			if v := q.Builds[i].Values; v != nil {
				texts = append(texts, v.Hidden...)
			}
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return mask.New(texts...)
}

// without is an event without what is hidden. Log output arrives in pieces, which the backend puts together; here it is masked once
// more, piece by piece.
func (e Event) without(m *mask.Masker) Event {
	e.Name, e.Err = m.Mask(e.Name), m.Mask(e.Err)
	if len(e.Data) > 0 && !m.Empty() {
		e.Data = []byte(m.Mask(string(e.Data)))
	}
	return e
}

// maskedError says what err does without what is hidden.
type maskedError struct {
	text string
	err  error
}

func (e *maskedError) Error() string { return e.text }
func (e *maskedError) Unwrap() error { return e.err }

func maskError(err error, m *mask.Masker) error {
	if err == nil || m.Mask(err.Error()) == err.Error() {
		return err
	}
	return &maskedError{m.Mask(err.Error()), err}
}

// hide takes what is hidden out of everything that a report says.
func (r *Report) hide(m *mask.Masker) {
	if m.Empty() {
		return
	}
	r.Err = maskError(r.Err, m)
	for _, list := range [][]*Failure{r.Failures, r.Missing} {
		for _, f := range list {
			f.Step, f.Hint, f.Err = m.Mask(f.Step), m.Mask(f.Hint), maskError(f.Err, m)
			f.Source = []byte(m.Mask(string(f.Source)))
			for i := range f.Log {
				f.Log[i] = m.Mask(f.Log[i])
			}
		}
	}
	for i := range r.Builds {
		r.Builds[i].Why, r.Builds[i].Fallback = m.Mask(r.Builds[i].Why), m.Mask(r.Builds[i].Fallback)
	}
	for i := range r.Warnings {
		r.Warnings[i].Text = m.Mask(r.Warnings[i].Text)
	}
	for i := range r.Records {
		for k, text := range r.Records[i].Provenance {
			r.Records[i].Provenance[k] = []byte(m.Mask(string(text)))
		}
	}
}

package mask_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/internal/mask"
)

func TestMask(t *testing.T) {
	m := mask.New("s3cr3t/val+ue", "short", "first line\nsecond line\n")
	for in, want := range map[string]string{
		"":                          "",
		"nothing":                   "nothing",
		"short is shown":            "short is shown",
		"a s3cr3t/val+ue b":         "a *** b",
		"s3cr3t/val+ues3cr3t/val+u": "***s3cr3t/val+u",
		"u=s3cr3t%2Fval%2Bue":       "u=***",
		"u=s3cr3t%2fval%2bue":       "u=***",
		"u=s3cr3t%2Fval+ue":         "u=***",
		"x second line y":           "x *** y",
		"first line\nsecond line\n": "***",
	} {
		if got := m.Mask(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	var none *mask.Masker
	if got := none.And(mask.New("abcdef")).Mask("abcdef"); got != mask.Stars {
		t.Errorf("got %q", got)
	}
	if !none.Empty() || none.Mask("x") != "x" {
		t.Error("nil masks something")
	}
}

// TestPieces cuts random texts with random values, in random forms, at random places: no cut shows a value, and all is as if the
// text had come at once.
func TestPieces(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const letters = "ab%/+ =\"\\<\u00e9\n"
	word := func(n int) string {
		var b strings.Builder
		for range n {
			r := []rune(letters)
			b.WriteRune(r[rnd.IntN(len(r)-1)])
		}
		return b.String()
	}
	for range 3000 {
		v := word(mask.Shortest + rnd.IntN(20))
		m := mask.New(v, word(8))
		quoted, _ := json.Marshal(v)
		var text strings.Builder
		for range 4 {
			text.WriteString(word(rnd.IntN(6)))
			lead := word(rnd.IntN(4))
			text.WriteString([]string{v, url.QueryEscape(v), url.PathEscape(v), string(quoted), "\n" + base64.StdEncoding.EncodeToString([]byte(v)),
				base64.URLEncoding.EncodeToString([]byte(lead + v + "tail"))}[rnd.IntN(6)])
		}
		whole := m.Mask(text.String())
		var got strings.Builder
		held, rest := "", text.String()
		for rest != "" {
			n := 1 + rnd.IntN(len(rest))
			out, h := m.Part(held, rest[:n], n == len(rest))
			got.WriteString(out)
			held, rest = h, rest[n:]
		}
		if got.String()+held != whole {
			t.Fatalf("value %q in %q: in pieces %q, at once %q", v, text.String(), got.String(), whole)
		}
		for _, form := range []string{v, url.QueryEscape(v), base64.StdEncoding.EncodeToString([]byte(v))} {
			if strings.Contains(whole, form) {
				t.Fatalf("%q stands in %q", form, whole)
			}
		}
	}
}

func Example() {
	m := mask.New("hunter2-hunter2")
	fmt.Println(m.Mask("login with hunter2-hunter2"))
	// Output: login with ***
}

package volume

import (
	"slices"
	"testing"
)

func TestOf(t *testing.T) {
	for value, want := range map[string]int{"": 3, "soak": 50, "7": 7} {
		t.Setenv(variable, value)
		if got := Of(3, 50); got != want {
			t.Errorf("%s=%q: %d, want %d", variable, value, got, want)
		}
		if Soak() != (value != "") {
			t.Errorf("%s=%q: Soak is %v", variable, value, Soak())
		}
	}
	for _, value := range []string{"0", "-1", "many"} {
		t.Setenv(variable, value)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s=%q is taken for a number", variable, value)
				}
			}()
			Of(3, 50)
		}()
	}
}

func TestSpread(t *testing.T) {
	if got := Spread(3, 10); !slices.Equal(got, []int{0, 3, 6}) {
		t.Errorf("3 of 10: %v", got)
	}
	if got := Spread(20, 4); !slices.Equal(got, []int{0, 1, 2, 3}) {
		t.Errorf("20 of 4: %v", got)
	}
}

package hcl

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// textFunc is a function from one string to another.
func textFunc(doc, param string, f func(string) string) function.Function {
	return function.New(&function.Spec{
		Description: doc,
		Params:      []function.Parameter{{Name: param, Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.StringVal(f(args[0].AsString())), nil
		},
	})
}

func pathFunc(doc string, f func(string) string) function.Function { return textFunc(doc, "path", f) }

var sanitizeFunc = textFunc("Replaces what a target's name cannot hold by underscores.", "name", func(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, s)
})

var semvercmpFunc = function.New(&function.Spec{
	Description: "Tells whether a version satisfies a constraint.",
	Params:      []function.Parameter{{Name: "version", Type: cty.String}, {Name: "constraint", Type: cty.String}},
	Type:        function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, err := semver.NewVersion(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		c, err := semver.NewConstraint(args[1].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		return cty.BoolVal(c.Check(v)), nil
	},
})

var indexOfFunc = function.New(&function.Spec{
	Description: "Finds the index of a value in a list.",
	Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
	Type:        function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if t := args[0].Type(); !t.IsListType() && !t.IsTupleType() {
			return cty.NilVal, function.NewArgErrorf(0, "must be a list")
		}
		for it := args[0].ElementIterator(); it.Next(); {
			i, v := it.Element()
			eq, err := stdlib.Equal(v, args[1])
			switch {
			case err != nil:
				return cty.NilVal, err
			case !eq.IsKnown():
				return cty.UnknownVal(cty.Number), nil
			case eq.True():
				return i, nil
			}
		}
		return cty.NilVal, errors.New("the list does not hold the value")
	},
})

// unixSeconds reads a number as a point in time.
func unixSeconds(v cty.Value) (time.Time, error) {
	n, acc := v.AsBigFloat().Int64()
	if acc != big.Exact {
		return time.Time{}, errors.New("must be a whole number of seconds")
	}
	return time.Unix(n, 0).UTC(), nil
}

var formatTimestampFunc = function.New(&function.Spec{
	Description: `Formats a time, given in RFC 3339 or as Unix seconds; the format "X" gives Unix seconds.`,
	Params:      []function.Parameter{{Name: "format", Type: cty.String}, {Name: "time", Type: cty.DynamicPseudoType}},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var t time.Time
		var err error
		switch args[1].Type() {
		case cty.Number:
			t, err = unixSeconds(args[1])
		case cty.String:
			if args[0].AsString() != "X" { // the library keeps the zone of the text
				return stdlib.FormatDateFunc.Call(args)
			}
			t, err = time.Parse(time.RFC3339, args[1].AsString())
		default:
			err = errors.New("must be a time in RFC 3339 or Unix seconds")
		}
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		if args[0].AsString() == "X" {
			return cty.StringVal(strconv.FormatInt(t.Unix(), 10)), nil
		}
		return stdlib.FormatDateFunc.Call([]cty.Value{args[0], cty.StringVal(t.Format(time.RFC3339))})
	},
})

// timeFields are the attributes of the object that unixtimestampparse gives.
func timeFields(t time.Time) map[string]cty.Value {
	year, week := t.ISOWeek()
	n := func(i int) cty.Value { return cty.NumberIntVal(int64(i)) }
	return map[string]cty.Value{
		"year": n(t.Year()), "year_day": n(t.YearDay()), "day": n(t.Day()), "month": n(int(t.Month())),
		"month_name": cty.StringVal(t.Month().String()), "weekday": n(int(t.Weekday())), "weekday_name": cty.StringVal(t.Weekday().String()),
		"hour": n(t.Hour()), "minute": n(t.Minute()), "second": n(t.Second()), "rfc3339": cty.StringVal(t.Format(time.RFC3339)),
		"iso_year": n(year), "iso_week": n(week),
	}
}

var unixTimestampParseFunc = function.New(&function.Spec{
	Description: "Takes Unix seconds apart into year, month, day and so on, in UTC.",
	Params:      []function.Parameter{{Name: "unix_timestamp", Type: cty.Number}},
	Type: func([]cty.Value) (cty.Type, error) {
		types := map[string]cty.Type{}
		for k, v := range timeFields(time.Time{}) {
			types[k] = v.Type()
		}
		return cty.Object(types), nil
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		t, err := unixSeconds(args[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return cty.ObjectVal(timeFields(t)), nil
	},
})

func timestampFunc(env Env) function.Function {
	return function.New(&function.Spec{
		Description: "The current time, in RFC 3339 and UTC.",
		Type:        function.StaticReturnType(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			return cty.StringVal(env.now().UTC().Format(time.RFC3339)), nil
		},
	})
}

func homedirFunc(env Env) function.Function {
	return function.New(&function.Spec{
		Description: "The home folder of the user.",
		Type:        function.StaticReturnType(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			for _, name := range []string{"HOME", "USERPROFILE"} {
				if home, ok := env.Getenv(name); ok && home != "" {
					return cty.StringVal(home), nil
				}
			}
			return cty.NilVal, errors.New("the environment names no home folder: set HOME")
		},
	})
}

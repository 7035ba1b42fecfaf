package dockerfile

// zig compiles for any target, but has to be told on its command line.
var zig = Recipe{
	Code: "zig", Name: "Zig",
	Commands: []string{"zig"},
	Vouch:    VouchFork, If: "the Dockerfile says zig build -Dtarget=$ZIG_TARGET",
	Tools: map[string]Tools{
		"debian": {Env: [][2]string{{"ZIG_TARGET", `"` + zigTarget + `"`}}},
		"alpine": {Env: [][2]string{{"ZIG_TARGET", `"` + zigTarget + `"`}}},
		"":       {Env: [][2]string{{"ZIG_TARGET", `"` + zigTarget + `"`}}},
	},
}

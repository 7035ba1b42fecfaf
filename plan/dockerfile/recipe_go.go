package dockerfile

// goHidden is Go whose commands are not in the Dockerfile. Pinning gives GOOS and GOARCH to all that the stage runs.
var goHidden = Recipe{
	Code: "go_hidden", Name: "Go behind make or a script", Images: []string{"golang"},
	Problems: []string{"make", "script"},
	Vouch:    VouchFork, If: "what is hidden there only builds Go programs for the target, without cgo, and runs none of them",
}

// goCgo is Go with C code in it.
var goCgo = Recipe{
	Code: "go_cgo", Name: "Go with cgo", Images: []string{"golang"},
	Problems: []string{"cgo-enabled", "cgo-used"},
	Vouch:    VouchFork, If: "the C code needs no library but the C library",
	Tools: map[string]Tools{
		"debian": {Env: append([][2]string{{"CGO_ENABLED", `"1"`}}, debianGCC.Env...), RunBefore: debianGCC.RunBefore},
		"alpine": {Env: append([][2]string{{"CGO_ENABLED", `"1"`}}, zigCC.Env...), RunBefore: zigCC.RunBefore},
	},
}

// goPlain is Go that has cgo on only because nobody turned it off.
var goPlain = Recipe{
	Code: "go_plain", Name: "Go", Images: []string{"golang"},
	Problems: []string{"cgo-possible", "package-installed"},
	Vouch:    VouchFork, If: "the program needs no cgo; CGO_ENABLED=0 in the Dockerfile says the same, and needs no vouching",
	Tools: map[string]Tools{
		"debian": {Env: [][2]string{{"CGO_ENABLED", `"0"`}}},
		"alpine": {Env: [][2]string{{"CGO_ENABLED", `"0"`}}},
		"":       {Env: [][2]string{{"CGO_ENABLED", `"0"`}}},
	},
}

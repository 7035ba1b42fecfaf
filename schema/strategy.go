package schema

import (
	"path"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema/diag"
)

// Strategy says how a platform other than the node's own is reached: a mode, or "strategy.NAME" for a block of the
// build file.
type Strategy string

// The modes. [Auto] is the default of xbuild.hcl, [AsWritten] that of Bake files.
const (
	AsWritten Strategy = "as-written" // what the Dockerfile says, no edit; a native node may take a platform
	Emulate   Strategy = "emulate"    // no edit, foreign steps under QEMU
	Native    Strategy = "native"     // no edit, only nodes that execute the platform themselves
	Cross     Strategy = "cross"      // pin build stages to the node and compile for the target; an error where unsound
	Auto      Strategy = "auto"       // as written if nothing is foreign, else cross, native, emulate
)

// Strategies lists the mode names that `strategy` accepts, in the order in which help and diagnostics show them.
var Strategies = []Strategy{AsWritten, Emulate, Native, Cross, Auto}

// strategyPrefix is what a reference to a strategy block begins with.
const strategyPrefix = "strategy."

// BlockName is the name of the strategy block that s refers to; ok is false if s is a mode.
func (s Strategy) BlockName() (name string, ok bool) {
	return strings.CutPrefix(string(s), strategyPrefix)
}

// StrategyBlock is a strategy of the build file's own: a mode, and what its author vouches for. What is vouched for is
// not proven, and is shown as such.
type StrategyBlock struct {
	Name        string
	Description string
	// Mode is what is tried first, Fallback what is tried after it, in order.
	Mode     Strategy
	Fallback []Strategy
	// Native are patterns of stage names whose result does not depend on the platform: each runs once, on the build
	// platform. Fork are patterns of stages that run on the build platform and make something for the target.
	Native, Fork []string
	// Base are the values if none of them reads the platform object; else PerPlatform has them for every platform of the
	// targets that use the block. Use [StrategyBlock.On] to read them.
	Base        StrategyValues
	PerPlatform map[Platform]*StrategyValues
	// Range is the header of the block; Ranges locates each attribute by its name in the language.
	Range  diag.Range
	Ranges map[string]diag.Range
}

// StrategyValues is what a strategy block gives to the stages in Fork, for one platform.
type StrategyValues struct {
	// Env is set for the first step that needs it and all later ones of the stage.
	Env map[string]string
	// RunBefore are shell commands that run before that step.
	RunBefore []string
}

// Ref is how a target names the block.
func (b *StrategyBlock) Ref() Strategy { return Strategy(strategyPrefix + b.Name) }

// On returns the values for one platform.
func (b *StrategyBlock) On(p Platform) *StrategyValues {
	if v := b.PerPlatform[p]; v != nil {
		return v
	}
	return &b.Base
}

// Modes are the modes of the block in the order in which they are tried.
func (b *StrategyBlock) Modes() []Strategy {
	return append([]Strategy{b.Mode}, b.Fallback...)
}

// Vouches returns "native" or "fork" if the block vouches for a stage of that name, else "".
func (b *StrategyBlock) Vouches(stage string) string {
	matches := func(pattern string) bool {
		ok, err := path.Match(strings.ToLower(pattern), stage)
		return ok && err == nil
	}
	switch {
	case slices.ContainsFunc(b.Fork, matches):
		return "fork"
	case slices.ContainsFunc(b.Native, matches):
		return "native"
	}
	return ""
}

// At returns the range of an attribute, or the header of the block.
func (b *StrategyBlock) At(attribute string) *diag.Range {
	if r, ok := b.Ranges[attribute]; ok {
		return &r
	}
	r := b.Range
	return &r
}

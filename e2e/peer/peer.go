//go:build tools

// Package peer pins the program that xbuild's reading of Bake files is compared with. It is a module of its own, so that
// what buildx needs is in no other module. Nothing imports it; e2e/bakediff builds the tool that its go.mod names.
package peer

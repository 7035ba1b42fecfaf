package dockerfile

import (
	"fmt"
	"strings"
	"testing"
)

// TestAdvice: which recipe is found for the stages of a file, and when there is none to give.
func TestAdvice(t *testing.T) {
	final := "FROM scratch\nCOPY --from=build /out /\n"
	for _, tc := range []struct{ name, text, want string }{
		{"Rust", "FROM rust:1.90 AS build\nRUN cargo build --release\n" + final, "build:rust(fork,7 env,3 run)"},
		{"Rust on Alpine", "FROM rust:1.90-alpine AS build\nRUN cargo build --release\n" + final, ""},
		{"Zig", "FROM alpine AS build\nRUN apk add zig\nRUN zig build -Dtarget=$ZIG_TARGET\n" + final, "build:zig(fork,1 env,0 run)"},
		{"C on Debian", "FROM gcc:14 AS build\nRUN make app\n" + final, "build:c(fork,2 env,1 run)"},
		{"C on Alpine", "FROM alpine AS build\nRUN apk add build-base && make app\n" + final, "build:c(fork,2 env,1 run)"},
		{"C with a base", "FROM debian AS base\nRUN apt-get update && apt-get install -y gcc\nFROM base AS build\nRUN gcc -o /out/app app.c\n" + final, "build:c(fork,2 env,2 run)"},
		{"Node", "FROM node:22 AS build\nRUN npm ci && npm run build\n" + final, "build:node(native,0 env,0 run)"},
		{"Java", "FROM maven:3 AS build\nRUN mvn -q package\n" + final, "build:java(native,0 env,0 run)"},
		{"Gradle's own script", "FROM eclipse-temurin:21 AS build\nRUN ./gradlew build\n" + final, "build:java(native,0 env,0 run)"},
		{"a site", "FROM alpine AS build\nRUN apk add hugo && hugo -d /out\n" + final, "build:static(native,0 env,0 run)"},
		{"Go and make", "FROM golang:1.26-alpine AS build\nRUN apk add make && make app\n" + final, "build:go_hidden(fork,0 env,0 run)"},
		{"Go and C", "FROM golang:1.26 AS build\nRUN CGO_ENABLED=1 go build -o /out/app .\n" + final, "build:go_cgo(fork,3 env,1 run)"},
		{"Go, cgo by chance", "FROM golang:1.26 AS build\nRUN go build -o /out/app .\n" + final, "build:go_plain(fork,1 env,0 run)"},
		{"make elsewhere", "FROM example.com/tools AS build\nRUN make app\n" + final, ""},
		{"two kinds on one base", "FROM node:22 AS base\nFROM base AS web\nRUN npm run build\nFROM base AS build\nCOPY --from=web /x /x\nRUN make\n" + final, "web:node(native,0 env,0 run) build:c(fork,2 env,1 run)"},

		{"C with configure", "FROM gcc:14 AS build\nRUN ./configure && make\n" + final, ""},
		{"a tool in Rust", "FROM rust:1.90 AS chef\nRUN cargo install cargo-chef\nFROM chef AS build\nRUN cargo build --release\n" + final, "chef:rust(native,0 env,0 run) build:rust(fork,7 env,3 run)"},
		{"Python", "FROM python:3 AS build\nRUN pip install --prefix=/out flask\n" + final, ""},
		{"something else", "FROM example.com/x AS build\nRUN frobnicate\n" + final, ""},
		{"one stage of no kind", "FROM node:22 AS base\nRUN frobnicate\nFROM base AS build\nRUN npm run build\n" + final, ""},
		{"part of what is shipped", "FROM node:22 AS build\nRUN npm ci\nFROM build\nCMD [\"node\"]\n", ""},
		{"nothing in the way", "FROM golang:1.26-alpine AS build\nRUN go build -o /out/app .\nFROM scratch\nCOPY --from=build /out /\n", ""},
		{"a fixed platform", "FROM --platform=linux/arm64 rust AS build\nRUN cargo build\n" + final, ""},
	} {
		_, in := crossInput(t, tc.text, "")
		var got []string
		for _, g := range Groups(in) {
			for _, a := range Advise(in, g) {
				got = append(got, fmt.Sprintf("%s:%s(%s,%d env,%d run)", a.Stage, a.Recipe.Code, a.Recipe.Vouch, len(a.Tools.Env), len(a.Tools.RunBefore)))
			}
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, s, tc.want)
		}
	}
}

# syntax=docker/dockerfile:1
# xbuild itself. The file is written for one platform; xbuild.hcl says for which ones it is built.
ARG GO_VERSION=1.26

FROM golang:${GO_VERSION}-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=bind,target=. \
    go build -trimpath -tags grpcnotrace -ldflags "-s -w -X github.com/xbuild/xbuild/cmd/internal/cli.Version=${VERSION}" -o /out/ ./cmd/xbuild

FROM scratch AS binaries
COPY --from=build /out/ /

//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/xbuild/xbuild/e2e/parts"
)

// What must not be found.
const (
	brokenFile  = "files neither old nor new"
	mixedSet    = "sets left mixed"
	wrongTag    = "tags too early or of an incomplete image"
	processLeft = "processes left"
	mountLeft   = "mounts left"
	fileLeft    = "temporary files left"
	notFinished = "builds without an end"
	notMended   = "next builds that failed"
)

var findings = []string{brokenFile, mixedSet, wrongTag, processLeft, mountLeft, fileLeft, notFinished, notMended}

// find counts something that must not be, and tells of it.
func (s *site) find(what, format string, args ...any) {
	s.found[what]++
	s.wrong++
	fmt.Printf("build %d: %s: %s\n", s.build, what, fmt.Sprintf(format, args...))
}

// round cuts a build off after a share of its usual time, looks at what is left, lets the next one alone and looks again.
// The error is for what is no matter of xbuild.
func (s *site) round(ctx context.Context, w way, share float64, count *tally) error {
	if err := s.next(); err != nil {
		return err
	}
	if w.before != nil {
		if err := w.before(s); err != nil {
			return err
		}
	}
	log, err := s.cutOff(ctx, w, share, count)
	if err != nil {
		return err
	}
	if w.mend != nil {
		if err := w.mend(ctx, s); err != nil {
			return err
		}
	}
	wrong := s.wrong
	if s.spoiled, err = s.renewRegistry(ctx); err != nil {
		return err
	}
	s.lookAfterCut(ctx, w)
	code, out := s.run(ctx, w.external)
	if code != 0 {
		s.find(notMended, "exit code %d\n%s", code, out)
	}
	s.lookAfterRun(ctx, code == 0)
	if s.wrong != wrong {
		fmt.Printf("build %d: %s, at %.3f of the usual time; it said:\n%s\nand the next one:\n%s\n", s.build, w.name, share, log, out)
	}
	s.good = s.build
	return nil
}

// cutOff runs a build and strikes.
func (s *site) cutOff(ctx context.Context, w way, share float64, count *tally) (log string, err error) {
	var buf bytes.Buffer
	cmd := s.command(ctx, w.external, "run", "--progress", "plain")
	cmd.Stdout, cmd.Stderr = &buf, &buf
	if err := cmd.Start(); err != nil {
		return "", err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the code says it all
		close(done)
	}()
	struck := time.Now()
	if w.strike != nil {
		select {
		case <-time.After(time.Duration(share * 1.3 * float64(s.usual[w.external]))):
		case <-done:
		}
		struck = time.Now()
		if err := w.strike(s, cmd); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return "", err
		}
	}
	select {
	case <-done:
	case <-time.After(w.limit):
		s.find(notFinished, "still running %s after the strike", w.limit)
		_ = cmd.Process.Kill() // it may have ended just now
		<-done
	}
	count.builds++
	count.longest = max(count.longest, time.Since(struck))
	if cmd.ProcessState.ExitCode() == 0 {
		count.finished++
	} else {
		count.failed++
	}
	return buf.String(), nil
}

// lookAfterCut looks at what the build left that was cut off.
func (s *site) lookAfterCut(ctx context.Context, w way) {
	steps := func() []string { return parts.Running("MARKER=" + s.marker) }
	if !parts.Within(10*time.Second, func() bool { return len(steps()) == 0 }) {
		s.find(processLeft, "%q", steps())
	}
	if len(s.own()) == 0 {
		s.findMounts()
	}
	files := s.files()
	if !w.killed && len(files) != 1 {
		s.find(mixedSet, "of the builds %v, right after a build that was not killed", files)
	}
	var tags []int
	if !s.spoiled {
		tags = s.tags(ctx)
	}
	for _, n := range tags {
		if n == s.build && !slices.Equal(files, []int{s.build}) {
			s.find(wrongTag, "the tags are of %v, and the files of %v", tags, files)
		}
	}
	if !w.killed {
		s.findFiles()
	}
}

// lookAfterRun looks at everything after a build that was let alone.
func (s *site) lookAfterRun(ctx context.Context, ended bool) {
	if files := s.files(); ended && !slices.Equal(files, []int{s.build}) {
		s.find(mixedSet, "of the builds %v after the next one", files)
	}
	if tags := s.tags(ctx); ended && !slices.Equal(tags, []int{s.build}) {
		s.find(wrongTag, "of the builds %v after the next one", tags)
	}
	s.findFiles()
}

// files are the numbers of the builds that the files come from. Each must be whole, and of this build or the last good one.
func (s *site) files() []int {
	texts := map[string]string{}
	for _, platform := range []string{"linux_amd64", "linux_arm64"} {
		for i := 1; i <= 6; i++ {
			path := filepath.Join("out", platform, strconv.Itoa(i))
			text, err := os.ReadFile(filepath.Join(s.dir, path))
			if err != nil {
				text = []byte(err.Error())
			}
			texts[path] = string(text)
		}
	}
	archive, err := os.ReadFile(filepath.Join(s.dir, "archive.tar"))
	n := 0
	for r := tar.NewReader(bytes.NewReader(archive)); err == nil; {
		var h *tar.Header
		if h, err = r.Next(); err == nil && h.Typeflag == tar.TypeReg {
			var text []byte
			text, err = io.ReadAll(r)
			texts["archive.tar/"+h.Name] = string(text)
			n++
		}
	}
	if err != io.EOF || n != 6 {
		texts["archive.tar"] = fmt.Sprintf("%d files: %v", n, err)
	}
	var out []int
	for path, text := range texts {
		switch text {
		case content(s.build):
			out = append(out, s.build)
		case content(s.good):
			out = append(out, s.good)
		default:
			s.find(brokenFile, "%s of %d bytes: %.100s", path, len(text), text)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// tags are the numbers of the builds that the tags come from. Both must name an image that is there for both platforms.
func (s *site) tags(ctx context.Context) []int {
	var out []int
	for _, tag := range []string{"a", "b"} {
		builds, err := s.tag(ctx, tag)
		if err == nil && len(builds) != 2 {
			err = fmt.Errorf("it has %d platforms", len(builds))
		}
		for _, n := range builds {
			if n != s.build && n != s.good {
				err = fmt.Errorf("it is of build %d", n)
			}
		}
		if err == nil && builds[0] != builds[1] {
			err = fmt.Errorf("its platforms are of the builds %v", builds)
		}
		if err != nil {
			s.find(wrongTag, "%s: %v", tag, err)
		}
		out = append(out, builds...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// renewRegistry empties the registry if it has spoiled its own content: it does not write its files at once, so if it is
// killed some of them may be empty, and it answers with code 500 then. What was pushed before has to be pushed again.
func (s *site) renewRegistry(ctx context.Context) (spoiled bool, err error) {
	for _, tag := range []string{"a", "b"} {
		_, err := s.tag(ctx, tag)
		var said *transport.Error
		if errors.As(err, &said) && said.StatusCode >= 500 {
			s.renewed++
			return true, s.registry.Renew(ctx)
		}
	}
	return false, nil
}

// tag reads every byte that a tag names, and returns the number of each platform's build.
func (s *site) tag(ctx context.Context, tag string) ([]int, error) {
	ref, err := name.ParseReference(s.registry.Address+"/kills:"+tag, name.Insecure)
	if err != nil {
		return nil, err
	}
	index, err := remote.Index(ref, remote.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err := validate.Index(index); err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var out []int
	for _, m := range manifest.Manifests {
		image, err := index.Image(m.Digest)
		if err != nil {
			return nil, err
		}
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(config.Config.Labels["build"])
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// listing names the files that are there, one a line: of the project, of temporary ones, and of xbuild's state except for
// its daemon's.
func (s *site) listing() string {
	var out []string
	for _, root := range []string{s.dir, s.temp, s.home, filepath.Join(s.state, "s")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(s.bed.Dir, path)
			if n := d.Name(); d.IsDir() && (strings.HasPrefix(n, "buildkit-") || n == "run") {
				return fs.SkipDir
			} else if !strings.HasPrefix(n, "daemon.log") && n != "reserve" && !isRecord(path) {
				out = append(out, rel)
			}
			return err
		})
		if err != nil {
			out = append(out, err.Error())
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// isRecord reports whether a file is the complete record of a run: each run leaves one.
func isRecord(path string) bool {
	if filepath.Base(filepath.Dir(path)) != "runs" || filepath.Ext(path) != ".json" {
		return false
	}
	var r struct {
		Version int
		Result  string
	}
	text, err := os.ReadFile(path)
	return err == nil && json.Unmarshal(text, &r) == nil && r.Version == 1 && r.Result != ""
}

// findFiles finds what is there that was not after the first builds.
func (s *site) findFiles() {
	now := s.listing()
	if now == s.names {
		return
	}
	before := strings.Split(s.names, "\n")
	var more []string
	for _, n := range strings.Split(now, "\n") {
		if !slices.Contains(before, n) {
			more = append(more, n)
		}
	}
	if len(more) > 0 {
		s.find(fileLeft, "%q", more)
	}
}

// findMounts finds mounts below the state folder, while no daemon runs.
func (s *site) findMounts() {
	own := func() []string {
		return slices.DeleteFunc(parts.Mounts(s.state), func(m string) bool { return m == s.state })
	}
	if !parts.Within(10*time.Second, func() bool { return len(own()) == 0 }) {
		s.find(mountLeft, "%q", own())
	}
}

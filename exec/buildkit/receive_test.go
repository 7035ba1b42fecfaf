package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
)

// breaking is a transfer of folders with a file each that breaks off when their names have come.
type breaking struct {
	grpc.ServerStream
	ctx     context.Context
	packets []*types.Packet
}

func (b *breaking) Context() context.Context              { return b.ctx }
func (b *breaking) SendMsg(any) error                     { return nil }
func (b *breaking) Send(*filesync.BytesMessage) error     { return nil }
func (b *breaking) Recv() (*filesync.BytesMessage, error) { return nil, errBroken }

var errBroken = errors.New("the connection broke")

func (b *breaking) RecvMsg(m any) error {
	if len(b.packets) == 0 {
		return errBroken
	}
	p := b.packets[0]
	b.packets = b.packets[1:]
	to := m.(*types.Packet)
	to.Type, to.Stat = p.Type, p.Stat
	return nil
}

// TestReceiveBroken: a transfer that breaks off is an error. Files were still opened meanwhile, which must not end the
// process.
func TestReceiveBroken(t *testing.T) {
	for range 300 {
		s := &breaking{ctx: t.Context()}
		add := func(path string, mode fs.FileMode, size int64) {
			s.packets = append(s.packets, &types.Packet{Type: types.PACKET_STAT, Stat: &types.Stat{Path: path, Mode: uint32(mode), Size: size}})
		}
		for i := range 20 {
			dir := fmt.Sprintf("d%02d", i)
			add(dir, fs.ModeDir|0o755, 0)
			add(dir+"/f", 0o644, 10)
		}
		dir := t.TempDir()
		if err := (receiver{dir: dir}).DiffCopy(s); err == nil {
			t.Fatal("a transfer that broke off was complete")
		}
		if _, err := os.Stat(dir); err != nil {
			t.Fatal(err)
		}
	}
}

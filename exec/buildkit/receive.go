package buildkit

import (
	"context"
	"fmt"
	"os"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
)

// receiver takes the files of local outputs into a folder. It is BuildKit's own target for that, except that a transfer
// which breaks off does not end the process: files that still come in find the folder closed, where BuildKit's wrapper of
// the folder would be gone.
type receiver struct {
	dir string
	// take may change what is known of a path before it is made, or refuse it. It may be called at the same time.
	take func(path string, st *fstypes.Stat) bool
	// trouble, if not nil, learns what fails on this side.
	trouble *localTrouble
}

// Register implements session.Attachable.
func (r receiver) Register(s *grpc.Server) { filesync.RegisterFileSendServer(s, r) }

// DiffCopy implements filesync.FileSendServer. The files belong to whoever runs xbuild.
func (r receiver) DiffCopy(stream filesync.FileSend_DiffCopyServer) error {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return fmt.Errorf("the folder that files are received in: %w", err)
	}
	defer root.Close()
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	// The stream ends with its context. Were it the context of the files too, they would be closed while they are written.
	err = fsutil.ReceiveRoot(context.WithoutCancel(stream.Context()), stream, fsutil.NewRoot(root), fsutil.ReceiveOpt{Merge: true, Filter: func(path string, st *fstypes.Stat) bool {
		st.Uid, st.Gid = uid, gid
		return r.take == nil || r.take(path, st)
	}})
	if r.trouble != nil {
		r.trouble.note(err)
	}
	return err
}

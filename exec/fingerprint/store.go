package fingerprint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/xbuild/xbuild/internal/atomicfile"
	"github.com/xbuild/xbuild/plan"
)

// format is that of the file; another one counts as no file.
const format = 1

// maxImages bounds how many base images are remembered.
const maxImages = 200

// maxPlans bounds how many plans are remembered.
const maxPlans = 8

// Memory is what is remembered of one project. It is not safe for concurrent use.
type Memory struct {
	file, state string
	data        data
	// begin is when the first directory was looked at, trees what was found.
	begin time.Time
	trees map[folder]tree
	// racy is [racy], and tick is [tick], but for tests.
	racy, tick time.Duration
}

// data is the content of the file.
type data struct {
	Format int
	// Nodes are those that answered at an endpoint, Images the base images with a digest in their reference.
	Nodes  map[string][]plan.NodeFact
	Images map[string]image
	// Records of builds, by target and platform.
	Records map[string]*record
	// Plans by what they were made from; Order has the last used ones last.
	Plans map[string][]*part
	Order []string
}

// image is a [plan.Image] with what its JSON form leaves out.
type image struct {
	Image        plan.Image
	Env, OnBuild []string
}

// record is a build that succeeded.
type record struct {
	Key     string
	Outputs []written
}

// fileOf is the file for a project; see [Open].
func fileOf(state, dir string, files []string) string {
	sum := sha256.Sum256([]byte(dir + "\x00" + strings.Join(files, "\x00")))
	return filepath.Join(state, "unchanged", hex.EncodeToString(sum[:12])+".json")
}

// Open reads the memory of the project whose build file lies in dir and has the given names. It is kept below the state directory,
// which is not part of a context that it lies in. A file that is missing, damaged or of another version is an empty memory.
func Open(state, dir string, files []string) *Memory {
	m := &Memory{file: fileOf(state, dir, files), state: state, racy: racy, tick: tick}
	m.data = m.load()
	return m
}

func (m *Memory) load() data {
	d := data{Format: format, Nodes: map[string][]plan.NodeFact{}, Images: map[string]image{}, Records: map[string]*record{}, Plans: map[string][]*part{}}
	text, err := os.ReadFile(m.file)
	if err != nil {
		return d
	}
	sum, body, ok := bytes.Cut(text, []byte("\n"))
	var got data
	if !ok || string(sum) != checksum(body) || json.Unmarshal(body, &got) != nil || got.Format != format ||
		got.Nodes == nil || got.Images == nil || got.Records == nil || got.Plans == nil {
		return d
	}
	return got
}

func checksum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// save writes the file in one step. Of two runs that save at the same time one is forgotten, which costs a run.
func (m *Memory) save() error {
	body, err := json.Marshal(m.data)
	if err != nil {
		return err
	}
	dir := filepath.Dir(m.file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return atomicfile.Write(m.file, []byte(checksum(body)+"\n"+string(body)), 0o600)
}

// forget drops the records of builds, on disk too, so that whatever happens next nothing of them is believed.
func (m *Memory) forget(uses []plan.Use) error {
	changed := false
	for _, u := range uses {
		if m.data.Records[recordName(u)] != nil {
			delete(m.data.Records, recordName(u))
			changed = true
		}
	}
	if !changed {
		return nil
	}
	if err := m.save(); err != nil {
		if rerr := os.Remove(m.file); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func recordName(u plan.Use) string { return u.Target + " " + u.Platform }

// Nodes returns the nodes that answered at an endpoint when it was last used; nil if it never was.
func (m *Memory) Nodes(endpoint string) []plan.NodeFact { return m.data.Nodes[endpoint] }

// Image returns what was known of an image whose reference holds a digest: it cannot have changed.
func (m *Memory) Image(ref string) (plan.Image, bool) {
	i, ok := m.data.Images[ref]
	if !ok || !pinned(ref) {
		return plan.Image{}, false
	}
	i.Image.Env, i.Image.OnBuild = i.Env, i.OnBuild
	return i.Image, true
}

// keep remembers the parts of a plan.
func (m *Memory) keep(id string, parts []*part) {
	if id == "" || slices.ContainsFunc(parts, func(p *part) bool { return p.never != "" }) {
		return
	}
	m.data.Order = append(slices.DeleteFunc(m.data.Order, func(x string) bool { return x == id }), id)
	m.data.Plans[id] = parts
	for len(m.data.Order) > maxPlans {
		delete(m.data.Plans, m.data.Order[0])
		m.data.Order = m.data.Order[1:]
	}
}

// Learn keeps the facts that a plan was made from for the next run. [Decision.Remember] writes them to the file.
func (m *Memory) Learn(endpoint string, facts plan.Facts) {
	if len(facts.Nodes) > 0 {
		m.data.Nodes = map[string][]plan.NodeFact{endpoint: facts.Nodes} // one is enough: who changes it pays a run
	}
	for ref, i := range facts.Images {
		if pinned(ref) && i.Err == "" && i.Digest != "" {
			m.data.Images[ref] = image{i, i.Env, i.OnBuild}
		}
	}
	if len(m.data.Images) <= maxImages {
		return
	}
	var refs []string
	for ref := range m.data.Images {
		refs = append(refs, ref)
	}
	sort.Strings(refs)
	for _, ref := range refs {
		if _, used := facts.Images[ref]; !used && len(m.data.Images) > maxImages {
			delete(m.data.Images, ref)
		}
	}
}

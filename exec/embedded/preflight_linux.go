package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// machine is what a pre-flight looks at: whose daemon it would be, and what is installed and allowed here.
type machine struct {
	// root is "/" except in tests.
	root string
	uid  int
	// name is the user's; without one in the user database it is the number.
	name string
	// look finds a program; see [lookProgram].
	look func(string) (string, error)
}

func thisMachine() machine {
	m := machine{root: "/", uid: os.Geteuid(), look: lookProgram}
	m.name = strconv.Itoa(m.uid)
	if u, err := user.LookupId(m.name); err == nil {
		m.name = u.Username
	}
	return m
}

// systemFolders hold programs of the system that the PATH of an ordinary user does not name on Debian, runc among them.
var systemFolders = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

func lookProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range systemFolders {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	return path, err
}

// runtimeNames are the OCI runtimes that run the steps. Others than runc are not looked for: crun before 1.9 does not
// know an option that BuildKit uses.
var runtimeNames = []string{"buildkit-runc", "runc"}

func (m machine) runtime() (path string, ok bool) {
	for _, name := range runtimeNames {
		if path, err := m.look(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// Check returns what this machine lacks for the built-in BuildKit, the most basic first; each problem is one sentence
// that ends with what to do. Nothing means that it can be expected to start. Check starts and changes nothing.
func Check(cfg Config) []error {
	cfg, err := cfg.complete()
	if err != nil {
		return []error{err}
	}
	var problems []error
	if _, err := readSettings(cfg, os.Environ()); err != nil {
		problems = append(problems, err)
	}
	return append(problems, thisMachine().problems()...)
}

func (m machine) problems() []error {
	var out []error
	if err := m.packages(); err != nil {
		out = append(out, err)
	}
	if m.uid == 0 {
		return out
	}
	if _, _, err := m.subordinates(); err != nil {
		out = append(out, err)
	}
	return append(out, m.switches()...)
}

// packages says which packages are to be installed.
func (m machine) packages() error {
	var what, names []string
	if _, ok := m.runtime(); !ok {
		what, names = append(what, "runc to run build steps"), append(names, "runc")
	}
	if m.uid != 0 {
		_, err1 := m.look("newuidmap")
		_, err2 := m.look("newgidmap")
		if err1 != nil || err2 != nil {
			what, names = append(what, "newuidmap and newgidmap to work without root"), append(names, "uidmap")
		}
	}
	if len(what) == 0 {
		return nil
	}
	return fmt.Errorf("the built-in BuildKit needs %s, not found on PATH; install with: apt-get install -y %s",
		strings.Join(what, ", and "), strings.Join(names, " "))
}

// switches reads the kernel's switches against user namespaces.
func (m machine) switches() []error {
	var out []error
	deny := func(name, value, set string) {
		if m.sysctl(name) == value {
			out = append(out, fmt.Errorf("the kernel denies user namespaces to ordinary users (%s is %s), so the built-in BuildKit cannot work without root; allow them with: sudo sysctl -w %s=%s",
				name, value, name, set))
		}
	}
	deny("kernel.unprivileged_userns_clone", "0", "1")
	deny("user.max_user_namespaces", "0", "15000")
	// AppArmor lets in whom a profile of its own lets in.
	if text, _ := os.ReadFile(filepath.Join(m.root, "proc/self/attr/current")); strings.TrimRight(string(text), "\x00\n") == "unconfined" {
		deny("kernel.apparmor_restrict_unprivileged_userns", "1", "0")
	}
	return out
}

// sysctl is empty if this kernel does not have the switch.
func (m machine) sysctl(name string) string {
	text, _ := os.ReadFile(filepath.Join(m.root, "proc/sys", strings.ReplaceAll(name, ".", "/")))
	return strings.TrimSpace(string(text))
}

// idRange is a range of user or group ids of the machine.
type idRange struct{ first, count int }

// subordinates returns the ids that the user may give to others than itself, in its own namespace.
func (m machine) subordinates() (uids, gids []idRange, err error) {
	uids, ufree, uerr := m.ranges("etc/subuid")
	gids, gfree, gerr := m.ranges("etc/subgid")
	if err := errors.Join(uerr, gerr); err != nil {
		return nil, nil, err
	}
	var lacking []string
	if len(uids) == 0 {
		lacking = append(lacking, "/etc/subuid")
	}
	if len(gids) == 0 {
		lacking = append(lacking, "/etc/subgid")
	}
	if len(lacking) > 0 {
		return nil, nil, fmt.Errorf("user %s has no subordinate ids, which the built-in BuildKit needs for the owners of files in images; as root, add this line to %s: %s:%d:%d",
			m.name, strings.Join(lacking, " and to "), m.name, max(ufree, gfree), usualCount)
	}
	return uids, gids, nil
}

const (
	firstSubordinate = 100000 // where useradd begins
	usualCount       = 65536  // what useradd gives to each user
)

// ranges reads a file with lines of the form USER:FIRST:COUNT, and where the ids begin that it gives to nobody.
func (m machine) ranges(name string) (own []idRange, free int, err error) {
	free = firstSubordinate
	f, err := os.Open(filepath.Join(m.root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, free, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("the subordinate ids of user %s cannot be read: %w", m.name, err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(fields) != 3 {
			continue
		}
		first, err1 := strconv.Atoi(fields[1])
		count, err2 := strconv.Atoi(fields[2])
		if err1 != nil || err2 != nil || count <= 0 {
			continue
		}
		free = max(free, first+count)
		if fields[0] == m.name || fields[0] == strconv.Itoa(m.uid) {
			own = append(own, idRange{first, count})
		}
	}
	return own, free, lines.Err()
}

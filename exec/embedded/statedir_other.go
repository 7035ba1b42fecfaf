//go:build !unix

package embedded

// privateDir leaves it to the system who can enter the directory.
func privateDir(dir string, _ int) (string, error) { return dir, nil }

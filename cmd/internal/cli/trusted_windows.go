package cli

import "os"

// trusted accepts every build file: who owns one says little here.
func (a *app) trusted(string) error { return nil }

// homes are the home directories of this user.
func (a *app) homes() []string {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	return []string{home}
}

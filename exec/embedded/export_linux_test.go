package embedded

import "regexp"

var versionName = regexp.MustCompile(`^xbuild-of-protocol-(\w+)-format-([\w-]+)$`)

// BecomeVersion makes this process one of the version that the name of its program says.
func BecomeVersion(program string) {
	if m := versionName.FindStringSubmatch(program); m != nil {
		protocol, storeFormat = m[1], m[2]
	}
}

// DrainLimit is how long a daemon waits for builds that are running.
const DrainLimit = drainLimit

package schema

import "github.com/agext/levenshtein"

// Suggest returns the candidate that the user most likely meant by name, or "" if none is near. It is for names that
// were not found; ties go to the first candidate.
func Suggest(name string, candidates []string) string {
	best, at := 3, ""
	for _, c := range candidates {
		if d := levenshtein.Distance(name, c, nil); d < best && d < len(name) {
			best, at = d, c
		}
	}
	return at
}

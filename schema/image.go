package schema

import "github.com/distribution/reference"

// FullName is the name of an image with its registry and tag, by which two spellings of one name are equal. What is no valid
// name is returned as it is.
func FullName(name string) string {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.TagNameOnly(ref).String()
}

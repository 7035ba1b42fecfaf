package schema

import (
	"slices"
	"strings"
)

// entryKeys are the keys that the elements of lists can have, by the type of the list and that of the element; "" holds for elements
// of every type. A key that ends in * stands for all that begin so. What an element says under other keys is passed to BuildKit as
// it is.
var entryKeys = map[ValueType]map[string][]string{
	TypeOutputList: {
		"":                      {"type", "dest"},
		string(OutputLocal):     {"platform-split", "attestation-prefix", "mode", "src", "special", "source-date-epoch"},
		string(OutputTar):       {"platform-split", "attestation-prefix", "src", "source-date-epoch"},
		string(OutputImage):     slices.Concat(imageKeys, registryKeys),
		"registry":              slices.Concat(imageKeys, registryKeys),
		string(OutputOCI):       slices.Concat(imageKeys, []string{"tar", "push"}),
		string(OutputDocker):    slices.Concat(imageKeys, []string{"tar", "push", "context"}),
		string(OutputCacheOnly): {},
	},
	TypeCacheList: {
		"":         {"type", "mode", "ignore-error", "required", "compression", "compression-level", "force-compression"},
		"registry": {"ref", "image-manifest", "oci-mediatypes", "registry.insecure"},
		"local":    {"src", "dest", "digest", "tag", "image-manifest", "oci-mediatypes"},
		"inline":   {},
		"gha":      {"scope", "timeout", "token", "url", "url_v2", "repository", "ghtoken", "version"},
		"s3": {"bucket", "region", "prefix", "manifests_prefix", "blobs_prefix", "name", "touch_refresh", "endpoint_url", "access_key_id",
			"secret_access_key", "session_token", "use_path_style", "upload_parallelism", "disable_accept_encoding", "retry_mode", "retry_max_attempts"},
		"azblob": {"secret_access_key", "account_name", "account_url", "prefix", "manifests_prefix", "blobs_prefix", "name", "container"},
	},
	TypeAttestList: {
		"":           {"type", "disabled"},
		"provenance": {"mode", "reproducible", "builder-id", "filename", "inline-only", "version", "capture-usage", "complete-materials"},
		"sbom":       {"generator", "BUILDKIT_SCAN_*"},
	},
	TypeSecretList: {"": {"type", "id", "src", "source", "env"}},
	TypeSSHList:    {"": {"id", "paths"}},
}

// imageKeys are the options of an image wherever it goes, registryKeys those of one that goes to a registry or an image store.
var (
	imageKeys = []string{"name", "compression", "compression-level", "force-compression", "oci-mediatypes", "oci-artifact", "attestation-inline",
		"prefer-nondist-layers", "rewrite-timestamp", "source-date-epoch", "dangling-name-prefix", "danging-name-empty-only", "annotation.*",
		"annotation-index.*", "annotation-index-descriptor.*", "annotation-manifest.*", "annotation-manifest[*", "annotation-manifest-descriptor.*",
		"annotation-manifest-descriptor[*", "annotation[*"}
	registryKeys = []string{"push", "push-by-digest", "registry.insecure", "unpack", "name-canonical", "store"}
)

// CacheTypes lists the types of caches that BuildKit has.
var CacheTypes = []string{"registry", "local", "inline", "gha", "s3", "azblob"}

// KeyVerdict is what is known of a key of an element.
type KeyVerdict int

// The verdicts.
const (
	KeyKnown    KeyVerdict = iota // or nothing is known of elements of this type
	KeyMistyped                   // the suggestion is what was most likely meant
	KeyUnknown                    // it may be new in BuildKit
)

// CheckKey looks a key of an element of a list up: of a list of type list, in an element of type typ. suggestion is the key that was
// most likely meant.
func CheckKey(list ValueType, typ, key string) (v KeyVerdict, suggestion string) {
	types := entryKeys[list]
	own, ok := types[typ]
	if !ok || typ == "" && len(types) > 1 { // what is wrong with the type is said elsewhere
		return KeyKnown, ""
	}
	known := slices.Concat(types[""], own)
	if slices.ContainsFunc(known, func(k string) bool { return matchesKey(k, key) }) {
		return KeyKnown, ""
	}
	for _, others := range types { // right in another element: no slip of the finger
		if slices.ContainsFunc(others, func(k string) bool { return matchesKey(k, key) }) {
			return KeyUnknown, ""
		}
	}
	if s := Suggest(key, slices.DeleteFunc(slices.Clone(known), func(k string) bool { return strings.HasSuffix(k, "*") })); s != "" {
		return KeyMistyped, s
	}
	return KeyUnknown, ""
}

func matchesKey(pattern, key string) bool {
	if head, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(key, head)
	}
	return pattern == key
}

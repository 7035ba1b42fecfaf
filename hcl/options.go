package hcl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tonistiigi/go-csvvalue"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// checkKeys reports the keys of one element of a list that are written twice or that no element of its type has, and the type of a
// cache if there is none of that name. It reports whether the element can be read.
func (b *builder) checkKeys(spec *schema.Attribute, it item) bool {
	keys, typ := keysOf(spec.Type, it)
	if spec.Type == schema.TypeCacheList && typ != "" && !slices.Contains(schema.CacheTypes, typ) {
		b.errorf(codeBadEntry, it.at, "Bad element of "+spec.Name, didYouMean(typ, schema.CacheTypes), "There is no cache of type %q; there is: %s.",
			typ, strings.Join(schema.CacheTypes, ", "))
		return false
	}
	ok := true
	for i, k := range keys {
		if slices.Contains(keys[:i], k) {
			b.errorf(codeBadEntry, it.at, "Key written twice", "Keep one of them.", "The element of %s says %q twice.", spec.Name, k)
			return false
		}
		v, meant := schema.CheckKey(spec.Type, typ, k)
		if v != schema.KeyKnown {
			ok = b.unknownKey(spec, it, typ, k, meant) && ok
		}
	}
	return ok
}

// unknownKey reports a key; meant is what it resembles, or empty. It reports whether the key is passed to BuildKit.
func (b *builder) unknownKey(spec *schema.Attribute, it item, typ, key, meant string) bool {
	advice := ""
	if meant != "" {
		advice = fmt.Sprintf("Did you mean %q?", meant)
	}
	element := elementName(spec.Type, typ)
	switch {
	case spec.Type == schema.TypeSecretList:
		b.errorf(codeBadEntry, it.at, "Bad element of secret", advice, "A secret has no field %q; it has id, src, env and type.", key)
	case meant != "":
		b.errorf(codeUnknownKey, it.at, "Unknown key", advice, "%s has no key %q.", element, key)
	default:
		b.add(diag.Diagnostic{Severity: diag.Warning, Code: codeUnknownKey, Subject: &it.at, Summary: "Unknown key",
			Detail: fmt.Sprintf("%s has no key %q that xbuild knows; BuildKit is given it as it is.", element, key)})
		return true
	}
	return false
}

// elementName begins a sentence about an element of a list.
func elementName(list schema.ValueType, typ string) string {
	switch list {
	case schema.TypeOutputList:
		return fmt.Sprintf("An output of type %q", typ)
	case schema.TypeCacheList:
		return fmt.Sprintf("A cache of type %q", typ)
	}
	return fmt.Sprintf("An attestation of type %q", typ)
}

// keysOf are the keys of an element as they are written, in order, and its type. A short form has none.
func keysOf(list schema.ValueType, it item) (keys []string, typ string) {
	if it.object != nil {
		if list == schema.TypeSecretList {
			return sortedKeys(it.object), ""
		}
		return sortedKeys(it.object), it.object["type"]
	}
	fields, err := csvvalue.Fields(it.text, nil)
	switch {
	case err != nil, list == schema.TypeSSHList:
		return nil, ""
	case list == schema.TypeOutputList && len(fields) == 1 && fields[0] == it.text && !strings.HasPrefix(it.text, "type="):
		return nil, ""
	}
	for _, f := range fields {
		k, v, ok := strings.Cut(f, "=")
		if !ok {
			return nil, "" // what is wrong with it is said elsewhere
		}
		if list != schema.TypeAttestList || !strings.HasPrefix(k, "BUILDKIT_") {
			k = strings.ToLower(strings.TrimSpace(k))
		}
		if keys = append(keys, k); k == "type" && list != schema.TypeSecretList {
			typ = v
		}
	}
	return keys, typ
}

package fingerprint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"reflect"
	"sort"
)

// Hash identifies values by all that they hold: structs with every field, what pointers point to, maps in any order. It is an
// error if something is in them that cannot be told, such as a function.
func Hash(values ...any) (string, error) {
	h := hasher{buf: make([]byte, 0, 64<<10)}
	for _, v := range values {
		if err := h.value(reflect.ValueOf(v)); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256(h.buf)
	return hex.EncodeToString(sum[:]), nil
}

type hasher struct{ buf []byte }

func (h *hasher) number(n uint64) { h.buf = binary.LittleEndian.AppendUint64(h.buf, n) }
func (h *hasher) short(b byte)    { h.buf = append(h.buf, b) }
func (h *hasher) text(s string)   { h.number(uint64(len(s))); h.buf = append(h.buf, s...) }

func (h *hasher) flag(b bool) {
	if b {
		h.short(1)
	} else {
		h.short(0)
	}
}

func (h *hasher) value(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		h.flag(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		h.number(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		h.number(v.Uint())
	case reflect.String:
		h.text(v.String())
	case reflect.Pointer:
		if h.flag(v.IsNil()); !v.IsNil() {
			return h.value(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if err := h.value(v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		return h.list(v)
	case reflect.Map:
		return h.mapping(v)
	default:
		return fmt.Errorf("a %s cannot be told from another", v.Type())
	}
	return nil
}

func (h *hasher) list(v reflect.Value) error {
	if v.Kind() == reflect.Slice {
		h.flag(v.IsNil())
		if v.Type().Elem().Kind() == reflect.Uint8 {
			h.text(string(v.Bytes()))
			return nil
		}
	}
	h.number(uint64(v.Len()))
	for i := range v.Len() {
		if err := h.value(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// mapping hashes the entries in the order of what their keys hold.
func (h *hasher) mapping(v reflect.Value) error {
	h.flag(v.IsNil())
	h.number(uint64(v.Len()))
	entries := make([]string, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		var e hasher
		if err := e.value(it.Key()); err != nil {
			return err
		}
		if err := e.value(it.Value()); err != nil {
			return err
		}
		entries = append(entries, string(e.buf))
	}
	sort.Strings(entries)
	for _, e := range entries {
		h.text(e)
	}
	return nil
}

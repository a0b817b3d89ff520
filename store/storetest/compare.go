package storetest

import (
	"fmt"
	"reflect"
)

// difference says where two values differ, or "". Nil and empty slices and maps
// are equal: stores need not tell them apart unless package store says so.
func difference(got, want any) string {
	return differ("", reflect.ValueOf(got), reflect.ValueOf(want))
}

func differ(path string, a, b reflect.Value) string {
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return fmt.Sprintf("%s: types differ", path)
	}
	if !a.IsValid() {
		return ""
	}
	switch a.Kind() {
	case reflect.Slice:
		if a.Len() != b.Len() {
			return fmt.Sprintf("%s: %d elements, want %d", path, a.Len(), b.Len())
		}
		fallthrough
	case reflect.Array:
		for i := range a.Len() {
			if d := differ(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i)); d != "" {
				return d
			}
		}
	case reflect.Map:
		if a.Len() != b.Len() {
			return fmt.Sprintf("%s: %d entries, want %d", path, a.Len(), b.Len())
		}
		for _, k := range b.MapKeys() {
			v := a.MapIndex(k)
			if !v.IsValid() {
				return fmt.Sprintf("%s[%q]: missing", path, fmt.Sprint(k))
			}
			if d := differ(fmt.Sprintf("%s[%q]", path, fmt.Sprint(k)), v, b.MapIndex(k)); d != "" {
				return d
			}
		}
	case reflect.Struct:
		for i := range a.NumField() {
			if d := differ(path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i)); d != "" {
				return d
			}
		}
	case reflect.Pointer:
		if a.IsNil() != b.IsNil() {
			return path + ": one is nil"
		}
		return differ(path, a.Elem(), b.Elem())
	case reflect.Func:
		if !a.IsNil() || !b.IsNil() {
			return path + ": functions can't be compared"
		}
	default:
		if !a.Equal(b) {
			return fmt.Sprintf("%s: %v, want %v", path, a, b)
		}
	}
	return ""
}

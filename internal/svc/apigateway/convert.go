package apigateway

import (
	"reflect"
	"time"
)

// show makes a value of the wire from one of core/restapi, or the other way: members
// are copied by their names, and those that only one side has are left out. A text
// that is empty and a time that is zero are absent on the wire; a boolean and a
// number are there.
func show[Out any](from any) *Out {
	out := new(Out)
	copyStruct(reflect.ValueOf(out).Elem(), reflect.Indirect(reflect.ValueOf(from)))
	return out
}

// showAll is show of a list.
func showAll[Out, In any](from []In) []Out {
	out := make([]Out, len(from))
	for i := range from {
		out[i] = *show[Out](from[i])
	}
	return out
}

func copyStruct(to, from reflect.Value) {
	if from.Kind() != reflect.Struct {
		return
	}
	for i := range to.NumField() {
		if to.Type().Field(i).Anonymous {
			copyStruct(to.Field(i), from)
			continue
		}
		if source := from.FieldByName(to.Type().Field(i).Name); source.IsValid() {
			copyValue(to.Field(i), source)
		}
	}
}

var timeType = reflect.TypeFor[time.Time]()

// copyValue copies what has the same meaning on both sides.
func copyValue(to, from reflect.Value) {
	if from.Kind() == reflect.Pointer {
		if from.IsNil() {
			return
		}
		if to.Kind() != reflect.Pointer {
			copyValue(to, from.Elem())
			return
		}
		from = from.Elem()
	}
	switch {
	case to.Kind() == reflect.Pointer:
		if from.Kind() == reflect.String && from.Len() == 0 || from.Type() == timeType && from.IsZero() {
			return
		}
		made := reflect.New(to.Type().Elem())
		copyValue(made.Elem(), from)
		to.Set(made)
	case from.Type() == to.Type():
		to.Set(from)
	case from.Kind() != to.Kind():
	case to.Kind() == reflect.Struct:
		copyStruct(to, from)
	case from.CanConvert(to.Type()) && to.Kind() != reflect.Slice:
		to.Set(from.Convert(to.Type()))
	default:
		copyElements(to, from)
	}
}

// copyElements copies a map or a list.
func copyElements(to, from reflect.Value) {
	switch {
	case to.Kind() == reflect.Map && !from.IsNil():
		to.Set(reflect.MakeMapWithSize(to.Type(), from.Len()))
		for entries := from.MapRange(); entries.Next(); {
			value := reflect.New(to.Type().Elem()).Elem()
			copyValue(value, entries.Value())
			to.SetMapIndex(entries.Key(), value)
		}
	case to.Kind() == reflect.Slice && !from.IsNil():
		to.Set(reflect.MakeSlice(to.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			copyValue(to.Index(i), from.Index(i))
		}
	}
}

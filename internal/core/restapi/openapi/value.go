package openapi

import (
	"encoding/json"
	"errors"
	"hash/fnv"
	"strconv"

	"github.com/lambkin-dev/lambkin/internal/core/restapi"
)

// What is of another type than it should be counts as absent.

func object(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

func list(value any) []any {
	l, _ := value.([]any)
	return l
}

// scalarText is a text, or a number or boolean as it is written.
func scalarText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func texts(value any) []string {
	var out []string
	for _, item := range list(value) {
		out = append(out, scalarText(item))
	}
	return out
}

func textMap(value any) map[string]string {
	m := object(value)
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for key, item := range m {
		switch item.(type) {
		case map[string]any, []any: // a template that is written as JSON
			encoded, err := json.Marshal(item)
			if err == nil {
				out[key] = string(encoded)
			}
		default:
			out[key] = scalarText(item)
		}
	}
	return out
}

func integer(value any) (int32, bool) {
	n, err := strconv.ParseInt(scalarText(value), 10, 32)
	return int32(n), err == nil
}

func checksum(text []byte) uint32 {
	h := fnv.New32a()
	h.Write(text)
	return h.Sum32()
}

func asError(err error, refusal **restapi.Error) bool { return errors.As(err, refusal) }

package cbor

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// Bounds of a decoded document.
const (
	MaxDepth    = 100
	MaxElements = 500_000
)

var (
	errShort = errors.New("the CBOR body ends in the middle of a value")
	errDeep  = errors.New("the CBOR body is nested too deeply or has too many elements")
)

// decoder reads one document. depth and elements count against the bounds.
type decoder struct {
	model    *shape.Service
	data     []byte
	pos      int
	depth    int
	elements int
}

// document reads the only value of the body, a map, into the struct v.
func (d *decoder) document(s shape.Index, v reflect.Value) error {
	if err := d.structure(&d.model.Shapes[s], v); err != nil {
		return err
	}
	if d.pos != len(d.data) {
		return errors.New("the CBOR body has text after the document")
	}
	return nil
}

// head reads a major type and its argument; info tells how it was written.
func (d *decoder) head() (major, info byte, n uint64, err error) {
	if d.pos >= len(d.data) {
		return 0, 0, 0, errShort
	}
	major, info = d.data[d.pos]>>5, d.data[d.pos]&31
	d.pos++
	if info < 24 {
		return major, info, uint64(info), nil
	}
	if info == indefinite {
		return major, info, 0, nil
	}
	if info > 27 {
		return 0, 0, 0, errors.New("the CBOR body is malformed")
	}
	size := 1 << (info - 24)
	if len(d.data)-d.pos < size {
		return 0, 0, 0, errShort
	}
	for _, b := range d.data[d.pos : d.pos+size] {
		n = n<<8 | uint64(b)
	}
	d.pos += size
	return major, info, n, nil
}

// atBreak consumes the end mark of an indefinite collection, if it is next.
func (d *decoder) atBreak() bool {
	if d.pos < len(d.data) && d.data[d.pos] == majorSimple<<5|indefinite {
		d.pos++
		return true
	}
	return false
}

// null consumes a null or undefined, if it is next.
func (d *decoder) null() bool {
	if d.pos < len(d.data) && (d.data[d.pos] == majorSimple<<5|simpleNull || d.data[d.pos] == majorSimple<<5|simpleUndefined) {
		d.pos++
		return true
	}
	return false
}

// each runs read once for each element of the collection of that major type.
func (d *decoder) each(want byte, read func() error) error {
	major, info, n, err := d.head()
	if err != nil {
		return err
	}
	if major != want {
		return fmt.Errorf("unexpected CBOR type %d where %d belongs", major, want)
	}
	if d.depth++; d.depth > MaxDepth {
		return errDeep
	}
	defer func() { d.depth-- }()
	for i := uint64(0); info == indefinite || i < n; i++ {
		if info == indefinite && d.atBreak() {
			return nil
		}
		if d.elements++; d.elements > MaxElements {
			return errDeep
		}
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) structure(sh *shape.Shape, v reflect.Value) error {
	return d.each(majorMap, func() error {
		name, err := d.bytes(majorText)
		if err != nil {
			return err
		}
		for i := range sh.Members {
			if sh.Members[i].Name == string(name) {
				if err := d.value(&sh.Members[i], v.Field(i)); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				return nil
			}
		}
		return d.skip()
	})
}

func (d *decoder) value(m *shape.Member, v reflect.Value) error {
	if d.null() {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	sh := &d.model.Shapes[m.Shape]
	switch sh.Kind {
	case shape.Structure:
		return d.structure(sh, v)
	case shape.List:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		return d.each(majorArray, func() error {
			if !sh.Sparse && d.null() {
				return nil
			}
			element := reflect.New(v.Type().Elem()).Elem()
			err := d.value(sh.Elem, element)
			v.Set(reflect.Append(v, element))
			return err
		})
	case shape.Map:
		v.Set(reflect.MakeMap(v.Type()))
		return d.each(majorMap, func() error {
			key, err := d.bytes(majorText)
			if err != nil || !sh.Sparse && d.null() {
				return err
			}
			element := reflect.New(v.Type().Elem()).Elem()
			err = d.value(sh.Elem, element)
			v.SetMapIndex(reflect.ValueOf(string(key)), element)
			return err
		})
	}
	return d.scalar(v)
}

func (d *decoder) scalar(v reflect.Value) (err error) {
	switch p := v.Addr().Interface().(type) {
	case *string:
		var b []byte
		b, err = d.bytes(majorText)
		*p = string(b)
	case *[]byte:
		*p, err = d.bytes(majorBytes)
	case *json.RawMessage:
		var b []byte
		b, err = d.bytes(majorText)
		*p = b
	case *bool:
		*p, err = d.boolean()
	case *int32:
		var n int64
		if n, err = d.integer(); err == nil && int64(int32(n)) != n {
			err = fmt.Errorf("%d is out of the range of an integer", n)
		}
		*p = int32(n)
	case *int64:
		*p, err = d.integer()
	case *float32:
		var f float64
		f, err = d.number()
		*p = float32(f)
	case *float64:
		*p, err = d.number()
	case *time.Time:
		*p, err = d.time()
	default:
		panic("cbor: no codec for Go type " + v.Type().String())
	}
	return err
}

// bytes reads a text or byte string, also one written in pieces. The result is a copy.
func (d *decoder) bytes(want byte) ([]byte, error) {
	major, info, n, err := d.head()
	if err != nil {
		return nil, err
	}
	if major != want {
		return nil, fmt.Errorf("unexpected CBOR type %d where %d belongs", major, want)
	}
	if info != indefinite {
		if uint64(len(d.data)-d.pos) < n {
			return nil, errShort
		}
		piece := append([]byte{}, d.data[d.pos:d.pos+int(n)]...)
		d.pos += int(n)
		return piece, nil
	}
	all := []byte{}
	for !d.atBreak() {
		if d.pos < len(d.data) && d.data[d.pos]&31 == indefinite {
			return nil, errors.New("the CBOR body is malformed")
		}
		piece, err := d.bytes(want)
		if err != nil {
			return nil, err
		}
		all = append(all, piece...)
	}
	return all, nil
}

func (d *decoder) boolean() (bool, error) {
	major, _, n, err := d.head()
	if err == nil && (major != majorSimple || n != simpleTrue && n != simpleFalse) {
		err = errors.New("a boolean belongs here")
	}
	return n == simpleTrue, err
}

func (d *decoder) integer() (int64, error) {
	f, n, whole, err := d.numeric()
	if err == nil && !whole {
		if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return 0, errors.New("an integer belongs here")
		}
		n = int64(f)
	}
	return n, err
}

func (d *decoder) number() (float64, error) {
	f, n, whole, err := d.numeric()
	if whole {
		f = float64(n)
	}
	return f, err
}

// numeric reads an integer (whole) or a float of any size.
func (d *decoder) numeric() (f float64, n int64, whole bool, err error) {
	major, info, bits, err := d.head()
	switch {
	case err != nil:
		return 0, 0, false, err
	case (major == majorUint || major == majorNegative) && info != indefinite:
		if bits > math.MaxInt64 {
			return 0, 0, false, errors.New("the integer is out of range")
		}
		if n = int64(bits); major == majorNegative {
			n = -1 - n
		}
		return 0, n, true, nil
	case major == majorSimple && info == simpleHalf:
		return half(uint16(bits)), 0, false, nil
	case major == majorSimple && info == simpleFloat:
		return float64(math.Float32frombits(uint32(bits))), 0, false, nil
	case major == majorSimple && info == simpleDouble:
		return math.Float64frombits(bits), 0, false, nil
	}
	return 0, 0, false, errors.New("a number belongs here")
}

// half widens a half-precision float.
func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	value := 0.0
	switch exponent {
	case 0:
		value = math.Ldexp(fraction, -24)
	case 31:
		if value = math.Inf(1); fraction != 0 {
			value = math.NaN()
		}
	default:
		value = math.Ldexp(fraction+1024, exponent-25)
	}
	if bits>>15 == 1 {
		return -value
	}
	return value
}

func (d *decoder) time() (time.Time, error) {
	major, _, n, err := d.head()
	if err != nil {
		return time.Time{}, err
	}
	if major != majorTag || n != tagEpoch {
		return time.Time{}, errors.New("a timestamp belongs here")
	}
	seconds, err := d.number()
	if err != nil {
		return time.Time{}, err
	}
	return shape.UnixTime(seconds)
}

// skip reads over one value of any type.
func (d *decoder) skip() error {
	if d.pos >= len(d.data) {
		return errShort
	}
	switch major := d.data[d.pos] >> 5; major {
	case majorBytes, majorText:
		_, err := d.bytes(major)
		return err
	case majorArray:
		return d.each(majorArray, d.skip)
	case majorMap:
		return d.each(majorMap, func() error {
			if err := d.skip(); err != nil {
				return err
			}
			return d.skip()
		})
	case majorTag:
		if _, _, _, err := d.head(); err != nil {
			return err
		}
		if d.depth++; d.depth > MaxDepth {
			return errDeep
		}
		defer func() { d.depth-- }()
		return d.skip()
	}
	_, info, _, err := d.head()
	if err == nil && info == indefinite {
		err = errors.New("the CBOR body is malformed")
	}
	return err
}

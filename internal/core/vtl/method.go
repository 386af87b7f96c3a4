package vtl

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// property is what $of.name is: an element of a map, else what a method without
// arguments gives.
func property(r *run, of any, name string) (any, error) {
	switch o := of.(type) {
	case *Map:
		value, _ := o.Get(name)
		return value, nil
	case *Input:
		if name == "body" {
			return o.body(), nil
		}
		return nil, nil
	case *entry:
		switch name {
		case "key":
			return o.key, nil
		case "value":
			return o.value, nil
		}
	}
	if name == "empty" {
		return method(r, of, "isEmpty", nil)
	}
	return nil, nil
}

// method calls $of.name(args). Without such a method there is no value.
func method(r *run, of any, name string, args []any) (any, error) {
	switch {
	case name == "toString" && len(args) == 0:
		return r.print(of)
	case name == "equals" && len(args) == 1:
		return r.equal(of, args[0], 0)
	}
	switch o := of.(type) {
	case string:
		return stringMethod(r, o, name, args)
	case *List:
		return o.method(r, name, args)
	case *Map:
		return o.method(r, name, args)
	case *Input:
		return o.method(r, name, args)
	case Util:
		return o.method(r, name, args)
	case *entry:
		switch name {
		case "getKey":
			return o.key, nil
		case "getValue":
			return o.value, nil
		}
	case int64, float64, json.Number:
		return numberMethod(o, name, args), nil
	case bool:
		return booleanMethod(o, name, args), nil
	}
	return nil, nil
}

// numberMethod also has the functions of Java's Integer and Double, which
// templates call by any number that they have.
func numberMethod(of any, name string, args []any) any {
	switch len(args) {
	case 0:
		return convert(of, name)
	case 1:
		return numberFunction(of, name, args[0])
	case 2:
		radix, is := args[1].(int64)
		if !is || radix < 2 || radix > 36 {
			return nil
		}
		n, isNumber := args[0].(int64)
		switch {
		case name == "toString" && isNumber:
			return strconv.FormatInt(n, int(radix))
		case name == "parseInt" || name == "parseLong" || name == "valueOf":
			if n, err := strconv.ParseInt(scalar(args[0]), int(radix), 64); err == nil {
				return n
			}
		case name == "compare":
			return int64(order(compare("<", args[0], args[1]), compare(">", args[0], args[1])))
		}
	}
	return nil
}

// convert is a number as another type of Java.
func convert(of any, name string) any {
	f, _ := number(of)
	n, whole := of.(int64)
	if !whole {
		n = int64(max(min(f, math.MaxInt64), math.MinInt64))
	}
	switch name {
	case "intValue":
		if !whole { // Java: a double is cut to what fits
			return max(min(n, math.MaxInt32), math.MinInt32)
		}
		return int64(int32(n))
	case "longValue":
		return n
	case "shortValue":
		return int64(int16(n))
	case "byteValue":
		return int64(int8(n))
	case "doubleValue", "floatValue":
		return f
	case "isNaN":
		return math.IsNaN(f)
	case "isInfinite":
		return math.IsInf(f, 0)
	case "hashCode":
		if whole {
			return int64(int32(n ^ int64(uint64(n)>>32)))
		}
		bits := math.Float64bits(f)
		return int64(int32(bits ^ bits>>32))
	}
	return nil
}

// numberFunction has one argument.
func numberFunction(of any, name string, argument any) any {
	written := scalar(argument)
	switch name {
	case "parseInt", "parseLong":
		if n, err := strconv.ParseInt(written, 10, 64); err == nil {
			return n
		}
	case "parseDouble", "parseFloat":
		if f, err := strconv.ParseFloat(strings.TrimSpace(written), 64); err == nil {
			return f
		}
	case "valueOf":
		if n, err := strconv.ParseInt(written, 10, 64); err == nil {
			return n
		}
		if f, err := strconv.ParseFloat(written, 64); err == nil {
			return f
		}
	case "compareTo":
		return int64(order(compare("<", of, argument), compare(">", of, argument)))
	case "toString":
		return written
	case "toHexString", "toBinaryString", "toOctalString":
		if n, is := argument.(int64); is {
			return strconv.FormatUint(uint64(n), map[string]int{"toHexString": 16, "toBinaryString": 2, "toOctalString": 8}[name])
		}
	}
	return nil
}

// booleanMethod also has the functions of Java's Boolean.
func booleanMethod(of bool, name string, args []any) any {
	switch {
	case name == "booleanValue" && len(args) == 0:
		return of
	case (name == "parseBoolean" || name == "valueOf") && len(args) == 1:
		return strings.EqualFold(scalar(args[0]), "true")
	}
	return nil
}

func order(less, more bool) int {
	switch {
	case less:
		return -1
	case more:
		return 1
	}
	return 0
}

// method calls the methods of Java's List.
func (l *List) method(r *run, name string, args []any) (any, error) {
	switch {
	case len(args) == 1:
		return l.one(r, name, args[0])
	case len(args) == 2:
		return l.two(r, name, args[0], args[1])
	case len(args) > 2:
		return nil, nil
	}
	switch name {
	case "size":
		return int64(len(l.items)), nil
	case "isEmpty":
		return len(l.items) == 0, nil
	case "clear":
		l.items = nil
	case "iterator", "toArray":
		return l, nil
	case "toJSONString":
		return r.toJSON(l)
	case "getFirst", "getLast":
		if n := len(l.items); n > 0 {
			return l.items[map[string]int{"getFirst": 0, "getLast": n - 1}[name]], nil
		}
	}
	return nil, nil
}

// one calls what has one argument.
func (l *List) one(r *run, name string, arg any) (any, error) {
	switch name {
	case "get":
		return at(l, arg), nil
	case "add":
		return true, l.add(r, arg)
	case "addAll":
		return l.addAll(r, elements(arg))
	case "contains":
		i, err := l.index(r, arg)
		return i >= 0, err
	case "containsAll", "removeAll", "retainAll":
		return l.many(r, name, &List{elements(arg)})
	case "indexOf":
		i, err := l.index(r, arg)
		return int64(i), err
	case "remove":
		return l.remove(r, arg)
	}
	return nil, nil
}

// two calls what has an index and something more.
func (l *List) two(r *run, name string, index, arg any) (any, error) {
	from, is := index.(int64)
	size := int64(len(l.items))
	if !is || from < 0 || from > size {
		return nil, nil
	}
	switch name {
	case "set":
		if from < size {
			old := l.items[from]
			l.items[from] = arg
			return old, nil
		}
	case "add":
		l.items = slices.Insert(l.items, int(from), arg)
		return nil, r.charge(entryBytes)
	case "subList":
		if to, is := arg.(int64); is && from <= to && to <= size {
			part := &List{items: slices.Clone(l.items[from:to])}
			return part, r.charge(entryBytes * len(part.items))
		}
	}
	return nil, nil
}

// many calls what compares with another list.
func (l *List) many(r *run, name string, other *List) (any, error) {
	if name == "containsAll" {
		for _, item := range other.items {
			if i, err := l.index(r, item); i < 0 || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	kept := []any{}
	for _, item := range l.items {
		i, err := other.index(r, item)
		if err != nil {
			return nil, err
		}
		if (i >= 0) == (name == "retainAll") {
			kept = append(kept, item)
		}
	}
	changed := len(kept) != len(l.items)
	l.items = kept
	return changed, r.charge(entryBytes * len(kept))
}

func (l *List) addAll(r *run, items []any) (any, error) {
	l.items = append(l.items, items...)
	return true, r.charge(entryBytes * len(items))
}

func (l *List) index(r *run, of any) (int, error) {
	for i, item := range l.items {
		if same, err := r.equal(item, of, 0); same || err != nil {
			return i, err
		}
	}
	return -1, nil
}

// remove takes an index, else an element.
func (l *List) remove(r *run, what any) (any, error) {
	i, is := what.(int64)
	if !is {
		found, err := l.index(r, what)
		if err != nil || found < 0 {
			return false, err
		}
		l.items = slices.Delete(l.items, found, found+1)
		return true, nil
	}
	if i < 0 || i >= int64(len(l.items)) {
		return nil, nil
	}
	old := l.items[i]
	l.items = slices.Delete(l.items, int(i), int(i)+1)
	return old, nil
}

// entry is a key with its value.
type entry struct {
	key   string
	value any
}

// String is how Java prints it.
func (e *entry) String() string { return e.key + "=" + scalar(e.value) }

// method calls the methods of Java's Map.
func (m *Map) method(r *run, name string, args []any) (any, error) {
	switch len(args) {
	case 0:
		return m.all(r, name)
	case 1:
		switch name {
		case "get":
			return at(m, args[0]), nil
		case "containsKey":
			_, found := m.Get(text(args[0]))
			return found, nil
		case "containsValue":
			i, err := (&List{elements(m)}).index(r, args[0])
			return i >= 0, err
		case "remove":
			return m.remove(text(args[0])), nil
		case "getAsString":
			value, found := m.Get(text(args[0]))
			if !found || value == nil {
				return nil, nil
			}
			return r.print(value)
		case "putAll":
			if other, is := args[0].(*Map); is {
				for _, key := range slices.Clone(other.keys) {
					if err := m.put(r, key, other.values[key]); err != nil {
						return nil, err
					}
				}
			}
		}
	case 2:
		old, found := m.Get(text(args[0]))
		switch {
		case name == "put", name == "putIfAbsent" && !found:
			return old, m.put(r, text(args[0]), args[1])
		case name == "getOrDefault" && !found:
			return args[1], nil
		case name == "getOrDefault", name == "putIfAbsent":
			return old, nil
		}
	}
	return nil, nil
}

// all calls what has no arguments.
func (m *Map) all(r *run, name string) (any, error) {
	list := &List{}
	switch name {
	case "size":
		return int64(len(m.keys)), nil
	case "isEmpty":
		return len(m.keys) == 0, nil
	case "clear":
		m.keys, m.values = nil, nil
		return nil, nil
	case "toJSONString":
		return r.toJSON(m)
	case "keySet":
		for _, key := range m.keys {
			list.items = append(list.items, key)
		}
	case "values":
		list.items = elements(m)
	case "entrySet":
		for _, key := range m.keys {
			list.items = append(list.items, &entry{key, m.values[key]})
		}
	default:
		return nil, nil
	}
	return list, r.charge(entryBytes * len(list.items))
}

package vtl

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// petBody is the example of AWS's documentation of mapping templates.
const petBody = `{"name":"O'Neil \"x\"","n":3,"price":12.50,"tags":["a","b"],"owner":{"name":"Ada","age":36},"pets":[{"id":1,"kind":"dog","price":10},{"id":2,"kind":"cat","price":20}],"none":null,"big":123456789012345678901234567890}`

func variables() map[string]any {
	return map[string]any{
		"input":          &Input{Body: petBody, Path: newMap("id", "7"), Query: newMap("q", "x y"), Header: newMap("X-Test", "h")},
		"util":           Util{},
		"context":        newMap("stage", "prod", "identity", newMap("sourceIp", "192.0.2.1"), "requestOverride", newMap("header", newMap())),
		"stageVariables": newMap("table", "t1"),
	}
}

func render(t *testing.T, template string) string {
	t.Helper()
	compiled, err := Parse(template)
	if err != nil {
		t.Fatalf("%s: %v", template, err)
	}
	made, err := compiled.Render(t.Context(), variables())
	if err != nil {
		t.Fatalf("%s: %v", template, err)
	}
	return made
}

// TestLanguage has Velocity's rules. Its user guide and reference, version 1.7.
func TestLanguage(t *testing.T) {
	for template, want := range map[string]string{
		"plain $ text # with $5 and #tag":                                   "plain $ text # with $5 and #tag",
		"#set($a = 1)$a":                                                    "1",
		"#set($a=1)\n  #set( $b = 2 )\n$a$b":                                "12",
		"$nothing ${nothing} $!nothing|$!{nothing}|":                        "$nothing ${nothing} ||",
		"#set($a='x')${a}y $a.y $a.":                                        "xy  x.",
		"#if(true)\nyes\n#else\nno\n#end\nafter":                            "yes\nafter",
		"#if($nothing)1#elseif(1 == 1.0)2#else 3#end":                       "2",
		"#if(!$nothing && 'a' == 'a' || $x.y())t#end":                       "t",
		"#if(not $nothing and 1 lt 2)t#end":                                 "t",
		"#foreach($i in [1..3])$i#if($foreach.hasNext),#end#end":            "1,2,3",
		"#foreach($i in [3..1])$foreach.index:$i;$velocityCount #end":       "0:3;1 1:2;2 2:1;3 ",
		"#foreach($i in ['a', 'b', 'c'])#if($i == 'b')#break#end$i#end|$!i": "a|",
		"a#stop b":                                       "a",
		"x## comment\ny#* more\n *#z":                    "xyz",
		"#[[$raw #if]]#":                                 "$raw #if",
		`#set($a="v")\$a \\$a \$b \#if`:                  `$a \v \$b #if`,
		`#set($a="v")#set($s="<$a.length() $b>")$s '$a'`: `<1 $b> 'v'`,
		`#set($s='$a')$s`:                                `$a`,
		"#set($n = 7 / 2)#set($m = 7 % 4)#set($o = 7.0 / 2)#set($p = 2 + 3 * 4 - 1)$n $m $o $p": "3 3 3.5 13",
		"#set($s = 'a' + 1)$s":  "a1",
		"#set($z = 1 / 0)[$!z]": "[]",
		`#set($m = {"a": 1, "b": {"c": [1, 2]}})$m.a $m.b.c[1] $m["a"] $m.get("b").c.get(0) $m`:                                                          `1 2 1 1 {a=1, b={c=[1,2]}}`,
		`#set($m = {})#set($m.x = 1)#set($m["y z"] = 2)#set($void = $m.put("w", 3))$m $m.size()`:                                                         `{x=1, y z=2, w=3} 3`,
		"#set($l = [])#set($void = $l.add('x'))#set($void = $l.add(5))$l $l.size() $l.isEmpty() $l.empty $l.contains(5)":                                 `["x",5] 2 false false true`,
		"#foreach($e in {'k': 'v'}.entrySet())$e.key=$e.value#end":                                                                                       "",
		"#set($m = {'k': 'v', 'l': 'w'})#foreach($e in $m.entrySet())$e.key=$e.getValue();#end#foreach($k in $m.keySet())$k#end#foreach($v in $m)$v#end": "k=v;l=w;klvw",
		"#set($i = 0)#set($j = $i.parseInt('12') + 1)$j":                                                                                                 "13",
		"#{if}(true)a#{else}b#{end}c": "ac",
		"#if(false)a#elseb#end":       "b",
		"#macros #iffy #settle":       "#macros #iffy #settle",
		"$context.stage $context.missing|$context.identity.sourceIp $context.identity.no.way|": "prod |192.0.2.1 |",
		"${stageVariables.table}": "t1",
		"#set($context.requestOverride.header.X = 'y')$context.requestOverride":                  "{header={X=y}}",
		"#set($x = 1e3)$x #set($y = 12345678.9)$y #set($z=-5)$z":                                 "1000.01.23456789E7-5",
		"#foreach($a in [1,2])#foreach($b in [1,2])$foreach.parent.index$foreach.index #end#end": "00 01 10 11 ",
	} {
		if strings.Contains(template, "{'k': 'v'}.entrySet()") {
			if _, err := Parse(template); !errors.Is(err, ErrSyntax) {
				t.Errorf("%s: %v", template, err)
			}
			continue
		}
		if got := render(t, template); got != want {
			t.Errorf("%s\n got %q\nwant %q", template, got, want)
		}
	}
}

// TestStrings are Java's methods of strings that templates use.
func TestStrings(t *testing.T) {
	for template, want := range map[string]string{
		`#set($s=" Grüße 😀 ")$s.length() $s.trim().length() $s.trim().substring(2) $s.indexOf("ß") $s.toUpperCase().substring(3).trim()`:                                                                                                   "10 8 üße 😀 4 ÜßE 😀",
		`#set($s="a,b,,c,,")$s.split(",").size() $s.split(",")[1] $s.replace(",", "")`:                                                                                                                                                     "4 b abc",
		`#set($s="it's")$s.replaceAll("'", "\\'") $s.replaceAll("(i)(t)", "$2$1") $s.replaceFirst("t", "T")`:                                                                                                                               `it\'s ti's iT's`,
		`#set($s="abc")$s.contains("b") $s.startsWith("b") $s.endsWith("c") $s.matches("[a-c]+") $s.matches("b") $s.charAt(1) $s.lastIndexOf("z") $s.equals("abc") $s.equalsIgnoreCase("ABC") $s.concat("d") $s.hashCode() $s.isEmpty()`:   "true false true true false b -1 true true abcd 96354 false",
		`#set($s="a-b-c")$s.split("-", 2)[1] $s.split("-", -1).size() $s.startsWith("b", 2) $s.repeat(2) $s.toCharArray().size() $s.valueOf(5) $s.compareTo("b") $s.compareTo("a-b") $s.compareToIgnoreCase("A-B-C") $s.subSequence(0, 1)`: "b-c 3 true a-b-ca-b-c 5 5 -1 2 0 a",
		`#set($s="  x ")[$s.stripLeading()][$s.stripTrailing()][$s.split("x",0).size()]`:                                                                                                                                                   "[x ][  x][2]",
		`#set($s="abc")[$s.substring(9)][$s.nosuch()][$!s.substring(1, 2)]`:                                                                                                                                                                "[][][b]",
	} {
		if got := render(t, template); got != want {
			t.Errorf("%s\n got %q\nwant %q", template, got, want)
		}
	}
}

// TestNumbers are Java's methods of numbers and booleans, and those of lists and maps that
// the others have no test of.
func TestNumbers(t *testing.T) {
	for template, want := range map[string]string{
		"#set($n = 255)$n.toString(255, 16) $n.toHexString(255) $n.toBinaryString(5) $n.parseInt('ff', 16) $n.hashCode() $n.toString()":                                           "ff ff 101 255 255 255",
		"#set($n = 3000000000)$n.intValue() $n.longValue() $n.doubleValue() $n.shortValue()":                                                                                      "-1294967296 3000000000 3.0E9 24064",
		"#set($n = 3.99)$n.intValue() $n.isNaN() $n.compareTo(4) $n.compare(5, 4) [$n.parseInt('x')] $n.valueOf('1.5')":                                                           "3 false -1 1 [] 1.5",
		"#set($b = true)$b.parseBoolean('TRUE') $b.booleanValue() $b.toString() $b.equals(true) [$b.nosuch()]":                                                                    "true true true true []",
		"#set($l = [1, 2, 3])$l.containsAll([1, 3]) $l.removeAll([2, 9]) $l $l.retainAll([3]) $l $l.getFirst() $l.toJSONString() [$l.nosuch(1, 2, 3)]":                            "true true [1,3] true [3] 3 [3] []",
		"#set($m = {'a': 1, 'b': ['x']})$m.toJSONString() $m.getAsString('a') [$m.getAsString('z')] $m.getOrDefault('z', 2) $m.containsKey('a') $m.containsValue(1) $m.isEmpty()": `{"a":1,"b":["x"]} 1 [] 2 true true false`,
		"#if('1' == 1)a#end#if(true == 'true')b#end#if(1 == 1.0)c#end#if($nothing == '')d#end#if([] == '[]')e#end#if('x' != 1)f#end#if('1'.equals(1))g#end":                       "abcef",
		"$util.urlEncode('a*b~c d/é')": "a*b%7Ec+d%2F%C3%A9",
	} {
		if strings.Contains(template, "'1'.equals") { // a text has no methods where it is written
			template = strings.Replace(template, "#if('1'.equals(1))", "#set($s = '1')#if($s.equals(1))", 1)
		}
		if got := render(t, template); got != want {
			t.Errorf("%s\n got %q\nwant %q", template, got, want)
		}
	}
}

// TestInput is $input and $util; api-gateway-mapping-template-reference.html.
func TestInput(t *testing.T) {
	for template, want := range map[string]string{
		"$input.json('$.owner')":                                                                 `{"name":"Ada","age":36}`,
		"$input.json('$.name')":                                                                  `"O'Neil \"x\""`,
		"$input.json('$.missing')":                                                               `""`,
		"$input.json('$.price') $input.json('$.big')":                                            `12.5 123456789012345678901234567890`,
		"$input.path('$.n') $input.path('$.pets[0].kind')":                                       "3 dog",
		"$input.path('$.pets[-1].id') $input.path(\"$['n']\")":                                   "2 3",
		"$input.path('$.pets[*].id') $input.path('$..kind')":                                     `[1,2] ["dog","cat"]`,
		"$input.path('$.pets[?(@.kind == \"cat\")].id')":                                         `[2]`,
		"$input.path('$.pets[?(@.price > 5)].length()')":                                         `[3,3]`,
		"$input.path('$.tags[0:1]') $input.path('$.tags[0,1]')":                                  `["a"] ["a","b"]`,
		"$input.path('$.tags.length()') $input.path('n')":                                        "2 3",
		"$input.path('$').owner [$input.path('$').missing]":                                      "{name=Ada, age=36} []",
		"#set($r = $input.path('$'))#foreach($p in $r.pets)$p.id#end":                            "12",
		"$input.params('id') $input.params('q') $input.params('x-test') [$input.params('none')]": "7 x y h []",
		"#foreach($k in $input.params().keySet())$k:$input.params().get($k).keySet() #end":       `path:["id"] querystring:["q"] header:["X-Test"] `,
		"$input.params().header.get('X-Test')":                                                   "h",
		"$input.body":                                                                            petBody,
		"$util.escapeJavaScript($input.path('$.name'))":                                          `O\'Neil \"x\"`,
		"$util.escapeJavaScript('é/')":                                                           `\u00E9/`,
		"$util.urlEncode('a b&c') $util.urlDecode('a+b%26c')":                                    "a+b%26c a b&c",
		"$util.base64Encode('hi') $util.base64Decode('aGk=')":                                    "aGk= hi",
		"$util.parseJson('{\"a\":[1,{\"b\":2}]}').a[1].b":                                        "2",
	} {
		if got := render(t, template); got != want {
			t.Errorf("%s\n got %q\nwant %q", template, got, want)
		}
	}
	empty, err := Parse("$input.body $input.json('$')")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := empty.Render(t.Context(), map[string]any{"input": &Input{}}); err != nil || got != "{} {}" {
		t.Errorf("%q %v", got, err)
	}
}

// passthrough is the template that API Gateway's console generates.
const passthrough = `#set($allParams = $input.params())
{
"body-json" : $input.json('$'),
"params" : {
#foreach($type in $allParams.keySet())
    #set($params = $allParams.get($type))
"$type" : {
    #foreach($paramName in $params.keySet())
    "$paramName" : "$util.escapeJavaScript($params.get($paramName))"
        #if($foreach.hasNext),#end
    #end
}
    #if($foreach.hasNext),#end
#end
},
"stage-variables" : {
#foreach($key in $stageVariables.keySet())
"$key" : "$util.escapeJavaScript($stageVariables.get($key))"
    #if($foreach.hasNext),#end
#end
},
"context" : { "stage" : "$context.stage", "key" : "$context.identity.apiKey" }
}`

func TestPassthroughOfTheConsole(t *testing.T) {
	made, err := ParseJSON(render(t, passthrough))
	if err != nil {
		t.Fatal(err)
	}
	r := &run{ctx: t.Context()}
	got, err := r.toJSON(made.(*Map).values["params"])
	if want := `{"path":{"id":"7"},"querystring":{"q":"x y"},"header":{"X-Test":"h"}}`; got != want || err != nil {
		t.Errorf("%s %v", got, err)
	}
}

// TestMalformed: the errors of Parse name the line.
func TestMalformed(t *testing.T) {
	for _, template := range []string{
		"\n#if(true)", "#end", "#if(true)#else#else#end", "#foreach($x of [1])#end", "#foreach($x in [1])", "#set($x)", "#set(x = 1)", "#set($x = )", "#set($x = [1)", "#set($x = {1})",
		"#set($x = 'a)", "$x.y(1", "$x[1", "#* x", "#[[ x", "#macro(x)#end", "#parse('x')", "#if(1 == )#end", "#set($x = \"#end\")",
	} {
		if _, err := Parse(template); !errors.Is(err, ErrSyntax) || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%q: %v", template, err)
		}
	}
}

// TestBounds: no template costs more than its bounds.
func TestBounds(t *testing.T) {
	nested := strings.Repeat("#if(true)", 100) + strings.Repeat("#end", 100)
	for name, template := range map[string]string{
		"rounds":      "#foreach($i in [1..1001])x#end",
		"steps":       "#foreach($i in [1..1000])#foreach($j in [1..1000])x#end#end",
		"doubling":    "#set($s = 'x')#foreach($i in [1..100])#set($s = $s + $s)#end",
		"interpolate": "#set($s = 'x')#foreach($i in [1..100])#set($s = \"$s$s\")#end",
		"range":       "#set($l = [1..100000000])",
		"cycle":       "#set($l = [])#set($void = $l.add($l))$l",
		"map cycle":   "#set($m = {})#set($m.m = $m)$m",
		"same":        "#set($l = [])#set($k = [])#set($void = $l.add($l))#set($void = $k.add($k))#if($l == $k)#end",
		"shared":      "#set($l = ['x'])#foreach($i in [1..60])#set($l = [$l, $l])#end$l",
		"replace":     "#set($s = 'x')#foreach($i in [1..30])#set($s = $s.replace('x', 'xxxxxxxxxx'))#end",
		"groups":      `#set($s = '0123456789')#foreach($i in [1..17])#set($s = $s + $s)#end$s.replaceAll('.+', '` + strings.Repeat("$0", 100_000) + `')`,
		"repetitions": `#set($s = '0123456789')#foreach($i in [1..17])#set($s = $s + $s)#end$s.matches('` + strings.Repeat("(a?0?){1000}", 40) + `')`,
		"pattern":     "#set($s = 'x')#foreach($i in [1..30])#set($s = $s.replaceAll('x', 'xxxxxxxxxx'))#end",
		"blocks":      nested,
		"brackets":    "#set($x = " + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000) + ")",
		"negations":   "#set($x = " + strings.Repeat("!", 1000) + "1)",
		"references":  strings.Repeat("$a[", 1000) + "1" + strings.Repeat("]", 1000),
		"json":        `$util.parseJson("` + strings.Repeat("[", 1000) + `")`,
		"indexes":     "$input.path('$.pets[" + strings.Repeat("0,", 20000) + "0].id[*]')#set($x = [1..1000])#foreach($i in $x)$input.path('$.pets[" + strings.Repeat("0,", 20000) + "0]')#end",
		"repeat":      "#set($s = 'x')$s.repeat(1000000000)",
		"repeats":     "#set($s = 'x')#set($s = $s.repeat(1000000))#foreach($i in [1..1000])#set($t = $s.repeat(10))#end",
		"characters":  "#set($s = 'x')#set($s = $s.repeat(1000000))#foreach($i in [1..1000])#set($t = $s.toCharArray())#end",
		"retain":      "#set($l = [1..1000])#foreach($i in [1..1000])#set($void = $l.retainAll([1000..1]))#end",
		"regexp":      "#set($s = 'x')$s.matches('" + strings.Repeat("(a|b)", 300) + "')",
	} {
		started := time.Now()
		compiled, err := Parse(template)
		if err == nil {
			_, err = compiled.Render(t.Context(), variables())
		}
		if !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, time.Since(started))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	compiled, err := Parse("#foreach($i in [1..1000])#foreach($j in [1..5])x#end#end")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compiled.Render(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestBodyThatIsNoJSON only matters to templates that look into it.
func TestBodyThatIsNoJSON(t *testing.T) {
	in := map[string]any{"input": &Input{Body: "x=1"}}
	for template, fails := range map[string]bool{"$input.body": false, "$input.path('$.x')": true, "$input.json('$')": true} {
		compiled, err := Parse(template)
		if err != nil {
			t.Fatal(err)
		}
		_, err = compiled.Render(t.Context(), in)
		var body *BodyError
		if errors.As(err, &body) != fails {
			t.Errorf("%s: %v", template, err)
		}
	}
}

// TestPathsOfABodyAreBounded together: after too much nothing is found any more.
func TestPathsOfABodyAreBounded(t *testing.T) {
	b := NewBody(t.Context(), petBody)
	for path, want := range map[string]string{"$.owner.name": "Ada", "$.tags": `["a","b"]`, "$.n": "3", "$": petBody[:2]} {
		if got, found := b.At(path); !found || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q %v", path, got, found)
		}
	}
	if got, found := b.At("$.missing"); found || got != "" {
		t.Errorf("%q", got)
	}
	if _, found := NewBody(t.Context(), "no JSON").At("$.a"); found {
		t.Error("found in what is no JSON")
	}
	large := NewBody(t.Context(), `{"a":[`+strings.Repeat(`{"b":1},`, 10_000)+`{"b":"`+strings.Repeat("x", 1<<20)+`"}]}`)
	for _, path := range []string{"$..b", "$.a[10000].b"} {
		left := 1000
		for ; left > 0; left-- {
			if _, found := large.At(path); !found {
				break
			}
		}
		if left == 0 {
			t.Errorf("%s was found a thousand times", path)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(passthrough, petBody)
	f.Add(`#set($a={"b":[1..3]})#foreach($x in $a.b)#if($x>1)$x\$a#elseif(!$x)#stop#else"$x"#break#end#end ${a.b[0]}$!{c}#[[x]]#`, `[]`)
	f.Add(`$input.path("$..a[?(@.b=='c')]['d'][0:1]").replaceAll("(a)","$1")`, `{"a":1}`)
	f.Fuzz(func(t *testing.T, template, body string) {
		compiled, err := Parse(template)
		if err != nil {
			return
		}
		values := variables()
		values["input"] = &Input{Body: body}
		made, err := compiled.Render(t.Context(), values)
		if err == nil && len(made) > maxBytes {
			t.Errorf("%d bytes", len(made))
		}
	})
}

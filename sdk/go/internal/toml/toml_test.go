package toml

import (
	"reflect"
	"strings"
	"testing"
)

func TestWhatPluginTomlUses(t *testing.T) {
	document := `# a comment
top = "a\tb\u00e9" # behind
[plugin]
id = 'raw\n'
share = 0.02
count = 1_000
on = true
[[labels]]
name = "A" ` + "\r" + `
words = [
  "x", # one
  "y",
]
[[labels]]
gates = [{ bytes_min = 3, any_of = "@" }, {}]
[labels.more]
"a b" = []
`
	want := Table{
		"top":    "a\tbé",
		"plugin": Table{"id": `raw\n`, "share": 0.02, "count": int64(1000), "on": true},
		"labels": []any{
			Table{"name": "A", "words": []any{"x", "y"}},
			Table{"gates": []any{Table{"bytes_min": int64(3), "any_of": "@"}, Table{}}, "more": Table{"a b": []any{}}},
		},
	}
	got, err := Parse(document)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v", got, err)
	}
}

func TestWhatItDoesNotKnowIsAnError(t *testing.T) {
	for document, want := range map[string]string{
		"a":                               "= is missing",
		"a = ":                            "a value is missing",
		"\na = 1 2":                       "line 2",
		"a = 1\na = 2":                    "twice",
		"a = \"x":                         "no end",
		"a = \"\\q\"":                     "no escape",
		"a = \"\\ud800\"":                 "no character",
		"a = \"\\":                        "no end",
		"a = '''x'''":                     "several lines",
		"a = 2026-11-23":                  "no value",
		"a = [1":                          "] is missing",
		"a = {b = 1":                      "} is missing",
		"a = 1\n[a]":                      "not a table",
		"a = 1\n[[a]]":                    "not an array of tables",
		"[a":                              "] is missing",
		"= 1":                             "key is missing",
		"a = " + strings.Repeat("[", 100): "too deeply",
	} {
		if _, err := Parse(document); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", document, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a = [{b = 'c'}]\n[[d]]")
	f.Fuzz(func(_ *testing.T, document string) {
		_, _ = Parse(document)
	})
}

package grilletest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"grille"
	"grille/internal/toml"
)

// CheckManifest runs every one of the [[vectors]] of plugin.toml under the settings {}, as the host does before it trusts a new
// version, each as a subtest (a vector's `at` is what the clock shows); and checks that plugin.toml's world is what the plugin is.
func CheckManifest(t *testing.T, plugin grille.Plugin) {
	t.Helper()
	manifest := readManifest(t)
	if manifest.world != string(plugin.Kind()) {
		t.Fatalf("plugin.toml says world = %q, the plugin is a %s", manifest.world, plugin.Kind())
	}
	if len(manifest.vectors) == 0 {
		t.Fatal("plugin.toml has no [[vectors]]")
	}
	for i, vector := range manifest.vectors {
		t.Run(fmt.Sprintf("vectors %d", i), func(t *testing.T) {
			switch plugin.Kind() {
			case grille.KindDetector:
				checkDetector(t, plugin, manifest, vector)
			case grille.KindMasker:
				checkMasker(t, plugin, vector)
			case grille.KindPolicy:
				checkPolicy(t, plugin, vector)
			}
		})
	}
}

func checkDetector(t *testing.T, plugin grille.Plugin, manifest *manifest, vector toml.Table) {
	text := stringAt(t, vector, "text")
	var got []string
	for _, found := range NewDetector(t, plugin, "{}").Inspect(text) {
		label := manifest.labels[slices.IndexFunc(manifest.labels, func(l label) bool { return l.name == found.Label })]
		if !label.gatePasses(text) {
			t.Errorf("%q: the gate of %s keeps it from the detector", text, label.name)
		}
		got = append(got, fmt.Sprintf("%s %d..%d", found.Label, found.Start, found.End))
	}
	var want []string
	for _, entry := range tablesAt(t, vector, "expect") {
		want = append(want, fmt.Sprintf("%s %d..%d", stringAt(t, entry, "label"), intAt(t, entry, "start"), intAt(t, entry, "end")))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q: found %q, plugin.toml expects %q", text, got, want)
	}
}

func checkMasker(t *testing.T, plugin grille.Plugin, vector toml.Table) {
	text, want := stringAt(t, vector, "text"), stringAt(t, vector, "expect")
	if got := NewMasker(t, plugin, "{}").Mask(text); got != want {
		t.Errorf("%q became %q, plugin.toml expects %q", text, got, want)
	}
}

func checkPolicy(t *testing.T, plugin grille.Plugin, vector toml.Table) {
	if now := vectorTime(t, vector); !now.IsZero() {
		GrantClock(t, now)
	}
	action := grille.Action{
		Kind:     stringAt(t, vector, "kind"),
		Effects:  stringsAt(t, vector, "effects"),
		Features: stringsAt(t, vector, "features"),
	}
	for _, entry := range tablesAt(t, vector, "objects") {
		action.Objects = append(action.Objects, grille.Object{
			Kind: stringAt(t, entry, "kind"), Name: stringAt(t, entry, "name"), Access: stringAt(t, entry, "access"),
		})
	}
	decision := NewPolicy(t, plugin, "{}").Decide(grille.Exchange{}, action)
	if want := stringAt(t, vector, "expect"); decision.Verdict.String() != want {
		t.Errorf("%+v: %s (%s), plugin.toml expects %s", action, decision.Verdict, decision.Reason, want)
	}
}

// vectorTime is the time at which a vector holds; zero if it does not say.
func vectorTime(t testing.TB, vector toml.Table) time.Time {
	t.Helper()
	at := stringAt(t, vector, "at")
	if at == "" {
		return time.Time{}
	}
	now, err := time.Parse(time.RFC3339, at)
	if err != nil || !strings.HasSuffix(at, "Z") {
		t.Fatalf("at = %q is not like 2026-11-23T10:00:00Z", at)
	}
	return now
}

// manifest is what plugin.toml holds, as far as tests need it.
type manifest struct {
	world        string
	labels       []label
	vectors      []toml.Table
	capabilities []string
}

type label struct {
	name  string
	gates []gate
}

// gate is a cheap necessary condition on a text's bytes; all of it must hold.
type gate struct {
	bytesMin, digitsMin, lettersMin int
	anyOf                           string
}

func readManifest(t testing.TB) *manifest {
	t.Helper()
	document, err := os.ReadFile("plugin.toml")
	if err != nil {
		t.Fatal(err)
	}
	root, err := toml.Parse(string(document))
	if err != nil {
		t.Fatalf("plugin.toml: %v", err)
	}
	plugin, ok := root["plugin"].(toml.Table)
	if !ok {
		t.Fatal("plugin.toml has no [plugin]")
	}
	read := &manifest{world: stringAt(t, plugin, "world"), vectors: tablesAt(t, root, "vectors")}
	for _, entry := range tablesAt(t, root, "labels") {
		read.labels = append(read.labels, readLabel(t, entry))
	}
	for _, entry := range tablesAt(t, root, "capabilities") {
		if stringAt(t, entry, "reason") == "" {
			t.Errorf("plugin.toml: a capability has no reason")
		}
		read.capabilities = append(read.capabilities, stringAt(t, entry, "name"))
	}
	return read
}

func readLabel(t testing.TB, entry toml.Table) label {
	t.Helper()
	read := label{name: stringAt(t, entry, "name")}
	for _, table := range tablesAt(t, entry, "gates") {
		read.gates = append(read.gates, gate{
			bytesMin:   intAt(t, table, "bytes_min"),
			digitsMin:  intAt(t, table, "digits_min"),
			lettersMin: intAt(t, table, "letters_min"),
			anyOf:      stringAt(t, table, "any_of"),
		})
	}
	return read
}

func (l label) gatePasses(text string) bool {
	return len(l.gates) == 0 || slices.ContainsFunc(l.gates, func(g gate) bool { return g.passes(text) })
}

func (g gate) passes(text string) bool {
	digits, letters := 0, 0
	for _, b := range []byte(text) {
		switch {
		case '0' <= b && b <= '9':
			digits++
		case 'a' <= b|0x20 && b|0x20 <= 'z':
			letters++
		}
	}
	return len(text) >= g.bytesMin && digits >= g.digitsMin && letters >= g.lettersMin &&
		(g.anyOf == "" || strings.ContainsAny(text, g.anyOf))
}

// The readers below take a missing key for the zero value and fail the test on one of another type.

func at[T any](t testing.TB, table toml.Table, key string) (value T) {
	t.Helper()
	if found, there := table[key]; there {
		typed, ok := found.(T)
		if !ok {
			t.Fatalf("plugin.toml: %s is %v", key, found)
		}
		value = typed
	}
	return value
}

func stringAt(t testing.TB, table toml.Table, key string) string {
	t.Helper()
	return at[string](t, table, key)
}

func intAt(t testing.TB, table toml.Table, key string) int {
	t.Helper()
	return int(at[int64](t, table, key))
}

func stringsAt(t testing.TB, table toml.Table, key string) []string {
	t.Helper()
	return elementsAt[string](t, table, key)
}

func tablesAt(t testing.TB, table toml.Table, key string) []toml.Table {
	t.Helper()
	return elementsAt[toml.Table](t, table, key)
}

func elementsAt[T any](t testing.TB, table toml.Table, key string) []T {
	t.Helper()
	var elements []T
	for _, value := range at[[]any](t, table, key) {
		element, ok := value.(T)
		if !ok {
			t.Fatalf("plugin.toml: an element of %s is %v", key, value)
		}
		elements = append(elements, element)
	}
	return elements
}

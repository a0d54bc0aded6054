// Package grilletest tests plugins without a gateway and without WebAssembly: it gives a detector texts, a policy actions and a
// masker values, checks each against the plugin's own plugin.toml, and stands in for the capabilities that the plugin declares.
//
// What the host would refuse fails the test: a finding outside the text or inside a character, a label that plugin.toml does
// not have, a decision without a verdict. plugin.toml is read from the folder in which `go test` runs a package's tests: the
// package's own.
package grilletest

import (
	"cmp"
	"slices"
	"testing"

	"grille"
)

// Found is what a detector found in one text.
type Found struct {
	// Label is the label's name in plugin.toml.
	Label string
	// Text is what stands there.
	Text string
	// Start and End are byte offsets.
	Start, End int
	// Score is how sure the detector is.
	Score int
	// Support is what speaks for it.
	Support grille.Support
}

// Detector is a configured detector under test.
type Detector struct {
	t        testing.TB
	session  *grille.Session
	manifest *manifest
}

// NewDetector configures a detector; the test fails if it refuses the settings.
func NewDetector(t testing.TB, plugin grille.Plugin, settingsJSON string) *Detector {
	t.Helper()
	return &Detector{t, open(t, plugin, grille.KindDetector, settingsJSON), readManifest(t)}
}

// Inspect gives what the detector finds in one text of a nameless column, by place.
func (d *Detector) Inspect(text string) []Found {
	d.t.Helper()
	return d.InspectField(text, grille.Field{})
}

// InspectField gives what the detector finds in one text of a column, by place.
func (d *Detector) InspectField(text string, field grille.Field) []Found {
	d.t.Helper()
	begin(d.t, d.session, &grille.Exchange{}, field)
	findings, err := d.session.Inspect(blockOf(d.t, text))
	if err != nil {
		d.t.Fatalf("%q: the detector fails: %v", text, err)
	}
	found := make([]Found, 0, len(findings))
	for _, finding := range findings {
		found = append(found, d.named(text, finding))
	}
	slices.SortFunc(found, func(a, b Found) int {
		return cmp.Or(a.Start-b.Start, a.End-b.End, cmp.Compare(a.Label, b.Label))
	})
	return found
}

// named relies on Session, which lets no place through that is not a part of the text.
func (d *Detector) named(text string, finding grille.Finding) Found {
	d.t.Helper()
	if int(finding.Label) >= len(d.manifest.labels) {
		d.t.Fatalf("%q: label %d is not among the %d of plugin.toml", text, finding.Label, len(d.manifest.labels))
	}
	return Found{
		Label:   d.manifest.labels[finding.Label].name,
		Text:    text[finding.Start:finding.End],
		Start:   int(finding.Start),
		End:     int(finding.End),
		Score:   int(finding.Score),
		Support: finding.Support,
	}
}

// Policy is a configured policy under test.
type Policy struct {
	t       testing.TB
	session *grille.Session
}

// NewPolicy configures a policy; the test fails if it refuses the settings.
func NewPolicy(t testing.TB, plugin grille.Plugin, settingsJSON string) *Policy {
	t.Helper()
	return &Policy{t, open(t, plugin, grille.KindPolicy, settingsJSON)}
}

// Decide gives the policy's word on an action in an exchange; the test fails if the policy fails.
func (p *Policy) Decide(exchange grille.Exchange, action grille.Action) grille.Decision {
	p.t.Helper()
	decision, err := p.TryDecide(exchange, action)
	if err != nil {
		p.t.Fatalf("%+v: the policy fails, and the host would deny: %v", action, err)
	}
	return decision
}

// TryDecide is Decide for tests of a policy's failures.
func (p *Policy) TryDecide(exchange grille.Exchange, action grille.Action) (grille.Decision, error) {
	if err := p.session.Begin(&exchange, nil); err != nil {
		return grille.Decision{}, err
	}
	return p.session.Decide(&action)
}

// Masker is a configured masker under test.
type Masker struct {
	t       testing.TB
	session *grille.Session
}

// NewMasker configures a masker; the test fails if it refuses the settings.
func NewMasker(t testing.TB, plugin grille.Plugin, settingsJSON string) *Masker {
	t.Helper()
	return &Masker{t, open(t, plugin, grille.KindMasker, settingsJSON)}
}

// Mask gives what the masker makes of one value of a nameless column.
func (m *Masker) Mask(text string) string {
	m.t.Helper()
	begin(m.t, m.session, &grille.Exchange{}, grille.Field{})
	edits, err := m.session.Mask(blockOf(m.t, text))
	if err != nil {
		m.t.Fatalf("%q: the masker fails, and the host would replace the value: %v", text, err)
	}
	return string(edits.Data)
}

// Refused gives what a plugin says of settings that it must refuse; the test fails if it takes them.
func Refused(t testing.TB, plugin grille.Plugin, settingsJSON string) []grille.Diagnostic {
	t.Helper()
	_, diagnostics := grille.Open(plugin, settingsJSON)
	if len(diagnostics) == 0 {
		t.Fatalf("the plugin takes the settings %s", settingsJSON)
	}
	return diagnostics
}

func open(t testing.TB, plugin grille.Plugin, kind grille.Kind, settingsJSON string) *grille.Session {
	t.Helper()
	if plugin.Kind() != kind {
		t.Fatalf("the plugin is a %s, not a %s", plugin.Kind(), kind)
	}
	session, diagnostics := grille.Open(plugin, settingsJSON)
	for _, diagnostic := range diagnostics {
		t.Error(diagnostic)
	}
	if session == nil {
		t.FailNow()
	}
	return session
}

func begin(t testing.TB, session *grille.Session, exchange *grille.Exchange, field grille.Field) {
	t.Helper()
	if err := session.Begin(exchange, []grille.Field{field}); err != nil {
		t.Fatalf("the plugin does not begin: %v", err)
	}
}

func blockOf(t testing.TB, text string) *grille.Block {
	t.Helper()
	block, err := grille.NewBlock(1, []uint32{0}, []uint32{0, uint32(len(text))}, []byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return block
}

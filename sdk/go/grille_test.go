package grille

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// letters finds the letter that its settings name, in fields that are not called "clear".
type letters struct {
	Letter string `json:"letter"`
	begun  bool
}

func configureLetters(settings letters) (*letters, error) {
	var wrong []error
	if settings.Letter == "" {
		wrong = append(wrong, Diagnostic{"/letter", "which one?"}, errors.New("and nothing else"))
	}
	return &settings, errors.Join(wrong...)
}

func (l *letters) Begin(exchange *Exchange, _ []Field) error {
	l.begun = true
	if exchange.Role == "nobody" {
		return errors.New("not for nobody")
	}
	return nil
}

func (l *letters) Inspect(cell Cell, out *Findings) error {
	if cell.Text == "" || !l.begun {
		return errors.New("an empty cell, or one before begin")
	}
	if cell.Field.Name == "clear" {
		return nil
	}
	for start := range cell.Text {
		if strings.HasPrefix(cell.Text[start:], l.Letter) {
			out.Add(3, start, start+len(l.Letter), 2000, Checked|Context|8)
		}
	}
	return nil
}

func begun(t *testing.T, plugin Plugin, settings string, fields ...Field) *Session {
	t.Helper()
	session, diagnostics := Open(plugin, settings)
	if session == nil {
		t.Fatal(diagnostics)
	}
	if err := session.Begin(&Exchange{}, fields); err != nil {
		t.Fatal(err)
	}
	return session
}

func block(t *testing.T, rows uint32, fields, offsets []uint32, data string) *Block {
	t.Helper()
	made, err := NewBlock(rows, fields, offsets, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestFindingsCarryTheCellAndBoundedScores(t *testing.T) {
	session := begun(t, NewDetector(configureLetters), `{"letter": "é"}`, Field{Name: "clear"}, Field{Name: "dark"})
	got, err := session.Inspect(block(t, 2, []uint32{0, 1}, []uint32{0, 2, 2, 2, 8}, "éaébé"))
	want := []Finding{
		{Cell: 3, Start: 1, End: 3, Label: 3, Score: ScoreMax, Support: Checked | Context},
		{Cell: 3, Start: 4, End: 6, Label: 3, Score: ScoreMax, Support: Checked | Context},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestPlacesThatTheHostWouldRefuseAreFailures(t *testing.T) {
	for _, test := range []struct{ start, end int }{{0, 0}, {1, 0}, {-1, 1}, {0, 4}, {0, 2}, {2, 3}, {math.MaxInt, 3}} {
		detector := DetectorFunc(func(_ Cell, out *Findings) error {
			out.Add(0, test.start, test.end, 1, Unsupported)
			return nil
		})
		plugin := NewDetector(func(struct{}) (DetectorFunc, error) { return detector, nil })
		session := begun(t, plugin, "{}", Field{})
		if found, err := session.Inspect(block(t, 1, []uint32{0}, []uint32{0, 3}, "aé")); err == nil {
			t.Errorf("%v: %v", test, found)
		}
	}
}

func TestBlocksThatDoNotFitAreRefused(t *testing.T) {
	for _, test := range []struct {
		rows            uint32
		fields, offsets []uint32
		data, want      string
	}{
		{1, []uint32{0}, nil, "", "rows and fields"},
		{1, []uint32{0}, []uint32{0}, "", "rows and fields"},
		{2, []uint32{0}, []uint32{0, 1}, "a", "rows and fields"},
		{math.MaxUint32, []uint32{0, 1, 2}, []uint32{0, 1}, "a", "rows and fields"},
		{1, []uint32{0}, []uint32{0, 2}, "a", "its data"},
		{1, []uint32{0}, []uint32{1, 1}, "a", "its data"},
		{1, []uint32{0}, []uint32{0, 0}, "a", "its data"},
		{2, []uint32{0}, []uint32{0, 2, 1}, "ab", "its data"},
		{2, []uint32{0}, []uint32{0, 1, 2}, "é", "its data"},
		{1, []uint32{0}, []uint32{0, 1}, "\xff", "UTF-8"},
	} {
		_, err := NewBlock(test.rows, test.fields, test.offsets, []byte(test.data))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestCellsComeColumnByColumn(t *testing.T) {
	fields := []Field{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	cells, err := block(t, 2, []uint32{2, 0}, []uint32{0, 1, 3, 3, 4}, "xéz").Cells(fields)
	var got []string
	for _, cell := range cells {
		got = append(got, fmt.Sprint(cell.Field.Name, cell.Row, cell.Text))
	}
	if want := []string{"c0x", "c1é", "a0", "a1z"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := block(t, 1, []uint32{1}, []uint32{0, 1}, "x").Cells(fields[:1]); err == nil {
		t.Error("a field that was not announced is taken")
	}
}

func TestCallsOutOfOrderAndOfAnotherKindAreFailures(t *testing.T) {
	session, _ := Open(NewDetector(configureLetters), `{"letter": "a"}`)
	one := block(t, 1, []uint32{0}, []uint32{0, 1}, "x")
	if _, err := session.Inspect(one); err == nil {
		t.Error("a block before begin is taken")
	}
	if err := session.Begin(&Exchange{Role: "nobody"}, nil); err == nil {
		t.Error("begin does not say what the plugin says")
	}
	if _, err := session.Mask(one); err == nil {
		t.Error("a detector masks")
	}
	if _, err := session.Decide(&Action{}); err == nil {
		t.Error("a detector decides")
	}
}

func TestSettingsThatDoNotFitAreDiagnostics(t *testing.T) {
	for settings, want := range map[string][]Diagnostic{
		`{}`:                           {{"/letter", "which one?"}, {"", "and nothing else"}},
		`{"lettre": "a"}`:              {{"", `json: unknown field "lettre"`}},
		`{"letter": "a"} {}`:           {{"", "more than one JSON value"}},
		``:                             {{"", "EOF"}},
		`{"letter": "a", "letter": 1}`: {{"", "json: cannot unmarshal number into Go struct field letters.letter of type string"}},
	} {
		if session, got := Open(NewDetector(configureLetters), settings); session != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", settings, got, want)
		}
	}
	if session, got := Open(Plugin{}, "{}"); session != nil || len(got) != 1 {
		t.Error("an empty plugin opens")
	}
}

func TestEveryCellHasOneNewValue(t *testing.T) {
	mask := func(values ...string) (*Edits, error) {
		plugin := NewMasker(func(struct{}) (MaskEach, error) {
			at := -1
			return func(cell Cell) (string, error) { at++; return cell.Text + values[at], nil }, nil
		})
		return begun(t, plugin, "{}", Field{}).Mask(block(t, 3, []uint32{0}, []uint32{0, 1, 1, 4}, "aßb"))
	}
	got, err := mask("1", "2", "é")
	want := &Edits{Cells: []uint32{0, 1, 2}, Offsets: []uint32{0, 2, 3, 8}, Data: []byte("a12ßbé")}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := mask("", "\xc3", "\xa9"); err == nil {
		t.Error("a value that is not UTF-8 is taken")
	}
	if _, err := newEdits(2, []string{"one"}); err == nil {
		t.Error("one value for two cells is taken")
	}
}

func TestDecisionsAreChecked(t *testing.T) {
	for _, test := range []struct {
		decision Decision
		good     bool
	}{
		{Allow(), true}, {Denyf("%d of %d", 1, 2), true}, {Hold(Approval{}), true}, {Rewrite("SELECT 1"), true},
		{Decision{}, false}, {Decision{Verdict: 9}, false}, {Hold(Approval{StandsFor: -1}), false},
	} {
		plugin := NewPolicy(func(struct{}) (PolicyFunc, error) {
			return func(*Exchange, *Action) (Decision, error) { return test.decision, nil }, nil
		})
		if _, err := begun(t, plugin, "{}").Decide(&Action{}); (err == nil) != test.good {
			t.Errorf("%+v: %v", test.decision, err)
		}
	}
}

func TestObligationsAddUpInTheWordsOfTheInterface(t *testing.T) {
	base := Allow().WithRowCap(10)
	got := base.WithMask("public.users.ssn", "keep-last:4").Obligations
	base.WithMask("public.users.name", "null")
	want := []Attribute{{"row-cap", "10"}, {"mask", "public.users.ssn=keep-last:4"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestApprovalsStandForWholeSeconds(t *testing.T) {
	for standsFor, want := range map[time.Duration]uint32{
		0: 3600, time.Millisecond: 1, 90 * time.Second: 90, math.MaxInt64: math.MaxUint32,
	} {
		if got := (Approval{StandsFor: standsFor}).TTLSeconds(); got != want {
			t.Errorf("%v: %d", standsFor, got)
		}
	}
}

func TestOffsetsCountBytes(t *testing.T) {
	for characters, want := range []int{0, 1, 3, 7, 8} {
		if got, ok := ByteOffset("aé🜂z", characters); got != want || !ok {
			t.Errorf("%d: %d, %v", characters, got, ok)
		}
	}
	for _, characters := range []int{-1, 5, math.MaxInt} {
		if got, ok := ByteOffset("aé🜂z", characters); ok {
			t.Errorf("%d: %d", characters, got)
		}
	}
}

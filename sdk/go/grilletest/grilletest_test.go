package grilletest

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"grille"
	"grille/clock"
	"grille/egress"
	"grille/internal/toml"
	"grille/keyed"
	"grille/log"
	"grille/state"
)

type settings struct {
	Label grille.Label `json:"label"`
}

var digits = grille.NewDetector(func(s settings) (grille.DetectorFunc, error) {
	number := regexp.MustCompile(`[0-9]+`)
	return func(cell grille.Cell, out *grille.Findings) error {
		out.AddAll(s.Label, number.FindAllStringIndex(cell.Text, -1), 500, grille.Unsupported)
		return nil
	}, nil
})

// recorder is a test that is expected to fail.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, values ...any) {
	r.said = fmt.Sprintf(format, values...)
	runtime.Goexit()
}

func (r *recorder) Error(values ...any) {
	r.said = fmt.Sprint(values...)
}

func (r *recorder) FailNow() {
	runtime.Goexit()
}

func (r *recorder) Cleanup(func()) {}

// fails runs a test that must fail, and gives what it says.
func fails(t *testing.T, test func(t testing.TB)) string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(r)
	}()
	<-done
	if r.said == "" {
		t.Error("the test passes")
	}
	return r.said
}

func TestVectorsAreChecked(t *testing.T) {
	CheckManifest(t, digits)
}

func TestAVectorSaysWhatTheClockShows(t *testing.T) {
	afternoons := grille.NewPolicy(func(struct{}) (grille.PolicyFunc, error) {
		return func(*grille.Exchange, *grille.Action) (grille.Decision, error) {
			if clock.Now().UTC().Hour() < 12 {
				return grille.Deny("in the afternoon"), nil
			}
			return grille.Allow(), nil
		}, nil
	})
	for at, want := range map[string]string{"2026-11-23T10:00:00Z": "deny", "2026-11-23T12:00:00Z": "allow"} {
		checkPolicy(t, afternoons, toml.Table{"at": at, "kind": "select", "expect": want})
	}
	said := fails(t, func(t testing.TB) { vectorTime(t, toml.Table{"at": "2026-11-23T10:00:00+01:00"}) })
	if !strings.Contains(said, "is not like") {
		t.Error(said)
	}
}

func TestAMaskersVectorsAreChecked(t *testing.T) {
	stars := grille.NewMasker(func(struct{}) (grille.MaskEach, error) {
		return func(cell grille.Cell) (string, error) { return strings.Repeat("*", len([]rune(cell.Text))), nil }, nil
	})
	checkMasker(t, stars, toml.Table{"text": "é12", "expect": "***"})
}

func TestFindingsAreNamed(t *testing.T) {
	found := NewDetector(t, digits, "{}").Inspect("é12 3")
	want := Found{Label: "DIGITS", Text: "12", Start: 2, End: 4, Score: 500}
	if len(found) != 2 || found[0] != want {
		t.Errorf("got %+v", found)
	}
}

func TestWhatTheHostWouldRefuseFailsTheTest(t *testing.T) {
	said := fails(t, func(t testing.TB) { NewDetector(t, digits, `{"label": 1}`).Inspect("1") })
	if !strings.Contains(said, "label 1 is not among the 1") {
		t.Error(said)
	}
	said = fails(t, func(t testing.TB) { NewPolicy(t, digits, `{}`) })
	if !strings.Contains(said, "a detector, not a policy") {
		t.Error(said)
	}
	said = fails(t, func(t testing.TB) { NewDetector(t, digits, `{"lable": 1}`) })
	if !strings.Contains(said, "unknown field") {
		t.Error(said)
	}
	said = fails(t, func(t testing.TB) { Refused(t, digits, `{}`) })
	if !strings.Contains(said, "takes the settings") {
		t.Error(said)
	}
	said = fails(t, func(t testing.TB) { grant(t, "teleport") })
	if !strings.Contains(said, "does not declare") {
		t.Error(said)
	}
}

func TestStateFollowsTheClock(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	standing, kept := GrantClock(t, now), GrantState(t)
	if !clock.Now().Equal(now) {
		t.Error(clock.Now())
	}
	count := func(want int64) {
		t.Helper()
		if sum, err := state.Add("n", 2, time.Minute); err != nil || sum != want {
			t.Errorf("%d, %v", sum, err)
		}
	}
	count(2)
	count(4)
	if err := state.Set("k", []byte("v"), time.Second); err != nil {
		t.Error(err)
	}
	if value, found, err := state.Get("k"); string(value) != "v" || !found || err != nil {
		t.Errorf("%q, %v, %v", value, found, err)
	}
	standing.Advance(time.Minute)
	count(2)
	if _, found, _ := state.Get("k"); found {
		t.Error("the value outlives its time")
	}
	kept.Fail(fmt.Errorf("full"))
	if _, err := state.Add("n", 1, time.Minute); err == nil {
		t.Error("a failing state counts")
	}
}

func TestOtherCapabilities(t *testing.T) {
	written := GrantLog(t)
	log.Writef(log.Warn, "%d left", 3)
	if len(written.Messages) != 1 || written.Messages[0] != "3 left" {
		t.Error(written.Messages)
	}
	GrantEgress(t, func(request egress.Request) (*egress.Reply, error) {
		return &egress.Reply{Status: 200, Headers: []egress.Header{{Name: "X-Was", Value: request.Method}}}, nil
	})
	reply, err := egress.Fetch(egress.Request{URL: "https://calendar.example.com/"})
	if err != nil || reply.Status != 200 || reply.Header("x-was") != "GET" {
		t.Errorf("%+v, %v", reply, err)
	}
	if _, err := egress.Fetch(egress.Request{URL: "http://calendar.example.com/"}); err == nil {
		t.Error("a request without TLS is sent")
	}
	GrantKeyed(t)
	values, err := keyed.Transform(keyed.Token, "d", []string{"a", "é", "a"})
	if err != nil || len(values) != 3 || values[0] != values[2] || values[0] == values[1] {
		t.Errorf("%q, %v", values, err)
	}
	if _, err := keyed.Transform("rot13", "d", nil); err == nil {
		t.Error("an unknown method works")
	}
}

func TestACapabilityThatIsNotThereStopsThePlugin(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "capability clock") {
			t.Error(said)
		}
	}()
	clock.Now()
}

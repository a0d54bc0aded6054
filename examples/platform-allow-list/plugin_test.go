package allowlist

import (
	"strings"
	"testing"

	"grille"
	"grille/grilletest"
)

const settingsJSON = `{
	"teams": [
		{"name": "payments", "groups": ["team-payments"], "owns": ["payments", "billing"], "contact": "#payments"},
		{"name": "analytics", "groups": ["analysts", "data-jobs"], "owns": ["marts"], "reads": ["billing"],
		 "verbs": ["read", "insert", "define", "drop"]}
	],
	"shared": ["reference"],
	"contact": "#data-platform"
}`

func TestVectors(t *testing.T) {
	grilletest.CheckManifest(t, Plugin)
}

func relation(name, access string) grille.Object {
	return grille.Object{Kind: "relation", Name: name, Access: access}
}

func TestWhoMayDoWhat(t *testing.T) {
	policy := grilletest.NewPolicy(t, Plugin, settingsJSON)
	for _, test := range []struct {
		groups string
		object grille.Object
		reason string // empty: allowed
	}{
		{"team-payments", relation("payments.refunds", "update"), ""},
		{"team-payments", relation("billing.invoices", "delete"), ""},
		{"analysts", relation("billing.invoices", "read"), ""},
		{"analysts", relation("reference.countries", "read"), ""},
		{"data-jobs", relation("marts.daily", "drop"), ""},
		{"analysts", grille.Object{Kind: "schema", Name: "marts", Access: "define"}, ""},
		{"analysts", grille.Object{Kind: "function", Name: "count", Access: "call"}, ""},
		{"analysts", grille.Object{Kind: "function", Name: "pg_catalog.now", Access: "call"}, ""},
		{"analysts team-payments", relation("payments.refunds", "read"), ""},
		{
			"analysts", relation("payments.refunds", "read"),
			"payments.refunds belongs to team payments; team analytics may not read it; ask #payments",
		},
		{
			"analysts", relation("billing.invoices", "update"),
			"billing.invoices belongs to team payments; team analytics may not update it; ask #payments",
		},
		{
			"interns", relation("marts.daily", "read"),
			"marts.daily belongs to team analytics; zoe is in no team and may not read it; ask #data-platform",
		},
		{
			"team-payments", relation("payments.refunds", "drop"),
			"team payments owns payments.refunds but may not drop it (it may read, insert, update, delete, call, lock); ask #data-platform",
		},
		{
			"analysts", relation("scratch.t", "read"),
			"no team owns schema scratch, so nobody may read scratch.t; ask #data-platform",
		},
		{
			"team-payments", relation("reference.countries", "insert"),
			"no team owns schema reference, so nobody may insert into reference.countries; ask #data-platform",
		},
		{"team-payments", relation("refunds", "read"), "refunds could be in any schema; write schema.refunds; ask #data-platform"},
		{"team-payments", relation("payments.a.b", "read"), "payments.a.b has more parts than a schema and a name; write schema.relation; ask #data-platform"},
		{
			"analysts", grille.Object{Kind: "function", Name: "payments.refund_all", Access: "call"},
			"payments.refund_all belongs to team payments; team analytics may not call it; ask #payments",
		},
		{
			"team-payments", grille.Object{Kind: "role", Name: "admin", Access: "grant"},
			"role admin belongs to no team; teams may not change permissions on it; ask #data-platform",
		},
	} {
		exchange := grille.Exchange{Principal: "zoe", Groups: strings.Fields(test.groups)}
		action := grille.Action{Kind: "statement", Effects: []string{"read"}, Objects: []grille.Object{test.object}}
		decision := policy.Decide(exchange, action)
		if (decision.Verdict == grille.VerdictAllow) != (test.reason == "") || decision.Reason != test.reason {
			t.Errorf("%s, %+v: %s %q, want %q", test.groups, test.object, decision.Verdict, decision.Reason, test.reason)
		}
	}
}

func TestOneForeignTableIsEnough(t *testing.T) {
	policy := grilletest.NewPolicy(t, Plugin, settingsJSON)
	join := grille.Action{
		Kind:    "select",
		Effects: []string{"read"},
		Objects: []grille.Object{relation("billing.invoices", "read"), relation("payments.refunds", "read")},
	}
	if decision := policy.Decide(grille.Exchange{Groups: []string{"analysts"}}, join); decision.Verdict != grille.VerdictDeny {
		t.Errorf("got %s", decision.Verdict)
	}
}

func TestWhatCannotBeJudgedIsDenied(t *testing.T) {
	policy := grilletest.NewPolicy(t, Plugin, settingsJSON)
	for want, action := range map[string]grille.Action{
		"search_path may not be changed, for ownership goes by schema; write schema and name instead; ask #data-platform": {
			Kind: "set", Effects: []string{"session"}, Objects: []grille.Object{{Kind: "setting", Name: "search_path", Access: "set"}},
		},
		"what DO would do cannot be seen beforehand; send the statements themselves; ask #data-platform": {
			Kind: "do", Effects: []string{"execute"},
		},
		"TELEPORT does something (teleport) that this policy cannot judge; ask #data-platform": {
			Kind: "teleport", Effects: []string{"read", "teleport"},
		},
	} {
		if decision := policy.Decide(grille.Exchange{}, action); decision.Verdict != grille.VerdictDeny || decision.Reason != want {
			t.Errorf("%s %q, want %q", decision.Verdict, decision.Reason, want)
		}
	}
}

func TestTheDefaultSchemaIsWhereNamesWithoutOneAre(t *testing.T) {
	const settings = `{"teams": [{"name": "app", "groups": ["app"], "owns": ["public"]}], "default_schema": "public"}`
	policy := grilletest.NewPolicy(t, Plugin, settings)
	action := grille.Action{Kind: "select", Effects: []string{"read"}, Objects: []grille.Object{relation("orders", "read")}}
	for groups, want := range map[string]grille.Verdict{"app": grille.VerdictAllow, "web": grille.VerdictDeny} {
		if decision := policy.Decide(grille.Exchange{Groups: []string{groups}}, action); decision.Verdict != want {
			t.Errorf("%s: %s %q", groups, decision.Verdict, decision.Reason)
		}
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for settings, pointer := range map[string]string{
		`{"teams": [{"name": "a", "groups": ["g"], "owns": ["s"], "verbs": ["look"]}]}`:                                  "/teams/0/verbs/0",
		`{"teams": [{"name": "a", "groups": [], "owns": ["s"]}]}`:                                                        "/teams/0/groups",
		`{"teams": [{"name": "a", "groups": ["g"], "owns": ["s"]}, {"name": "b", "groups": ["h"], "owns": ["t", "s"]}]}`: "/teams/1/owns/1",
		`{"teams": [{"name": "a", "groups": ["g"], "owns": ["s.t"]}]}`:                                                   "/teams/0/owns/0",
		`{"taems": []}`:   "",
		`{"teams": true}`: "",
	} {
		diagnostics := grilletest.Refused(t, Plugin, settings)
		if len(diagnostics) != 1 || diagnostics[0].Pointer != pointer {
			t.Errorf("%s: %v, want %q", settings, diagnostics, pointer)
		}
	}
}

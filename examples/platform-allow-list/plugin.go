// Package allowlist is a policy of a platform team: product teams own schemas of a shared database, and the groups in a
// principal's token say to which teams it belongs. A team may do in its own schemas what its verbs say, read what others opened
// to it, and nothing else. Who is denied is told who owns the thing and where to ask.
//
// This file has the policy; settings.go reads and checks what the operator set, reason.go words refusals.
package allowlist

import (
	"slices"
	"strings"

	"grille"
)

// Plugin is what the gateway runs.
var Plugin = grille.NewPolicy(configure)

// allowList is the configured policy.
type allowList struct {
	teams         []team
	owners        map[string]*team
	shared        []string
	defaultSchema string
	contact       string
}

// effectsJudged are those whose every consequence is among a statement's objects, or concerns the client's own session only.
// `execute` is not: what a DO block does can not be seen. Nor is what a later version of the gateway may add.
var effectsJudged = []string{
	"read", "insert", "update", "delete", "define", "grant", "transaction", "session", "maintain", "copy", "notify", "lock",
}

// Decide denies for the first thing that the principal may not touch.
func (l *allowList) Decide(exchange *grille.Exchange, action *grille.Action) (grille.Decision, error) {
	for _, effect := range action.Effects {
		if !slices.Contains(effectsJudged, effect) {
			return grille.Deny(l.unseen(action, effect)), nil
		}
	}
	mine := l.teamsOf(exchange.Groups)
	for _, object := range action.Objects {
		if reason := l.refusal(mine, exchange, object); reason != "" {
			return grille.Deny(reason), nil
		}
	}
	return grille.Allow(), nil
}

func (l *allowList) teamsOf(groups []string) []*team {
	var mine []*team
	for i := range l.teams {
		if slices.ContainsFunc(l.teams[i].Groups, func(group string) bool { return slices.Contains(groups, group) }) {
			mine = append(mine, &l.teams[i])
		}
	}
	return mine
}

// refusal is why the object may not be touched so, or empty.
func (l *allowList) refusal(mine []*team, exchange *grille.Exchange, object grille.Object) string {
	switch object.Kind {
	case "relation", "type", "schema":
		return l.inSchema(mine, exchange, object)
	case "function":
		// A name without a schema is a built-in function, or one that the server's own search_path leads to: the operator's.
		if !strings.Contains(object.Name, ".") && object.Access == "call" {
			return ""
		}
		return l.inSchema(mine, exchange, object)
	case "setting":
		return l.setting(object)
	case "channel":
		return ""
	default:
		return l.ofThePlatform(object)
	}
}

// setting keeps names meaning what they mean here: a client that changes search_path reaches other schemas under them.
func (l *allowList) setting(object grille.Object) string {
	if object.Access == "set" && (object.Name == "search_path" || object.Name == "*") {
		return l.searchPath()
	}
	return ""
}

func (l *allowList) inSchema(mine []*team, exchange *grille.Exchange, object grille.Object) string {
	schema, known := l.schemaOf(object)
	switch {
	case !known:
		return l.nameless(object)
	case object.Kind == "function" && schema == "pg_catalog" && object.Access == "call":
		return ""
	case object.Access == "read" && (slices.Contains(l.shared, schema) || slices.ContainsFunc(mine, func(t *team) bool { return slices.Contains(t.Reads, schema) })):
		return ""
	}
	owner := l.owners[schema]
	switch {
	case owner == nil:
		return l.ownerless(schema, object)
	case !slices.Contains(mine, owner):
		return l.notYours(owner, mine, exchange, object)
	case !slices.Contains(owner.Verbs, object.Access):
		return l.notAmongVerbs(owner, object)
	}
	return ""
}

// schemaOf is false for names that could be in any schema.
func (l *allowList) schemaOf(object grille.Object) (string, bool) {
	if object.Kind == "schema" {
		return object.Name, true
	}
	schema, rest, qualified := strings.Cut(object.Name, ".")
	switch {
	case !qualified:
		return l.defaultSchema, l.defaultSchema != ""
	case strings.Contains(rest, "."):
		return "", false
	}
	return schema, true
}

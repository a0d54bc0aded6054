package allowlist

import (
	"fmt"
	"strings"

	"grille"
)

// doing are the words for an object's access in a sentence.
var doing = map[string]string{
	"read": "read", "insert": "insert into", "update": "update", "delete": "delete from", "truncate": "truncate",
	"define": "create or alter", "drop": "drop", "grant": "change permissions on", "call": "call", "lock": "lock",
}

func does(access string) string {
	if words, known := doing[access]; known {
		return words
	}
	return access
}

func (l *allowList) unseen(action *grille.Action, effect string) string {
	if effect == "execute" {
		return l.ask("", fmt.Sprintf("what %s would do cannot be seen beforehand; send the statements themselves", strings.ToUpper(action.Kind)))
	}
	return l.ask("", fmt.Sprintf("%s does something (%s) that this policy cannot judge", strings.ToUpper(action.Kind), effect))
}

func (l *allowList) nameless(object grille.Object) string {
	if strings.Contains(object.Name, ".") {
		return l.ask("", fmt.Sprintf("%s has more parts than a schema and a name; write schema.%s", object.Name, object.Kind))
	}
	return l.ask("", fmt.Sprintf("%s could be in any schema; write schema.%s", object.Name, object.Name))
}

func (l *allowList) searchPath() string {
	return l.ask("", "search_path may not be changed, for ownership goes by schema; write schema and name instead")
}

func (l *allowList) ofThePlatform(object grille.Object) string {
	kind := object.Kind
	if kind == "other" {
		kind = "object outside schemas"
	}
	return l.ask("", fmt.Sprintf("%s %s belongs to no team; teams may not %s it", kind, object.Name, does(object.Access)))
}

func (l *allowList) ownerless(schema string, object grille.Object) string {
	return l.ask("", fmt.Sprintf("no team owns schema %s, so nobody may %s %s", schema, does(object.Access), object.Name))
}

func (l *allowList) notYours(owner *team, mine []*team, exchange *grille.Exchange, object grille.Object) string {
	return l.ask(owner.Contact, fmt.Sprintf("%s belongs to team %s; %s may not %s it",
		object.Name, owner.Name, who(mine, exchange), does(object.Access)))
}

func (l *allowList) notAmongVerbs(owner *team, object grille.Object) string {
	return l.ask("", fmt.Sprintf("team %s owns %s but may not %s it (it may %s)",
		owner.Name, object.Name, does(object.Access), strings.Join(owner.Verbs, ", ")))
}

func who(mine []*team, exchange *grille.Exchange) string {
	switch len(mine) {
	case 0:
		return fmt.Sprintf("%s is in no team and", exchange.Principal)
	case 1:
		return "team " + mine[0].Name
	}
	names := make([]string, len(mine))
	for i, team := range mine {
		names[i] = team.Name
	}
	return "teams " + strings.Join(names, ", ")
}

// ask adds where to ask: the owner's contact, else the platform's.
func (l *allowList) ask(contact, why string) string {
	if contact == "" {
		contact = l.contact
	}
	if contact == "" {
		return why
	}
	return why + "; ask " + contact
}

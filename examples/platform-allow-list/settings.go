package allowlist

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"grille"
)

// settings is what the operator sets; settings.schema.json says the same.
type settings struct {
	Teams         []team   `json:"teams"`
	Shared        []string `json:"shared"`
	DefaultSchema string   `json:"default_schema"`
	Contact       string   `json:"contact"`
}

// team owns schemas.
type team struct {
	Name    string   `json:"name"`
	Groups  []string `json:"groups"`
	Owns    []string `json:"owns"`
	Verbs   []string `json:"verbs"`
	Reads   []string `json:"reads"`
	Contact string   `json:"contact"`
}

// verbsDefault are everyday work; the structure of tables and what cannot be undone are asked for by name.
var verbsDefault = []string{"read", "insert", "update", "delete", "call", "lock"}

// verbsAll are the interface's words for an object's access, but for those of settings.
var verbsAll = []string{"read", "insert", "update", "delete", "truncate", "define", "drop", "grant", "call", "lock"}

// sharedAlways describe the database itself, and drivers read them without being asked.
var sharedAlways = []string{"pg_catalog", "information_schema"}

func configure(s settings) (*allowList, error) {
	list := &allowList{
		teams:         s.Teams,
		owners:        map[string]*team{},
		shared:        slices.Concat(sharedAlways, s.Shared),
		defaultSchema: s.DefaultSchema,
		contact:       s.Contact,
	}
	var wrong []error
	for i := range list.teams {
		wrong = append(wrong, list.add(&list.teams[i], fmt.Sprintf("/teams/%d", i))...)
	}
	return list, errors.Join(wrong...)
}

// add takes a team in and gives all that is wrong with it. A verb or a name that never fits would be a closed door that looks
// open, and two owners one that opens for both.
func (l *allowList) add(t *team, pointer string) (wrong []error) {
	complain := func(where, format string, values ...any) {
		wrong = append(wrong, grille.Diagnostic{Pointer: pointer + where, Message: fmt.Sprintf(format, values...)})
	}
	if t.Verbs == nil {
		t.Verbs = verbsDefault
	}
	for i, verb := range t.Verbs {
		if !slices.Contains(verbsAll, verb) {
			complain(fmt.Sprintf("/verbs/%d", i), "%q is none of %s", verb, strings.Join(verbsAll, ", "))
		}
	}
	if len(t.Groups) == 0 {
		complain("/groups", "nobody belongs to team %s", t.Name)
	}
	for i, schema := range t.Owns {
		if owner := l.owners[schema]; owner != nil {
			complain(fmt.Sprintf("/owns/%d", i), "schema %s belongs to team %s already", schema, owner.Name)
		}
		if strings.Contains(schema, ".") {
			complain(fmt.Sprintf("/owns/%d", i), "%q is no name of a schema", schema)
		}
		l.owners[schema] = t
	}
	return wrong
}

package grille

// Attribute is one pair of an open vocabulary. Ignore keys you do not know.
type Attribute struct {
	Key   string
	Value string
}

// Exchange is one client request with its response: the unit of judgement and isolation. A plugin instance sees one exchange
// and is then thrown away, so nothing a plugin remembers reaches another client.
type Exchange struct {
	// ID is unique within one Grille process; the audit record carries it.
	ID uint64
	// Protocol is "postgres"; later "mysql", "http".
	Protocol string
	// Principal is the verified token's subject.
	Principal string
	// PrincipalKind is "human", "workload" or "agent".
	PrincipalKind string
	// Groups are those of the verified token.
	Groups []string
	// Role is the one under which the client works.
	Role string
	// Upstream is the backend's name in the configuration.
	Upstream string
	// Target is the upstream's database or HTTP authority.
	Target string
	// Client is what the client says of itself (application name, user agent). Not verified.
	Client string
	// Attributes are everything else.
	Attributes []Attribute
}

// Field is a column of a result.
type Field struct {
	// Name is the label the client sees; an alias can change it.
	Name string
	// Origin is schema.table.column where the host knows it, else empty; an alias cannot change it.
	Origin string
	// Kind is "text", "integer", "numeric", "uuid", "date", "timestamp", "json", "bytes", …; empty when not known.
	Kind string
}

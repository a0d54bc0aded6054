package grille

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Policy judges what a client asks for, before anything reaches the upstream.
type Policy interface {
	// Decide is the policy's word on one statement. A policy without the capabilities clock, state and egress must be a
	// function of its settings, the exchange and the action: the host remembers its decisions. An error says that the policy
	// cannot judge the statement; the host then denies it, and only the operator sees why.
	Decide(exchange *Exchange, action *Action) (Decision, error)
}

// PolicyFunc is a Policy that is only a function.
type PolicyFunc func(exchange *Exchange, action *Action) (Decision, error)

// Decide calls the function.
func (f PolicyFunc) Decide(exchange *Exchange, action *Action) (Decision, error) {
	return f(exchange, action)
}

// Action is one statement, as the host's own parser understood it. The words are listed in the interface; the lists grow, so
// ignore words you do not know when you allow, and expect them when you deny.
type Action struct {
	// Kind is the command: "select", "insert", "drop table", "alter table", "begin", …
	Kind string
	// Effects are everything it does, CTEs and EXPLAIN ANALYZE included: "read", "insert", "update", "delete", "define", …
	Effects []string
	// Objects are everything it touches.
	Objects []Object
	// Features are noteworthy things: "no-where", "constant-where", "copy-program", …
	Features []string
	// Text is the statement with its literals replaced by parameters.
	Text string
	// Fingerprint is the same for statements that differ in literals only.
	Fingerprint uint64
	// Attributes are everything else.
	Attributes []Attribute
}

// HasEffect says whether the statement does that.
func (a *Action) HasEffect(effect string) bool {
	return slices.Contains(a.Effects, effect)
}

// HasFeature says whether that is noteworthy about the statement.
func (a *Action) HasFeature(feature string) bool {
	return slices.Contains(a.Features, feature)
}

// Object is something a statement touches.
type Object struct {
	// Kind is "relation", "function", "schema", "role", "database", …
	Kind string
	// Name is as written, folded as the server folds it; qualified where the statement qualifies it: "public.users".
	Name string
	// Access is "read", "insert", "update", "delete", "define", "drop", "truncate", "grant", "call", "lock", "set".
	Access string
}

// Verdict is a policy's word on a statement. The zero value is none, and the host denies.
type Verdict uint8

const (
	// VerdictNone: the policy forgot to say anything.
	VerdictNone Verdict = iota
	// VerdictAllow: run it.
	VerdictAllow
	// VerdictDeny: do not run it; Decision.Reason is shown to the client.
	VerdictDeny
	// VerdictHold: run it once somebody has approved it, as Decision.Approval says.
	VerdictHold
	// VerdictRewrite: run Decision.Statement instead.
	VerdictRewrite
)

// String is the word that the vectors of plugin.toml use.
func (v Verdict) String() string {
	words := [...]string{"none", "allow", "deny", "hold", "rewrite"}
	if int(v) >= len(words) {
		return "verdict " + strconv.Itoa(int(v))
	}
	return words[v]
}

// Decision is a verdict, and what must be done if the statement runs.
type Decision struct {
	Verdict Verdict
	// Reason belongs to VerdictDeny.
	Reason string
	// Approval belongs to VerdictHold.
	Approval Approval
	// Statement belongs to VerdictRewrite.
	Statement string
	// Obligations are keys and values; a host that cannot honour one denies.
	Obligations []Attribute
}

// Allow runs the statement.
func Allow() Decision {
	return Decision{Verdict: VerdictAllow}
}

// Deny does not run the statement. The reason is one sentence, shown to the client.
func Deny(reason string) Decision {
	return Decision{Verdict: VerdictDeny, Reason: reason}
}

// Denyf is Deny with a format as in package fmt.
func Denyf(format string, values ...any) Decision {
	return Deny(fmt.Sprintf(format, values...))
}

// Hold runs the statement once somebody has approved it.
func Hold(approval Approval) Decision {
	return Decision{Verdict: VerdictHold, Approval: approval}
}

// Rewrite runs this statement instead.
func Rewrite(statement string) Decision {
	return Decision{Verdict: VerdictRewrite, Statement: statement}
}

// WithRowCap ends the statement, if it runs, with an error after this many rows.
func (d Decision) WithRowCap(rows uint64) Decision {
	return d.with("row-cap", strconv.FormatUint(rows, 10))
}

// WithMask treats the column (schema.table.column), if the statement runs, so: "null", "redact", "keep-last:4", "token".
func (d Decision) WithMask(column, treatment string) Decision {
	return d.with("mask", column+"="+treatment)
}

// with copies the obligations, so that two decisions made from one do not share them.
func (d Decision) with(key, value string) Decision {
	d.Obligations = append(slices.Clone(d.Obligations), Attribute{Key: key, Value: value})
	return d
}

func (d Decision) check() error {
	if d.Verdict == VerdictNone || d.Verdict > VerdictRewrite {
		return errors.New("the policy gave no verdict")
	}
	if d.Verdict == VerdictHold && d.Approval.StandsFor < 0 {
		return errors.New("the approval stands for less than no time")
	}
	return nil
}

// StandsForDefault is how long a request for approval stands unless the policy says otherwise.
const StandsForDefault = time.Hour

// Approval is what an approver is asked.
type Approval struct {
	// Reason is shown to approver and client.
	Reason string
	// Approvers are the groups that may approve; empty leaves it to the role.
	Approvers []string
	// StandsFor is how long the request stands, to the second; 0 is StandsForDefault.
	StandsFor time.Duration
}

// TTLSeconds is StandsFor in the interface's unit: at least one second, at most what fits.
func (a Approval) TTLSeconds() uint32 {
	standsFor := a.StandsFor
	if standsFor == 0 {
		standsFor = StandsForDefault
	}
	seconds := max(int64(standsFor/time.Second), 1)
	return uint32(min(seconds, 1<<32-1))
}

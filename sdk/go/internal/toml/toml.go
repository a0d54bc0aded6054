// Package toml reads the part of TOML 1.0 that plugin.toml uses: tables, arrays of tables, bare and quoted keys, dotted table
// names, one-line strings, integers, floats, booleans, arrays and inline tables. It is for tests; `grille plugin build` has
// a whole reader. What it does not know is an error, never skipped.
package toml

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table is a table; values are string, int64, float64, bool, []any or Table.
type Table = map[string]any

// depthMax bounds the nesting of arrays and inline tables.
const depthMax = 32

// Parse reads a document.
func Parse(document string) (root Table, err error) {
	p := &parser{rest: document, line: 1}
	defer func() {
		if trouble := recover(); trouble != nil {
			syntax, ok := trouble.(syntaxError)
			if !ok {
				panic(trouble)
			}
			root, err = nil, syntax
		}
	}()
	return p.document(), nil
}

type syntaxError string

func (e syntaxError) Error() string {
	return string(e)
}

type parser struct {
	rest string
	line int
}

// fail unwinds to Parse: a parser in which each step can fail reads better so, and the panic never leaves the package.
func (p *parser) fail(format string, values ...any) {
	panic(syntaxError(fmt.Sprintf("line %d: %s", p.line, fmt.Sprintf(format, values...))))
}

func (p *parser) document() Table {
	root := Table{}
	current := root
	for p.skipLines(); p.rest != ""; p.skipLines() {
		switch {
		case p.accept("[["):
			current = p.appendTable(root, p.header("]]"))
		case p.accept("["):
			path := p.header("]")
			current = p.child(p.walk(root, path[:len(path)-1]), path[len(path)-1])
		default:
			p.pair(current)
		}
		p.endOfLine()
	}
	return root
}

func (p *parser) header(end string) []string {
	path := p.keys()
	p.expect(end)
	return path
}

func (p *parser) walk(table Table, path []string) Table {
	for _, key := range path {
		table = p.child(table, key)
	}
	return table
}

// child is the table under a key, or the last one of an array of tables.
func (p *parser) child(table Table, key string) Table {
	switch value := table[key].(type) {
	case nil:
		made := Table{}
		table[key] = made
		return made
	case Table:
		return value
	case []any:
		if len(value) > 0 {
			if last, ok := value[len(value)-1].(Table); ok {
				return last
			}
		}
	}
	p.fail("%s is not a table", key)
	return nil
}

func (p *parser) appendTable(root Table, path []string) Table {
	parent := p.walk(root, path[:len(path)-1])
	key := path[len(path)-1]
	tables, ok := parent[key].([]any)
	if !ok && parent[key] != nil {
		p.fail("%s is not an array of tables", key)
	}
	made := Table{}
	parent[key] = append(tables, made)
	return made
}

func (p *parser) pair(table Table) {
	path := p.keys()
	p.expect("=")
	p.skipSpaces()
	table = p.walk(table, path[:len(path)-1])
	key := path[len(path)-1]
	if _, twice := table[key]; twice {
		p.fail("%s is there twice", key)
	}
	table[key] = p.value(0)
}

func (p *parser) keys() []string {
	path := []string{p.key()}
	for p.accept(".") {
		path = append(path, p.key())
	}
	return path
}

func (p *parser) key() string {
	p.skipSpaces()
	defer p.skipSpaces()
	if strings.HasPrefix(p.rest, `"`) || strings.HasPrefix(p.rest, "'") {
		return p.text()
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return !isBare(r) })
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		p.fail("a key is missing")
	}
	return p.take(end)
}

func isBare(r rune) bool {
	return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

func (p *parser) value(depth int) any {
	if depth > depthMax {
		p.fail("nested too deeply")
	}
	switch {
	case p.rest == "":
		p.fail("a value is missing")
	case p.rest[0] == '"' || p.rest[0] == '\'':
		return p.text()
	case p.accept("["):
		return p.array(depth)
	case p.accept("{"):
		return p.inlineTable(depth)
	}
	return p.scalar()
}

func (p *parser) array(depth int) []any {
	values := []any{}
	for {
		p.skipLines()
		if p.accept("]") {
			return values
		}
		values = append(values, p.value(depth+1))
		p.skipLines()
		if !p.accept(",") {
			p.expect("]")
			return values
		}
	}
}

func (p *parser) inlineTable(depth int) Table {
	table := Table{}
	p.skipSpaces()
	if p.accept("}") {
		return table
	}
	for {
		path := p.keys()
		p.expect("=")
		p.skipSpaces()
		p.walk(table, path[:len(path)-1])[path[len(path)-1]] = p.value(depth + 1)
		p.skipSpaces()
		if !p.accept(",") {
			p.expect("}")
			return table
		}
	}
}

func (p *parser) scalar() any {
	end := strings.IndexAny(p.rest, ",]}# \t\r\n")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.take(end)
	digits := strings.ReplaceAll(word, "_", "")
	switch {
	case word == "true" || word == "false":
		return word == "true"
	case strings.ContainsAny(digits, ".eE") && !strings.HasPrefix(digits, "0x"):
		if float, err := strconv.ParseFloat(digits, 64); err == nil {
			return float
		}
	default:
		if integer, err := strconv.ParseInt(digits, 0, 64); err == nil {
			return integer
		}
	}
	p.fail("%q is no value this reader knows", word)
	return nil
}

func (p *parser) text() string {
	quote := p.rest[:1]
	if strings.HasPrefix(p.rest, quote+quote+quote) {
		p.fail("strings over several lines are not read here")
	}
	p.take(1)
	var text strings.Builder
	for {
		if p.rest == "" || p.rest[0] == '\n' {
			p.fail("a string has no end")
		}
		switch {
		case p.accept(quote):
			return text.String()
		case quote == `"` && p.accept(`\`):
			text.WriteRune(p.escape())
		default:
			_, size := utf8.DecodeRuneInString(p.rest)
			text.WriteString(p.take(size))
		}
	}
}

func (p *parser) escape() rune {
	if p.rest == "" {
		p.fail("a string has no end")
	}
	letter := p.take(1)
	switch letter {
	case "u":
		return p.codePoint(4)
	case "U":
		return p.codePoint(8)
	}
	if at := strings.Index(`btnfr"\`, letter); at >= 0 {
		return rune("\b\t\n\f\r\"\\"[at])
	}
	p.fail(`\%s is no escape`, letter)
	return 0
}

func (p *parser) codePoint(digits int) rune {
	if len(p.rest) < digits {
		p.fail("a string has no end")
	}
	code, err := strconv.ParseUint(p.take(digits), 16, 32)
	if err != nil || !utf8.ValidRune(rune(code)) {
		p.fail("an escape is no character")
	}
	return rune(code)
}

func (p *parser) endOfLine() {
	p.skipSpaces()
	p.skipComment()
	p.accept("\r")
	if p.rest != "" && !p.accept("\n") {
		p.fail("more on the line than belongs there")
	}
}

func (p *parser) skipLines() {
	for {
		p.skipSpaces()
		p.skipComment()
		p.accept("\r")
		if !p.accept("\n") {
			return
		}
	}
}

func (p *parser) skipSpaces() {
	p.rest = strings.TrimLeft(p.rest, " \t")
}

func (p *parser) skipComment() {
	if strings.HasPrefix(p.rest, "#") {
		end := strings.IndexByte(p.rest, '\n')
		if end < 0 {
			end = len(p.rest)
		}
		p.take(end)
	}
}

func (p *parser) expect(token string) {
	p.skipSpaces()
	if !p.accept(token) {
		p.fail("%s is missing", token)
	}
}

func (p *parser) accept(token string) bool {
	if !strings.HasPrefix(p.rest, token) {
		return false
	}
	p.take(len(token))
	return true
}

func (p *parser) take(bytes int) string {
	taken := p.rest[:bytes]
	p.rest = p.rest[bytes:]
	p.line += strings.Count(taken, "\n")
	return taken
}

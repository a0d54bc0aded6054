#include "toml.h"

#include <stdlib.h>
#include <string.h>

typedef struct reader {
    grille_arena *arena;
    grille_text text;
    size_t at;
    const char *message;
} reader;

static bool fail(reader *in, const char *message) {
    if (in->message == NULL) {
        in->message = message;
    }
    return false;
}

static int peek(const reader *in) {
    return in->at < in->text.length ? (unsigned char)in->text.data[in->at] : -1;
}

static bool accept(reader *in, const char *token) {
    size_t length = strlen(token);
    if (in->text.length - in->at < length || memcmp(in->text.data + in->at, token, length) != 0) {
        return false;
    }
    in->at += length;
    return true;
}

static void skip_spaces(reader *in) {
    while (accept(in, " ") || accept(in, "\t")) {
    }
}

static bool expect(reader *in, const char *token, const char *message) {
    skip_spaces(in);
    return accept(in, token) || fail(in, message);
}

static void skip_comment(reader *in) {
    if (peek(in) == '#') {
        while (peek(in) != '\n' && peek(in) >= 0) {
            in->at++;
        }
    }
}

static void skip_lines(reader *in) {
    do {
        skip_spaces(in);
        skip_comment(in);
        accept(in, "\r");
    } while (accept(in, "\n"));
}

/* ---- The tree ---- */

static grille_json *make(reader *in, grille_json_kind kind) {
    grille_json *value = grille_alloc(in->arena, sizeof(grille_json));
    value->kind = kind;
    return value;
}

/* The tree is this reader's own until it is given away as const. */
static grille_json *last_of(const grille_json *parent) {
    grille_json *last = (grille_json *)parent->first;
    while (last != NULL && last->next != NULL) {
        last = (grille_json *)last->next;
    }
    return last;
}

static void add(grille_json *parent, grille_text key, grille_json *value) {
    grille_json *last = last_of(parent);
    value->key = key;
    value->parent = parent;
    value->index = parent->count++;
    if (last == NULL) {
        parent->first = value;
    } else {
        last->next = value;
    }
}

static grille_json *member(const grille_json *table, grille_text key) {
    for (const grille_json *value = table->first; value != NULL; value = value->next) {
        if (grille_text_equal(value->key, key)) {
            return (grille_json *)value;
        }
    }
    return NULL;
}

/* The table under a key, or the last one of an array of tables. */
static grille_json *child(reader *in, grille_json *table, grille_text key) {
    grille_json *value = member(table, key);
    if (value == NULL) {
        value = make(in, GRILLE_JSON_OBJECT);
        add(table, key, value);
    }
    if (value->kind == GRILLE_JSON_ARRAY) {
        value = last_of(value);
    }
    if (value == NULL || value->kind != GRILLE_JSON_OBJECT) {
        fail(in, "a name is that of a table and of something else");
        return NULL;
    }
    return value;
}

static grille_json *append_table(reader *in, grille_json *parent, grille_text key) {
    grille_json *tables = member(parent, key);
    if (tables == NULL) {
        tables = make(in, GRILLE_JSON_ARRAY);
        add(parent, key, tables);
    }
    if (tables->kind != GRILLE_JSON_ARRAY) {
        fail(in, "a name is that of an array of tables and of something else");
        return NULL;
    }
    grille_json *made = make(in, GRILLE_JSON_OBJECT);
    add(tables, (grille_text){ 0 }, made);
    return made;
}

/* ---- Keys and texts ---- */

static bool read_text(reader *in, grille_text *text) {
    char quote = in->text.data[in->at];
    size_t start = in->at++;
    if (accept(in, quote == '"' ? "\"\"" : "''")) {
        return fail(in, "strings over several lines are not read here");
    }
    for (; peek(in) != quote; in->at++) {
        if (peek(in) < 0 || peek(in) == '\n') {
            return fail(in, "a string has no end");
        }
        if (quote == '"' && peek(in) == '\\' && in->at + 1 < in->text.length) {
            in->at++;
        }
    }
    in->at++;
    if (quote == '\'') {
        *text = (grille_text){ in->text.data + start + 1, in->at - start - 2 };
        return true;
    }
    /* The escapes of TOML's basic strings are JSON's, but for \U and JSON's slash. */
    const char *message;
    size_t at;
    grille_text quoted = { in->text.data + start, in->at - start };
    const grille_json *read = grille_json_parse(in->arena, quoted, &message, &at);
    if (read == NULL) {
        return fail(in, message);
    }
    *text = read->text;
    return true;
}

static bool is_bare(int byte) {
    return byte == '-' || byte == '_' || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z');
}

static bool read_key(reader *in, grille_text *key) {
    skip_spaces(in);
    if (peek(in) == '"' || peek(in) == '\'') {
        return read_text(in, key);
    }
    size_t start = in->at;
    while (is_bare(peek(in))) {
        in->at++;
    }
    *key = (grille_text){ in->text.data + start, in->at - start };
    return key->length > 0 || fail(in, "a key is missing");
}

/* Goes down a dotted path up to its last key. */
static grille_json *read_path(reader *in, grille_json *table, grille_text *key) {
    if (!read_key(in, key)) {
        return NULL;
    }
    for (skip_spaces(in); accept(in, "."); skip_spaces(in)) {
        table = child(in, table, *key);
        if (table == NULL || !read_key(in, key)) {
            return NULL;
        }
    }
    return table;
}

/* ---- Values ---- */

static grille_json *read_value(reader *in, size_t depth);

static bool read_pair(reader *in, grille_json *table, size_t depth) {
    grille_text key;
    table = read_path(in, table, &key);
    if (table == NULL || !expect(in, "=", "an equals sign is missing")) {
        return false;
    }
    if (member(table, key) != NULL) {
        return fail(in, "a key is there twice");
    }
    skip_spaces(in);
    grille_json *value = read_value(in, depth + 1);
    if (value == NULL) {
        return false;
    }
    add(table, key, value);
    return true;
}

static grille_json *read_array(reader *in, size_t depth) {
    grille_json *array = make(in, GRILLE_JSON_ARRAY);
    for (;;) {
        skip_lines(in);
        if (accept(in, "]")) {
            return array;
        }
        grille_json *value = read_value(in, depth + 1);
        if (value == NULL) {
            return NULL;
        }
        add(array, (grille_text){ 0 }, value);
        skip_lines(in);
        if (!accept(in, ",")) {
            return expect(in, "]", "an array has no end") ? array : NULL;
        }
    }
}

static grille_json *read_inline_table(reader *in, size_t depth) {
    grille_json *table = make(in, GRILLE_JSON_OBJECT);
    skip_spaces(in);
    if (accept(in, "}")) {
        return table;
    }
    do {
        if (!read_pair(in, table, depth)) {
            return NULL;
        }
        skip_spaces(in);
    } while (accept(in, ","));
    return expect(in, "}", "an inline table has no end") ? table : NULL;
}

/* Numbers and booleans as JSON has them, with TOML's underscores. */
static grille_json *read_scalar(reader *in) {
    char word[64];
    size_t length = 0;
    while (is_bare(peek(in)) || peek(in) == '.' || peek(in) == '+') {
        if (length == sizeof(word)) {
            fail(in, "a value is too long");
            return NULL;
        }
        if (peek(in) != '_') {
            word[length++] = (char)peek(in);
        }
        in->at++;
    }
    const char *message;
    size_t at;
    const grille_json *value = grille_json_parse(in->arena, (grille_text){ word, length }, &message, &at);
    if (value == NULL || value->kind == GRILLE_JSON_NULL) {
        fail(in, "a value is missing, or none that this reader knows");
        return NULL;
    }
    return (grille_json *)value;
}

static grille_json *read_value(reader *in, size_t depth) {
    if (depth > GRILLE_JSON_DEPTH_MAX) {
        fail(in, "nested too deeply");
        return NULL;
    }
    if (peek(in) == '"' || peek(in) == '\'') {
        grille_json *value = make(in, GRILLE_JSON_TEXT);
        return read_text(in, &value->text) ? value : NULL;
    }
    if (accept(in, "[")) {
        return read_array(in, depth);
    }
    if (accept(in, "{")) {
        return read_inline_table(in, depth);
    }
    return read_scalar(in);
}

/* ---- The document ---- */

static grille_json *read_header(reader *in, grille_json *root) {
    bool appends = accept(in, "[");
    grille_text key;
    grille_json *parent = read_path(in, root, &key);
    if (parent == NULL || !expect(in, appends ? "]]" : "]", "a bracket is missing")) {
        return NULL;
    }
    return appends ? append_table(in, parent, key) : child(in, parent, key);
}

static bool end_of_line(reader *in) {
    skip_spaces(in);
    skip_comment(in);
    accept(in, "\r");
    return peek(in) < 0 || accept(in, "\n") || fail(in, "more on the line than belongs there");
}

static size_t line_of(const reader *in) {
    size_t line = 1;
    for (size_t i = 0; i < in->at && i < in->text.length; i++) {
        line += in->text.data[i] == '\n';
    }
    return line;
}

const grille_json *grille_toml_parse(grille_arena *arena, grille_text document, const char **message, size_t *line) {
    reader in = { .arena = arena, .text = document };
    grille_json *root = make(&in, GRILLE_JSON_OBJECT);
    grille_json *current = root;
    if (!grille_text_is_utf8(document)) {
        fail(&in, "not UTF-8");
    }
    for (skip_lines(&in); in.message == NULL && peek(&in) >= 0; skip_lines(&in)) {
        if (accept(&in, "[")) {
            current = read_header(&in, root);
        } else {
            read_pair(&in, current, 0);
        }
        if (in.message == NULL) {
            end_of_line(&in);
        }
    }
    *message = in.message;
    *line = line_of(&in);
    return in.message == NULL ? root : NULL;
}

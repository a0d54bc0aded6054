/* JSON (RFC 8259) into a tree in an arena, and settings out of it. Bounded in bytes and depth; numbers are read to about 15
 * digits, integers exactly. */
#include "grille.h"

#include <string.h>

typedef struct reader {
    grille_arena *arena;
    grille_text text;
    size_t at;
    const char *message;
} reader;

static grille_json *read_value(reader *in, size_t depth);

static void *fail(reader *in, const char *message) {
    if (in->message == NULL) {
        in->message = message;
    }
    return NULL;
}

static int peek(const reader *in) {
    return in->at < in->text.length ? (unsigned char)in->text.data[in->at] : -1;
}

static bool accept(reader *in, char byte) {
    if (peek(in) != (unsigned char)byte) {
        return false;
    }
    in->at++;
    return true;
}

static void skip_spaces(reader *in) {
    while (accept(in, ' ') || accept(in, '\t') || accept(in, '\n') || accept(in, '\r')) {
    }
}

static grille_json *make(reader *in, grille_json_kind kind) {
    grille_json *value = grille_alloc(in->arena, sizeof(grille_json));
    value->kind = kind;
    return value;
}

static grille_json *read_word(reader *in) {
    static const struct {
        grille_text word;
        grille_json_kind kind;
        bool boolean;
    } words[] = {
        { { "null", 4 }, GRILLE_JSON_NULL, false },
        { { "true", 4 }, GRILLE_JSON_BOOLEAN, true },
        { { "false", 5 }, GRILLE_JSON_BOOLEAN, false },
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t length = words[i].word.length;
        if (in->text.length - in->at >= length && memcmp(in->text.data + in->at, words[i].word.data, length) == 0) {
            in->at += length;
            grille_json *value = make(in, words[i].kind);
            value->boolean = words[i].boolean;
            return value;
        }
    }
    return fail(in, "a value is missing");
}

/* ---- Numbers ---- */

static bool is_digit(int byte) {
    return byte >= '0' && byte <= '9';
}

/* Digits as a double, and as an integer while they fit one; how many there were. */
static size_t read_digits(reader *in, double *number, uint64_t *integer, bool *fits) {
    size_t count = 0;
    for (; is_digit(peek(in)); count++) {
        unsigned digit = (unsigned)(peek(in) - '0');
        *fits = *fits && *integer <= (UINT64_MAX - digit) / 10;
        *integer = *integer * 10 + digit;
        *number = *number * 10 + digit;
        in->at++;
    }
    return count;
}

/* Beyond this a double is 0 or infinite whatever its digits, so more need not be counted. */
enum { EXPONENT_MAX = 700 };

static bool read_exponent(reader *in, int *exponent) {
    bool negative = accept(in, '-');
    if (!negative) {
        accept(in, '+');
    }
    double ignored = 0;
    uint64_t digits = 0;
    bool fits = true;
    if (read_digits(in, &ignored, &digits, &fits) == 0) {
        return false;
    }
    int bounded = !fits || digits > EXPONENT_MAX ? EXPONENT_MAX : (int)digits;
    *exponent += negative ? -bounded : bounded;
    return true;
}

static double scaled(double number, int exponent) {
    for (; exponent > 0 && number != 0; exponent--) {
        number *= 10;
    }
    for (; exponent < 0 && number != 0; exponent++) {
        number /= 10;
    }
    return number;
}

static grille_json *read_number(reader *in) {
    bool negative = accept(in, '-');
    bool zero_first = peek(in) == '0';
    bool fits = true;
    uint64_t integer = 0;
    int exponent = 0;
    grille_json *value = make(in, GRILLE_JSON_NUMBER);
    size_t digits = read_digits(in, &value->number, &integer, &fits);
    if (digits == 0 || (zero_first && digits > 1)) {
        return fail(in, "a number is malformed");
    }
    value->whole = peek(in) != '.' && peek(in) != 'e' && peek(in) != 'E';
    if (accept(in, '.')) {
        size_t decimals = read_digits(in, &value->number, &integer, &fits);
        if (decimals == 0) {
            return fail(in, "a number is malformed");
        }
        exponent = decimals > EXPONENT_MAX ? -EXPONENT_MAX : -(int)decimals;
    }
    if ((accept(in, 'e') || accept(in, 'E')) && !read_exponent(in, &exponent)) {
        return fail(in, "a number is malformed");
    }
    value->number = scaled(negative ? -value->number : value->number, exponent);
    value->whole = value->whole && fits && integer <= (uint64_t)INT64_MAX;
    if (value->whole) {
        value->integer = negative ? -(int64_t)integer : (int64_t)integer;
    }
    return value;
}

/* ---- Texts ---- */

static bool read_hexadecimal(reader *in, uint32_t *unit) {
    *unit = 0;
    for (size_t i = 0; i < 4; i++) {
        int byte = peek(in);
        int lower = byte | 0x20;
        if (is_digit(byte)) {
            *unit = *unit * 16 + (uint32_t)(byte - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            *unit = *unit * 16 + (uint32_t)(lower - 'a' + 10);
        } else {
            return false;
        }
        in->at++;
    }
    return true;
}

/* \uXXXX, or two of them that are a surrogate pair; behind the `u`. */
static bool read_code_point(reader *in, uint32_t *code) {
    if (!read_hexadecimal(in, code) || (*code >= 0xdc00 && *code <= 0xdfff)) {
        return false;
    }
    if (*code < 0xd800 || *code > 0xdbff) {
        return true;
    }
    uint32_t low;
    if (!accept(in, '\\') || !accept(in, 'u') || !read_hexadecimal(in, &low) || low < 0xdc00 || low > 0xdfff) {
        return false;
    }
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static size_t encode(uint32_t code, char *out) {
    static const unsigned char first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(first[length] | code);
    return length;
}

/* Behind the backslash; the number of bytes written, 0 if it is no escape. */
static size_t read_escape(reader *in, char *out) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    uint32_t code;
    if (accept(in, 'u')) {
        return read_code_point(in, &code) ? encode(code, out) : 0;
    }
    int letter = peek(in);
    const char *known = letter > 0 ? strchr(letters, letter) : NULL;
    if (known == NULL) {
        return 0;
    }
    in->at++;
    out[0] = meanings[known - letters];
    return 1;
}

static bool read_text(reader *in, grille_text *text) {
    if (!accept(in, '"')) {
        fail(in, "a name in quotes is missing");
        return false;
    }
    /* An escape is never shorter than what it stands for, so the text has room where it was written. */
    const char *end = memchr(in->text.data + in->at, '"', in->text.length - in->at);
    while (end != NULL && end[-1] == '\\') {
        size_t next = (size_t)(end - in->text.data) + 1;
        end = memchr(in->text.data + next, '"', in->text.length - next);
    }
    size_t room = end == NULL ? in->text.length - in->at : (size_t)(end - in->text.data) - in->at;
    char *out = grille_alloc(in->arena, room + 1);
    size_t length = 0;
    while (!accept(in, '"')) {
        int byte = peek(in);
        if (byte < 0x20) {
            fail(in, "a text has no end, or a control character in it");
            return false;
        }
        in->at++;
        size_t written = 1;
        if (byte == '\\') {
            written = read_escape(in, out + length);
        } else {
            out[length] = (char)byte;
        }
        if (written == 0) {
            fail(in, "an escape in a text is malformed");
            return false;
        }
        length += written;
    }
    *text = (grille_text){ out, length };
    return true;
}

/* ---- Arrays and objects ---- */

typedef struct list {
    grille_json *parent;
    grille_json *last;
} list;

static void add(list *to, grille_json *value) {
    value->parent = to->parent;
    value->index = to->parent->count++;
    if (to->last == NULL) {
        to->parent->first = value;
    } else {
        to->last->next = value;
    }
    to->last = value;
}

static grille_json *read_array(reader *in, size_t depth) {
    list to = { .parent = make(in, GRILLE_JSON_ARRAY) };
    skip_spaces(in);
    if (accept(in, ']')) {
        return to.parent;
    }
    do {
        grille_json *value = read_value(in, depth + 1);
        if (value == NULL) {
            return NULL;
        }
        add(&to, value);
        skip_spaces(in);
    } while (accept(in, ','));
    return accept(in, ']') ? to.parent : fail(in, "an array has no end");
}

static const grille_json *member(const grille_json *object, grille_text key) {
    if (object == NULL || object->kind != GRILLE_JSON_OBJECT) {
        return NULL;
    }
    for (const grille_json *value = object->first; value != NULL; value = value->next) {
        if (grille_text_equal(value->key, key)) {
            return value;
        }
    }
    return NULL;
}

static grille_json *read_object(reader *in, size_t depth) {
    list to = { .parent = make(in, GRILLE_JSON_OBJECT) };
    skip_spaces(in);
    if (accept(in, '}')) {
        return to.parent;
    }
    do {
        grille_text key;
        skip_spaces(in);
        if (!read_text(in, &key)) {
            return NULL;
        }
        /* Readers differ in which of two they take, and the host's may have checked the other one. */
        if (member(to.parent, key) != NULL) {
            return fail(in, "a key is there twice");
        }
        skip_spaces(in);
        if (!accept(in, ':')) {
            return fail(in, "a colon is missing");
        }
        grille_json *value = read_value(in, depth + 1);
        if (value == NULL) {
            return NULL;
        }
        value->key = key;
        add(&to, value);
        skip_spaces(in);
    } while (accept(in, ','));
    return accept(in, '}') ? to.parent : fail(in, "an object has no end");
}

static grille_json *read_value(reader *in, size_t depth) {
    if (depth > GRILLE_JSON_DEPTH_MAX) {
        return fail(in, "nested too deeply");
    }
    skip_spaces(in);
    int byte = peek(in);
    if (byte == '-' || is_digit(byte)) {
        return read_number(in);
    }
    if (byte == '"') {
        grille_json *value = make(in, GRILLE_JSON_TEXT);
        return read_text(in, &value->text) ? value : NULL;
    }
    if (accept(in, '[')) {
        return read_array(in, depth);
    }
    if (accept(in, '{')) {
        return read_object(in, depth);
    }
    return read_word(in);
}

const grille_json *grille_json_parse(grille_arena *arena, grille_text document, const char **message, size_t *at) {
    reader in = { .arena = arena, .text = document };
    const grille_json *root = NULL;
    if (document.length > GRILLE_JSON_BYTES_MAX) {
        fail(&in, "longer than this reader reads");
    } else if (!grille_text_is_utf8(document)) {
        fail(&in, "not UTF-8");
    } else {
        root = read_value(&in, 0);
        skip_spaces(&in);
        if (root != NULL && in.at < document.length) {
            root = fail(&in, "more than one value");
        }
    }
    *message = in.message;
    *at = in.at;
    return root;
}

const grille_json *grille_json_member(const grille_json *object, const char *key) {
    return member(object, grille_text_of(key));
}

/* RFC 6901, section 3: `~` is written `~0` and `/` is written `~1`. */
static void append_escaped(grille_buffer *out, grille_text key) {
    for (size_t i = 0; i < key.length; i++) {
        switch (key.data[i]) {
        case '~':
            grille_append(out, GRILLE_TEXT("~0"));
            break;
        case '/':
            grille_append(out, GRILLE_TEXT("~1"));
            break;
        default:
            grille_append(out, (grille_text){ key.data + i, 1 });
        }
    }
}

static void append_pointer(grille_buffer *out, const grille_json *value) {
    if (value == NULL || value->parent == NULL) {
        return;
    }
    append_pointer(out, value->parent);
    grille_append(out, GRILLE_TEXT("/"));
    if (value->parent->kind == GRILLE_JSON_ARRAY) {
        grille_append(out, grille_decimal(out->arena, value->index));
    } else {
        append_escaped(out, value->key);
    }
}

grille_text grille_json_pointer(grille_arena *arena, const grille_json *value) {
    grille_buffer out = { .arena = arena };
    append_pointer(&out, value);
    return (grille_text){ out.data, out.length };
}

/* ---- Settings ---- */

bool grille_complain(grille_settings *settings, const grille_json *value, grille_text message) {
    grille_diagnostic *diagnostic = grille_alloc(settings->arena, sizeof(grille_diagnostic));
    diagnostic->pointer = grille_json_pointer(settings->arena, value);
    diagnostic->message = grille_copy(settings->arena, message);
    if (settings->last == NULL) {
        settings->first = diagnostic;
    } else {
        settings->last->next = diagnostic;
    }
    settings->last = diagnostic;
    return false;
}

bool grille_complained(const grille_settings *settings) {
    return settings->first != NULL;
}

/* The member if it is there and of the kind; complains of one of another kind. */
static const grille_json *typed(grille_settings *settings, const grille_json *object, const char *key,
                                grille_json_kind kind, const char *expected, bool *fine) {
    const grille_json *value = grille_json_member(object, key);
    *fine = value == NULL || value->kind == kind || grille_complain(settings, value, grille_text_of(expected));
    return *fine ? value : NULL;
}

bool grille_read_text(grille_settings *settings, const grille_json *object, const char *key, grille_text *out) {
    bool fine;
    const grille_json *value = typed(settings, object, key, GRILLE_JSON_TEXT, "must be a text", &fine);
    if (value != NULL) {
        *out = value->text;
    }
    return fine;
}

bool grille_read_boolean(grille_settings *settings, const grille_json *object, const char *key, bool *out) {
    bool fine;
    const grille_json *value = typed(settings, object, key, GRILLE_JSON_BOOLEAN, "must be true or false", &fine);
    if (value != NULL) {
        *out = value->boolean;
    }
    return fine;
}

bool grille_read_integer(grille_settings *settings, const grille_json *object, const char *key, int64_t min, int64_t max,
                         int64_t *out) {
    bool fine;
    const grille_json *value = typed(settings, object, key, GRILLE_JSON_NUMBER, "must be a number", &fine);
    if (value == NULL) {
        return fine;
    }
    if (!value->whole || value->integer < min || value->integer > max) {
        return grille_complain(settings, value, GRILLE_TEXT("must be a whole number within its limits"));
    }
    *out = value->integer;
    return true;
}

bool grille_read_array(grille_settings *settings, const grille_json *object, const char *key, const grille_json **out) {
    bool fine;
    const grille_json *value = typed(settings, object, key, GRILLE_JSON_ARRAY, "must be an array", &fine);
    if (value != NULL) {
        *out = value;
    }
    return fine;
}

bool grille_only_keys(grille_settings *settings, const grille_json *object, const char *const *keys, size_t count) {
    if (object == NULL || object->kind != GRILLE_JSON_OBJECT) {
        return grille_complain(settings, object, GRILLE_TEXT("must be an object"));
    }
    bool all_known = true;
    for (const grille_json *value = object->first; value != NULL; value = value->next) {
        bool known = false;
        for (size_t i = 0; i < count && !known; i++) {
            known = grille_text_equal(value->key, grille_text_of(keys[i]));
        }
        all_known = (known || grille_complain(settings, value, GRILLE_TEXT("there is no such setting"))) && all_known;
    }
    return all_known;
}

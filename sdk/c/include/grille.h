/* Write plugins of Grille, the policy proxy, in C.
 *
 * A plugin is one constant, `grille_plugin`, that names its functions:
 *
 *     const struct grille_plugin grille_plugin = { .configure = configure, .inspect = inspect };
 *
 * With `inspect` it is a detector (finds sensitive data in cells), with `mask` a masker (makes new values for cells), with
 * `decide` a policy (judges statements before they run). Exactly one of the three is set.
 *
 * Every function returns true, or false after it said why with grille_fail or grille_complain. Whatever goes wrong, a trap
 * included, the host fails closed: a statement is denied, a field is treated as sensitive, a value is replaced.
 *
 * Memory comes from arenas and is never freed by hand: that of `configure` lives as long as the plugin, that of a call until
 * the call returns. There are no globals to set and nothing to clean up. A component has no files, no output, no time and no
 * randomness: stdio, assert, time and rand do not link into one.
 */
#ifndef GRILLE_H
#define GRILLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Text ---- */

/* UTF-8 with a length; not terminated by zero. */
typedef struct grille_text {
    const char *data;
    size_t length;
} grille_text;

/* The text of a string literal. */
#define GRILLE_TEXT(literal) ((grille_text){ "" literal, sizeof(literal) - 1 })

/* The text of a string that ends with zero. */
grille_text grille_text_of(const char *string);
bool grille_text_equal(grille_text a, grille_text b);
/* Whether the bytes are UTF-8 (RFC 3629: no surrogates, nothing overlong). */
bool grille_text_is_utf8(grille_text text);
/* Whether no character is cut at the byte offset; the text's two ends are boundaries. */
bool grille_text_is_boundary(grille_text text, size_t offset);
/* The byte offset of a character, counted from 0, for those who count characters; SIZE_MAX if there are fewer. */
size_t grille_text_byte_offset(grille_text text, size_t characters);

/* ---- Memory ---- */

typedef struct grille_arena grille_arena;

/* Zeroed and aligned for anything; traps when memory ends, and the host fails closed. */
void *grille_alloc(grille_arena *arena, size_t size);
/* The same for an array; traps when the product overflows. */
void *grille_alloc_array(grille_arena *arena, size_t count, size_t size);
/* A copy, with a zero behind it. */
grille_text grille_copy(grille_arena *arena, grille_text text);
/* All texts one behind the other: GRILLE_JOIN(arena, GRILLE_TEXT("no such table: "), name). */
#define GRILLE_JOIN(arena, ...)                                                                                        \
    grille_join((arena), (const grille_text[]){ __VA_ARGS__ },                                                         \
                sizeof((const grille_text[]){ __VA_ARGS__ }) / sizeof(grille_text))
grille_text grille_join(grille_arena *arena, const grille_text *texts, size_t count);
/* A number in decimal digits. */
grille_text grille_decimal(grille_arena *arena, uint64_t number);

/* ---- JSON ---- */

enum {
    /* Deepest nesting that is read; what is deeper is an error. */
    GRILLE_JSON_DEPTH_MAX = 32,
    /* Longest document that is read, in bytes. */
    GRILLE_JSON_BYTES_MAX = 1 << 20,
};

typedef enum grille_json_kind {
    GRILLE_JSON_NULL,
    GRILLE_JSON_BOOLEAN,
    GRILLE_JSON_NUMBER,
    GRILLE_JSON_TEXT,
    GRILLE_JSON_ARRAY,
    GRILLE_JSON_OBJECT,
} grille_json_kind;

/* A JSON value (RFC 8259). The members of an array or object are a list: from `first`, along `next`. */
typedef struct grille_json {
    grille_json_kind kind;
    bool boolean;
    /* Whether the number is an integer that fits `integer`. */
    bool whole;
    int64_t integer;
    /* To about 15 digits. */
    double number;
    grille_text text;
    const struct grille_json *first;
    size_t count;

    /* Where it stands: its name in an object, its index in an array. */
    grille_text key;
    size_t index;
    const struct grille_json *parent;
    const struct grille_json *next;
} grille_json;

/* Null, with a message and the byte where it went wrong, if it is no JSON. A key that is there twice is an error. */
const grille_json *grille_json_parse(grille_arena *arena, grille_text document, const char **message, size_t *at);
/* An object's member, or null. Null in, null out. */
const grille_json *grille_json_member(const grille_json *object, const char *key);
/* The RFC 6901 pointer from the root to the value. */
grille_text grille_json_pointer(grille_arena *arena, const grille_json *value);

/* ---- Settings ---- */

/* What `configure` works with. */
typedef struct grille_settings {
    /* Lives as long as the plugin: what the plugin keeps is allocated here. */
    grille_arena *arena;
    /* What the operator set; it fits the schema that plugin.toml names. */
    const grille_json *root;
    /* For the SDK. */
    struct grille_diagnostic *first, *last;
} grille_settings;

/* What is wrong with the settings, at an RFC 6901 pointer into them. */
typedef struct grille_diagnostic {
    grille_text pointer;
    grille_text message;
    struct grille_diagnostic *next;
} grille_diagnostic;

/* Complains about a value (null: about the whole) in one sentence for the operator; returns false. Complain of everything that
 * is wrong before you return. */
bool grille_complain(grille_settings *settings, const grille_json *value, grille_text message);
/* Whether there are complaints. */
bool grille_complained(const grille_settings *settings);

/* These read a member of an object into `out`. One that is not there leaves `out` as it was, which is the place for defaults;
 * one of another type is a complaint and false. */
bool grille_read_text(grille_settings *settings, const grille_json *object, const char *key, grille_text *out);
bool grille_read_boolean(grille_settings *settings, const grille_json *object, const char *key, bool *out);
bool grille_read_integer(grille_settings *settings, const grille_json *object, const char *key, int64_t min, int64_t max,
                         int64_t *out);
bool grille_read_array(grille_settings *settings, const grille_json *object, const char *key, const grille_json **out);
/* Complains about members under other keys: a setting that is silently ignored could have been a rule. */
#define GRILLE_ONLY_KEYS(settings, object, ...)                                                                        \
    grille_only_keys((settings), (object), (const char *const[]){ __VA_ARGS__ },                                       \
                     sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))
bool grille_only_keys(grille_settings *settings, const grille_json *object, const char *const *keys, size_t count);

/* ---- The exchange ---- */

/* One pair of an open vocabulary. Ignore keys you do not know. */
typedef struct grille_attribute {
    grille_text key;
    grille_text value;
} grille_attribute;

/* One client request with its response: the unit of judgement and isolation. A plugin instance sees one exchange and is then
 * thrown away, so nothing a plugin remembers reaches another client. */
typedef struct grille_exchange {
    /* Unique within one Grille process; the audit record carries it. */
    uint64_t id;
    /* `postgres`; later `mysql`, `http`. */
    grille_text protocol;
    /* The verified token's subject. */
    grille_text principal;
    /* `human`, `workload` or `agent`. */
    grille_text principal_kind;
    /* The verified token's groups. */
    const grille_text *groups;
    size_t groups_count;
    /* The role under which the client works. */
    grille_text role;
    /* The backend's name in the configuration. */
    grille_text upstream;
    /* The upstream's database or HTTP authority. */
    grille_text target;
    /* What the client says of itself (application name, user agent). Not verified. */
    grille_text client;
    /* Everything else. */
    const grille_attribute *attributes;
    size_t attributes_count;
} grille_exchange;

/* A column of a result. */
typedef struct grille_field {
    /* The label the client sees; an alias can change it. */
    grille_text name;
    /* `schema.table.column` where the host knows it, else empty; an alias cannot change it. */
    grille_text origin;
    /* `text`, `integer`, `numeric`, `uuid`, `date`, `timestamp`, `json`, `bytes`, …; empty when not known. */
    grille_text kind;
} grille_field;

/* What every call works with. */
typedef struct grille_call {
    /* Lives until the call returns. */
    grille_arena *arena;
    const grille_exchange *exchange;
    const grille_field *fields;
    size_t fields_count;
    /* For the SDK. */
    grille_text failure;
    bool failed;
    struct grille_findings *findings;
} grille_call;

/* Says why the plugin cannot do its work; returns false. For the operator's log: the client never sees it, and it must not
 * repeat cell contents. */
bool grille_fail(grille_call *call, grille_text message);

/* ---- Detectors and maskers ---- */

/* One value of a result, as text. */
typedef struct grille_cell {
    /* UTF-8. Never NULL; empty if it is an empty text or if the host's gate cleared it. */
    grille_text text;
    /* The column it belongs to. */
    const grille_field *field;
    /* Its row within the block. Blocks are cut anywhere, so the number means nothing across calls. */
    uint32_t row;
} grille_cell;

enum { GRILLE_SCORE_MAX = 1000 };

/* What speaks for a finding besides its shape; joined by |. */
enum {
    GRILLE_SUPPORT_NONE = 0,
    /* A check digit or checksum held. */
    GRILLE_SUPPORT_CHECKED = 1,
    /* The usual separators were there (123-45-6789). */
    GRILLE_SUPPORT_SEPARATED = 2,
    /* A context word stands beside it in the same text. */
    GRILLE_SUPPORT_CONTEXT = 4,
};

/* Adds a finding in the cell under inspection, from byte `start` up to byte `end`. `label` is an index into the [[labels]] of
 * plugin.toml, `score` 0 to GRILLE_SCORE_MAX (more counts as that). A place that is no part of the cell, is empty or cuts a
 * character in two is a failure (and false): the host would fail closed on it. Overlapping findings are resolved by the host
 * (higher score, then longer). */
bool grille_found(grille_call *call, uint32_t label, size_t start, size_t end, uint32_t score, uint32_t support);

/* Bytes that grow. */
typedef struct grille_buffer {
    grille_arena *arena;
    char *data;
    size_t length, capacity;
} grille_buffer;

void grille_append(grille_buffer *buffer, grille_text text);

/* ---- Policies ---- */

/* Something a statement touches. */
typedef struct grille_object {
    /* `relation`, `function`, `schema`, `role`, `database`, … */
    grille_text kind;
    /* As written, folded as the server folds it; qualified where the statement qualifies it: `public.users`. */
    grille_text name;
    /* `read`, `insert`, `update`, `delete`, `define`, `drop`, `truncate`, `grant`, `call`, `lock`, `set`. */
    grille_text access;
} grille_object;

/* One statement, as the host's own parser understood it. The words are listed in the interface; the lists grow, so ignore words
 * you do not know when you allow, and expect them when you deny. */
typedef struct grille_action {
    /* The command: `select`, `insert`, `drop table`, `alter table`, `begin`, … */
    grille_text kind;
    /* Everything it does, CTEs and EXPLAIN ANALYZE included: `read`, `insert`, `update`, `delete`, `define`, … */
    const grille_text *effects;
    size_t effects_count;
    /* Everything it touches. */
    const grille_object *objects;
    size_t objects_count;
    /* Noteworthy things: `no-where`, `constant-where`, `copy-program`, … */
    const grille_text *features;
    size_t features_count;
    /* The statement with its literals replaced by parameters. */
    grille_text text;
    /* The same for statements that differ in literals only. */
    uint64_t fingerprint;
    /* Everything else. */
    const grille_attribute *attributes;
    size_t attributes_count;
} grille_action;

bool grille_has_effect(const grille_action *action, const char *effect);
bool grille_has_feature(const grille_action *action, const char *feature);

/* A policy's word on a statement. The zero value is none, and the host denies. */
typedef enum grille_verdict {
    GRILLE_VERDICT_NONE,
    GRILLE_VERDICT_ALLOW,
    GRILLE_VERDICT_DENY,
    GRILLE_VERDICT_HOLD,
    GRILLE_VERDICT_REWRITE,
} grille_verdict;

enum {
    /* How long a request for approval stands unless the policy says otherwise. */
    GRILLE_TTL_S_DEFAULT = 3600,
    /* More obligations than any statement needs. */
    GRILLE_OBLIGATIONS_MAX = 64,
};

/* What an approver is asked. */
typedef struct grille_approval {
    /* Shown to approver and client. */
    grille_text reason;
    /* Groups that may approve; none leaves it to the role. */
    const grille_text *approvers;
    size_t approvers_count;
    /* How long the request stands, in seconds; 0 is GRILLE_TTL_S_DEFAULT. */
    uint32_t ttl_s;
} grille_approval;

/* A verdict, and what must be done if the statement runs. */
typedef struct grille_decision {
    grille_verdict verdict;
    /* Of a denial: shown to the client. */
    grille_text reason;
    grille_approval approval;
    /* Of a rewrite: what runs instead. */
    grille_text statement;
    grille_attribute obligations[GRILLE_OBLIGATIONS_MAX];
    size_t obligations_count;
} grille_decision;

/* These fill `decision`, and return true: `return grille_deny(decision, GRILLE_TEXT("…"));`. */
bool grille_allow(grille_decision *decision);
bool grille_deny(grille_decision *decision, grille_text reason);
bool grille_hold(grille_decision *decision, grille_approval approval);
bool grille_rewrite(grille_decision *decision, grille_text statement);
/* If it runs, it ends with an error after this many rows. */
bool grille_with_row_cap(grille_call *call, grille_decision *decision, uint64_t rows);
/* If it runs, the column (`schema.table.column`) is treated so: `null`, `redact`, `keep-last:4`, `token`. */
bool grille_with_mask(grille_call *call, grille_decision *decision, grille_text column, grille_text treatment);

/* ---- Capabilities ----
 * Each is declared with a reason under [[capabilities]] in plugin.toml, or the plugin does not link. */

typedef enum grille_level {
    GRILLE_TRACE, /* Every step. */
    GRILLE_DEBUG, /* For the plugin's author. */
    GRILLE_INFO,  /* For the operator, in good times. */
    GRILLE_WARN,  /* Somebody should look some day. */
    GRILLE_ERROR, /* Somebody should look now. */
} grille_level;

/* `log`, of policies: cut at 1 KiB and rate-limited. */
void grille_log(grille_level level, grille_text message);

/* `clock`, of policies: milliseconds since the Unix epoch. The policy is judged anew for each statement. */
uint64_t grille_clock_now_ms(void);

/* `state`, of policies: small values kept between exchanges; not kept over a restart, and old ones give way to new ones. */
bool grille_state_get(grille_call *call, grille_text key, grille_text *value, bool *there);
/* Kept for ttl_ms, at most a day. */
bool grille_state_set(grille_call *call, grille_text key, grille_text value, uint32_t ttl_ms);
/* Adds to a counter that begins anew window_ms after its first addition; `sum` is its new value. */
bool grille_state_add(grille_call *call, grille_text key, int64_t delta, uint32_t window_ms, int64_t *sum);

/* `egress`, of policies: HTTPS requests to the hosts that the operator allows. */
typedef struct grille_request {
    grille_text method;
    /* Begins with `https://`. */
    grille_text url;
    const grille_attribute *headers;
    size_t headers_count;
    grille_text body;
} grille_request;

typedef struct grille_reply {
    uint16_t status;
    const grille_attribute *headers;
    size_t headers_count;
    grille_text body;
} grille_reply;

bool grille_egress_fetch(grille_call *call, const grille_request *request, grille_reply *reply);

/* `keyed`, of maskers: a transform under a key that the host keeps. `method` is `token` or `hmac-sha256`; equal values give
 * equal results within a domain, and different ones across domains. `results` has room for `count` texts. */
bool grille_keyed_transform(grille_call *call, grille_text method, grille_text domain, const grille_text *values,
                            size_t count, grille_text *results);

/* ---- The plugin ---- */

struct grille_plugin {
    /* Called once, before anything else; `*plugin` is what the other functions are given. Must be pure: the host may keep a
     * snapshot of the outcome. False: see the complaints. */
    bool (*configure)(grille_settings *settings, void **plugin);
    /* Called before the first other call of an exchange; may be null. */
    bool (*begin)(grille_call *call, void *plugin);
    /* A detector's work: grille_found for each place. Empty cells are not shown to it. */
    bool (*inspect)(grille_call *call, const void *plugin, const grille_cell *cell);
    /* A masker's work: append the new value, in UTF-8, to `out`, which holds earlier values. */
    bool (*mask)(grille_call *call, const void *plugin, const grille_cell *cell, grille_buffer *out);
    /* A policy's work. `decision` is empty before. One without clock, state and egress must be a function of the settings, the
     * exchange and the action: the host remembers its decisions. */
    bool (*decide)(grille_call *call, void *plugin, const grille_action *action, grille_decision *decision);
};

/* Defined by the plugin. */
extern const struct grille_plugin grille_plugin;

#endif

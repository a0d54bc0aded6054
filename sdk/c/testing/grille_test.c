#include "grille_test.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capabilities.h"
#include "session.h"
#include "toml.h"

struct grille_test {
    /* Holds plugin.toml and all results until the end. */
    grille_arena arena;
    const grille_json *manifest;
    size_t checks, failures;
};

/* ---- Checks ---- */

static void complain(grille_test *test, const char *format, ...) {
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    test->failures++;
}

void grille_test_equal(grille_test *test, const char *actual, const char *expected, const char *expression,
                       const char *file, int line) {
    test->checks++;
    if (strcmp(actual, expected) != 0) {
        complain(test, "%s:%d: %s is\n%s\nand should be\n%s", file, line, expression, actual, expected);
    }
}

void grille_test_check(grille_test *test, bool holds, const char *expression, const char *file, int line) {
    test->checks++;
    if (!holds) {
        complain(test, "%s:%d: %s does not hold", file, line, expression);
    }
}

grille_arena *grille_test_arena(grille_test *test) {
    return &test->arena;
}

int grille_test_close(grille_test *test) {
    size_t checks = test->checks, failures = test->failures;
    grille_capabilities_end();
    grille_arena_free(&test->arena);
    free(test);
    printf("%zu checks, %zu failures\n", checks, failures);
    return failures == 0 && checks > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- plugin.toml ---- */

static grille_text read_file(grille_arena *arena, const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    grille_buffer content = { .arena = arena };
    char piece[4096];
    for (size_t length; (length = fread(piece, 1, sizeof(piece), file)) > 0;) {
        grille_append(&content, (grille_text){ piece, length });
    }
    fclose(file);
    return (grille_text){ content.data, content.length };
}

grille_test *grille_test_open(const char *plugin_toml) {
    grille_test *test = calloc(1, sizeof(grille_test));
    if (test == NULL) {
        abort();
    }
    const char *message;
    size_t line;
    test->manifest = grille_toml_parse(&test->arena, read_file(&test->arena, plugin_toml), &message, &line);
    if (test->manifest == NULL) {
        fprintf(stderr, "%s:%zu: %s\n", plugin_toml, line, message);
        exit(EXIT_FAILURE);
    }
    return test;
}

static grille_text text_of(const grille_json *table, const char *key) {
    const grille_json *value = grille_json_member(table, key);
    return value == NULL ? (grille_text){ "", 0 } : value->text;
}

static int64_t integer_of(const grille_json *table, const char *key) {
    const grille_json *value = grille_json_member(table, key);
    return value == NULL ? 0 : value->integer;
}

static const grille_json *first_of(const grille_json *table, const char *key) {
    const grille_json *value = grille_json_member(table, key);
    return value == NULL ? NULL : value->first;
}

static const grille_json *element(const grille_json *table, const char *key, size_t index) {
    const grille_json *value = first_of(table, key);
    while (value != NULL && value->index < index) {
        value = value->next;
    }
    return value;
}

bool grille_test_declares(grille_test *test, const char *capability) {
    for (const grille_json *entry = first_of(test->manifest, "capabilities"); entry != NULL; entry = entry->next) {
        if (grille_text_equal(text_of(entry, "name"), grille_text_of(capability))) {
            return text_of(entry, "reason").length > 0;
        }
    }
    return false;
}

/* ---- Subjects ---- */

/* Refused settings end the program: nothing after them means anything. */
static void configure(grille_session *session, const char *settings_json) {
    if (grille_session_configure(session, &grille_plugin, grille_text_of(settings_json))) {
        return;
    }
    for (const grille_diagnostic *d = session->settings.first; d != NULL; d = d->next) {
        fprintf(stderr, "settings %.*s: %.*s\n", (int)d->pointer.length, d->pointer.data, (int)d->message.length,
                d->message.data);
    }
    exit(EXIT_FAILURE);
}

typedef struct subject {
    grille_session session;
    grille_arena arena;
    grille_call call;
} subject;

/* Starts a call in an exchange; false if the plugin does not begin. */
static bool start(subject *made, const char *settings_json, const grille_exchange *exchange, size_t fields_count) {
    static const grille_exchange nobody;
    static const grille_field nameless;
    *made = (subject){ 0 };
    configure(&made->session, settings_json);
    made->call = grille_call_start(&made->session, &made->arena);
    return grille_session_begin(&made->session, &made->call, exchange == NULL ? &nobody : exchange, &nameless,
                                fields_count);
}

static void end(subject *made) {
    grille_arena_free(&made->arena);
    grille_session_close(&made->session);
}

static grille_block block_of(const char *text, uint32_t offsets[2]) {
    static const uint32_t first_field[] = { 0 };
    offsets[0] = 0;
    offsets[1] = (uint32_t)strlen(text);
    return (grille_block){
        .rows = 1,
        .fields = first_field,
        .fields_count = 1,
        .offsets = offsets,
        .offsets_count = 2,
        .data = grille_text_of(text),
    };
}

static void append_string(grille_buffer *out, const char *string) {
    grille_append(out, grille_text_of(string));
}

static void append_decimal(grille_buffer *out, uint64_t number) {
    grille_append(out, grille_decimal(out->arena, number));
}

static const char *finish(grille_buffer *out) {
    return grille_copy(out->arena, (grille_text){ out->data, out->length }).data;
}

static void append_failure(grille_buffer *out, const grille_call *call) {
    append_string(out, "failure: ");
    grille_append(out, call->failure);
}

/* ---- Detectors ---- */

static int by_place(const void *left, const void *right) {
    const grille_finding *a = left, *b = right;
    int64_t difference = (int64_t)a->start - b->start;
    difference = difference != 0 ? difference : (int64_t)a->end - b->end;
    difference = difference != 0 ? difference : (int64_t)a->label - b->label;
    return (difference > 0) - (difference < 0);
}

static const grille_json *label_of(grille_test *test, const grille_finding *found) {
    const grille_json *label = element(test->manifest, "labels", found->label);
    if (label == NULL) {
        complain(test, "label %" PRIu32 " is not in plugin.toml", found->label);
    }
    return label;
}

static bool inspect(grille_test *test, subject *made, const char *settings_json, const char *text,
                    grille_findings *findings) {
    uint32_t offsets[2];
    grille_block block = block_of(text, offsets);
    *findings = (grille_findings){ 0 };
    bool inspected = start(made, settings_json, NULL, 1) &&
                     grille_session_inspect(&made->session, &made->call, &block, findings);
    test->checks++;
    if (!inspected) {
        complain(test, "\"%s\": the detector fails: %.*s", text, (int)made->call.failure.length, made->call.failure.data);
    } else if (findings->count > 0) {
        qsort(findings->found, findings->count, sizeof(grille_finding), by_place);
    }
    return inspected;
}

const char *grille_test_inspect(grille_test *test, const char *settings_json, const char *text) {
    subject made;
    grille_findings findings;
    grille_buffer out = { .arena = &test->arena };
    inspect(test, &made, settings_json, text, &findings);
    for (size_t i = 0; i < findings.count; i++) {
        const grille_finding *found = &findings.found[i];
        grille_append(&out, text_of(label_of(test, found), "name"));
        append_string(&out, " ");
        append_decimal(&out, found->start);
        append_string(&out, "..");
        append_decimal(&out, found->end);
        append_string(&out, " ");
        append_decimal(&out, found->score);
        if (found->support != 0) {
            append_string(&out, "+");
            append_decimal(&out, found->support);
        }
        append_string(&out, " ");
        grille_append(&out, (grille_text){ text + found->start, found->end - found->start });
        append_string(&out, "\n");
    }
    free(findings.found);
    end(&made);
    return finish(&out);
}

/* A cheap necessary condition on a text's bytes; all of it must hold. */
static bool gate_passes(const grille_json *gate, const char *text) {
    int64_t bytes = 0, digits = 0, letters = 0;
    grille_text any_of = text_of(gate, "any_of");
    bool any = any_of.length == 0;
    for (; *text != 0; text++, bytes++) {
        digits += *text >= '0' && *text <= '9';
        letters += (*text | 0x20) >= 'a' && (*text | 0x20) <= 'z';
        any = any || memchr(any_of.data, *text, any_of.length) != NULL;
    }
    return any && bytes >= integer_of(gate, "bytes_min") && digits >= integer_of(gate, "digits_min") &&
           letters >= integer_of(gate, "letters_min");
}

static bool label_passes(const grille_json *label, const char *text) {
    const grille_json *gate = first_of(label, "gates");
    bool passes = gate == NULL;
    for (; gate != NULL && !passes; gate = gate->next) {
        passes = gate_passes(gate, text);
    }
    return passes;
}

static bool is_expected(const grille_json *vector, const grille_json *label, const grille_finding *found) {
    for (const grille_json *entry = first_of(vector, "expect"); entry != NULL; entry = entry->next) {
        if (grille_text_equal(text_of(entry, "label"), text_of(label, "name")) &&
            integer_of(entry, "start") == found->start && integer_of(entry, "end") == found->end) {
            return true;
        }
    }
    return false;
}

static void check_detector_vector(grille_test *test, const grille_json *vector) {
    const char *text = grille_copy(&test->arena, text_of(vector, "text")).data;
    const grille_json *expected = grille_json_member(vector, "expect");
    subject made;
    grille_findings findings;
    inspect(test, &made, "{}", text, &findings);
    if (expected == NULL || expected->kind != GRILLE_JSON_ARRAY || findings.count != expected->count) {
        complain(test, "\"%s\": %zu findings, which are not those of plugin.toml", text, findings.count);
    }
    for (size_t i = 0; i < findings.count; i++) {
        const grille_finding *found = &findings.found[i];
        const grille_json *label = label_of(test, found);
        if (!is_expected(vector, label, found)) {
            complain(test, "\"%s\": plugin.toml does not expect the finding at %" PRIu32 "..%" PRIu32, text, found->start,
                     found->end);
        }
        if (!label_passes(label, text)) {
            complain(test, "\"%s\": the label's gate keeps it from the detector", text);
        }
    }
    free(findings.found);
    end(&made);
}

/* ---- Maskers ---- */

const char *grille_test_mask(grille_test *test, const char *settings_json, const char *text) {
    subject made;
    uint32_t offsets[2], ends[1];
    grille_block block = block_of(text, offsets);
    grille_buffer values = { 0 }, out = { .arena = &test->arena };
    test->checks++;
    if (start(&made, settings_json, NULL, 1) &&
        grille_session_mask(&made.session, &made.call, &block, &values, ends)) {
        grille_append(&out, (grille_text){ values.data, values.length });
    } else {
        append_failure(&out, &made.call);
    }
    end(&made);
    return finish(&out);
}

/* ---- Policies ---- */

static const char *word(grille_verdict verdict) {
    static const char *const words[] = { "none", "allow", "deny", "hold", "rewrite" };
    return words[verdict];
}

static void append_decision(grille_buffer *out, const grille_decision *decision) {
    append_string(out, word(decision->verdict));
    grille_text said = decision->verdict == GRILLE_VERDICT_DENY   ? decision->reason
                       : decision->verdict == GRILLE_VERDICT_HOLD ? decision->approval.reason
                                                                  : decision->statement;
    if (said.length > 0) {
        append_string(out, ": ");
        grille_append(out, said);
    }
    for (size_t i = 0; i < decision->obligations_count; i++) {
        append_string(out, " [");
        grille_append(out, decision->obligations[i].key);
        append_string(out, "=");
        grille_append(out, decision->obligations[i].value);
        append_string(out, "]");
    }
}

const char *grille_test_decide(grille_test *test, const char *settings_json, const grille_exchange *exchange,
                               const grille_action *action) {
    subject made;
    grille_decision decision;
    grille_buffer out = { .arena = &test->arena };
    test->checks++;
    if (start(&made, settings_json, exchange, 0) &&
        grille_session_decide(&made.session, &made.call, action, &decision)) {
        append_decision(&out, &decision);
    } else {
        append_failure(&out, &made.call);
    }
    end(&made);
    return finish(&out);
}

static const grille_text *texts_of(grille_test *test, const grille_json *table, const char *key, size_t *count) {
    const grille_json *array = grille_json_member(table, key);
    *count = array == NULL ? 0 : array->count;
    grille_text *texts = grille_alloc_array(&test->arena, *count, sizeof(grille_text));
    for (const grille_json *value = first_of(table, key); value != NULL; value = value->next) {
        texts[value->index] = value->text;
    }
    return texts;
}

static const grille_object *objects_of(grille_test *test, const grille_json *vector, size_t *count) {
    const grille_json *array = grille_json_member(vector, "objects");
    *count = array == NULL ? 0 : array->count;
    grille_object *objects = grille_alloc_array(&test->arena, *count, sizeof(grille_object));
    for (const grille_json *value = first_of(vector, "objects"); value != NULL; value = value->next) {
        objects[value->index] = (grille_object){ text_of(value, "kind"), text_of(value, "name"), text_of(value, "access") };
    }
    return objects;
}

/* Days from 1970 on (Gregorian); years begin in March here, so that the day that some have and others have not is the last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    int64_t shifted = month > 2 ? month - 3 : month + 9;
    year -= month <= 2;
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * shifted + 2) / 5 + day - 719469;
}

/* Grants the clock at the vector's time, if it has one. */
static void set_clock(grille_test *test, const grille_json *vector) {
    grille_text at = text_of(vector, "at");
    unsigned year, month, day, hour, minute, second;
    char utc, more;
    if (at.length == 0) {
        return;
    }
    const char *text = grille_copy(&test->arena, at).data;
    if (sscanf(text, "%4u-%2u-%2uT%2u:%2u:%2u%c%c", &year, &month, &day, &hour, &minute, &second, &utc, &more) != 7 ||
        utc != 'Z' || year < 1970 || month < 1 || month > 12 || day < 1) {
        complain(test, "at = \"%s\" is not like 2026-11-23T10:00:00Z", text);
        return;
    }
    int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    grille_test_grant_clock(test, (uint64_t)seconds * 1000);
}

static void check_policy_vector(grille_test *test, const grille_json *vector) {
    grille_action action = { .kind = text_of(vector, "kind") };
    action.effects = texts_of(test, vector, "effects", &action.effects_count);
    action.features = texts_of(test, vector, "features", &action.features_count);
    action.objects = objects_of(test, vector, &action.objects_count);
    set_clock(test, vector);
    const char *said = grille_test_decide(test, "{}", NULL, &action);
    grille_text expected = text_of(vector, "expect");
    size_t length = strcspn(said, ": ");
    if (!grille_text_equal((grille_text){ said, length }, expected)) {
        complain(test, "%.*s: %s, plugin.toml expects %.*s", (int)action.kind.length, action.kind.data, said,
                 (int)expected.length, expected.data);
    }
}

static void check_masker_vector(grille_test *test, const grille_json *vector) {
    const char *text = grille_copy(&test->arena, text_of(vector, "text")).data;
    const char *masked = grille_test_mask(test, "{}", text);
    grille_text expected = text_of(vector, "expect");
    if (!grille_text_equal(grille_text_of(masked), expected)) {
        complain(test, "\"%s\": %s, plugin.toml expects %.*s", text, masked, (int)expected.length, expected.data);
    }
}

/* ---- All ---- */

static const char *world(void) {
    return grille_plugin.inspect != NULL ? "detector" : grille_plugin.mask != NULL ? "masker" : "policy";
}

void grille_test_vectors(grille_test *test) {
    grille_text declared = text_of(grille_json_member(test->manifest, "plugin"), "world");
    if (!grille_text_equal(declared, grille_text_of(world()))) {
        complain(test, "plugin.toml says world = \"%.*s\", the plugin is a %s", (int)declared.length, declared.data, world());
        return;
    }
    const grille_json *vector = first_of(test->manifest, "vectors");
    if (vector == NULL) {
        complain(test, "plugin.toml has no [[vectors]]");
    }
    for (; vector != NULL; vector = vector->next) {
        if (grille_plugin.inspect != NULL) {
            check_detector_vector(test, vector);
        } else if (grille_plugin.mask != NULL) {
            check_masker_vector(test, vector);
        } else {
            check_policy_vector(test, vector);
        }
    }
}

const char *grille_test_refused(grille_test *test, const char *settings_json) {
    grille_session session;
    grille_buffer out = { .arena = &test->arena };
    test->checks++;
    if (grille_session_configure(&session, &grille_plugin, grille_text_of(settings_json))) {
        complain(test, "the plugin takes the settings %s", settings_json);
    }
    for (const grille_diagnostic *d = session.settings.first; d != NULL; d = d->next) {
        grille_append(&out, d->pointer);
        append_string(&out, ": ");
        grille_append(&out, d->message);
        append_string(&out, "\n");
    }
    grille_session_close(&session);
    return finish(&out);
}

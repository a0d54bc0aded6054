/* Tests of the SDK, with a policy that does what its settings say. */
#include <stdlib.h>
#include <string.h>

#include "grille_test.h"
#include "session.h"
#include "toml.h"

/* ---- A policy ---- */

static bool configure(grille_settings *settings, void **plugin) {
    grille_text *does = grille_alloc(settings->arena, sizeof(grille_text));
    bool strict = false;
    int64_t number = 0;
    *plugin = does;
    GRILLE_ONLY_KEYS(settings, settings->root, "do", "strict", "number");
    grille_read_text(settings, settings->root, "do", does);
    grille_read_boolean(settings, settings->root, "strict", &strict);
    grille_read_integer(settings, settings->root, "number", -3, 5, &number);
    return !grille_complained(settings);
}

static bool begin(grille_call *call, void *plugin) {
    (void)plugin;
    return !grille_text_equal(call->exchange->role, GRILLE_TEXT("nobody")) || grille_fail(call, GRILLE_TEXT("not for nobody"));
}

static bool does(const void *plugin, const char *word) {
    return grille_text_equal(*(const grille_text *)plugin, grille_text_of(word));
}

static bool count_statements(grille_call *call, grille_decision *decision) {
    int64_t sum;
    if (!grille_state_add(call, call->exchange->principal, 1, 1000, &sum)) {
        return false;
    }
    return sum > 2 ? grille_deny(decision, GRILLE_TEXT("too many")) : grille_allow(decision);
}

static bool remember(grille_call *call, grille_decision *decision) {
    grille_text value;
    bool there;
    if (!grille_state_get(call, GRILLE_TEXT("k"), &value, &there)) {
        return false;
    }
    grille_state_set(call, GRILLE_TEXT("k"), GRILLE_TEXT("v"), 10);
    return there ? grille_deny(decision, value) : grille_allow(decision);
}

static bool ask(grille_call *call, grille_decision *decision) {
    grille_request request = { .method = GRILLE_TEXT("GET"), .url = GRILLE_TEXT("https://calendar.example.com/") };
    grille_reply reply;
    return grille_egress_fetch(call, &request, &reply) && grille_deny(decision, reply.body);
}

static bool transform(grille_call *call, grille_decision *decision) {
    grille_text values[] = { GRILLE_TEXT("a"), GRILLE_TEXT("b"), GRILLE_TEXT("a") }, results[3];
    if (!grille_keyed_transform(call, GRILLE_TEXT("token"), GRILLE_TEXT("d"), values, 3, results)) {
        return false;
    }
    bool good = grille_text_equal(results[0], results[2]) && !grille_text_equal(results[0], results[1]);
    return good ? grille_allow(decision) : grille_deny(decision, results[1]);
}

static bool decide(grille_call *call, void *plugin, const grille_action *action, grille_decision *decision) {
    if (does(plugin, "nothing")) {
        return true;
    } else if (does(plugin, "fail")) {
        return grille_fail(call, GRILLE_TEXT("out of order"));
    } else if (does(plugin, "fail without a word")) {
        return false;
    } else if (does(plugin, "count")) {
        return count_statements(call, decision);
    } else if (does(plugin, "remember")) {
        return remember(call, decision);
    } else if (does(plugin, "ask")) {
        return ask(call, decision);
    } else if (does(plugin, "transform")) {
        return transform(call, decision);
    } else if (does(plugin, "hold")) {
        return grille_hold(decision, (grille_approval){ .reason = GRILLE_TEXT("four eyes") });
    } else if (does(plugin, "oblige")) {
        return grille_with_row_cap(call, decision, UINT64_MAX) &&
               grille_with_mask(call, decision, GRILLE_TEXT("public.users.ssn"), GRILLE_TEXT("keep-last:4")) &&
               grille_allow(decision);
    } else if (grille_text_equal(action->kind, GRILLE_TEXT("in the morning"))) {
        return grille_clock_now_ms() / 3600000 % 24 < 12 ? grille_allow(decision)
                                                         : grille_deny(decision, GRILLE_TEXT("it is past noon"));
    }
    return grille_has_feature(action, "no-where") ? grille_deny(decision, GRILLE_TEXT("it would hit every row"))
                                                  : grille_allow(decision);
}

const struct grille_plugin grille_plugin = { .configure = configure, .begin = begin, .decide = decide };

/* ---- Decisions ---- */

static const char *decided(grille_test *test, const char *what, const char *role) {
    static char settings[64];
    strcpy(settings, "{\"do\": \"");
    strcat(settings, what);
    strcat(settings, "\"}");
    grille_exchange exchange = { .role = grille_text_of(role) };
    grille_action action = { 0 };
    return grille_test_decide(test, settings, &exchange, &action);
}

static void decisions_are_checked(grille_test *test) {
    GRILLE_EQUAL(test, decided(test, "nothing", ""), "failure: the policy gave no verdict");
    GRILLE_EQUAL(test, decided(test, "fail", ""), "failure: out of order");
    GRILLE_EQUAL(test, decided(test, "fail without a word", ""), "failure: the plugin fails and does not say why");
    GRILLE_EQUAL(test, decided(test, "", "nobody"), "failure: not for nobody");
    GRILLE_EQUAL(test, decided(test, "hold", ""), "hold: four eyes");
    GRILLE_EQUAL(test, decided(test, "oblige", ""),
                 "allow [row-cap=18446744073709551615] [mask=public.users.ssn=keep-last:4]");
}

static bool answer(grille_call *call, const grille_request *request, grille_reply *reply) {
    reply->body = GRILLE_JOIN(call->arena, GRILLE_TEXT("holiday by "), request->url);
    return true;
}

static void capabilities_are_faked(grille_test *test) {
    grille_test_grant_log(test);
    grille_test_grant_clock(test, 5000);
    grille_test_grant_state(test);
    grille_test_grant_egress(test, answer);
    grille_test_grant_keyed(test);
    GRILLE_EQUAL(test, decided(test, "count", ""), "allow");
    GRILLE_EQUAL(test, decided(test, "count", ""), "allow");
    GRILLE_EQUAL(test, decided(test, "count", ""), "deny: too many");
    GRILLE_EQUAL(test, decided(test, "remember", ""), "allow");
    GRILLE_EQUAL(test, decided(test, "remember", ""), "deny: v");
    grille_test_grant_clock(test, 6000);
    GRILLE_EQUAL(test, decided(test, "count", ""), "allow");
    GRILLE_EQUAL(test, decided(test, "remember", ""), "allow");
    GRILLE_EQUAL(test, decided(test, "ask", ""), "deny: holiday by https://calendar.example.com/");
    GRILLE_EQUAL(test, decided(test, "transform", ""), "allow");
}

static void settings_are_read(grille_test *test) {
    GRILLE_EQUAL(test, grille_test_refused(test, "{\"do\": 1, \"strict\": 0, \"number\": 6, \"x/y~\": 1}"),
                 "/x~1y~0: there is no such setting\n/do: must be a text\n/strict: must be true or false\n"
                 "/number: must be a whole number within its limits\n");
    GRILLE_EQUAL(test, grille_test_refused(test, "{\"number\": -4}"),
                 "/number: must be a whole number within its limits\n");
    GRILLE_EQUAL(test, grille_test_refused(test, "{\"number\": 1.5}"),
                 "/number: must be a whole number within its limits\n");
}

/* ---- Text ---- */

static void utf8_is_known(grille_test *test) {
    GRILLE_CHECK(test, grille_text_is_utf8(GRILLE_TEXT("aé€🜂\xf4\x8f\xbf\xbf\xed\x9f\xbf")));
    GRILLE_CHECK(test, !grille_text_is_utf8(GRILLE_TEXT("\xff")));
    GRILLE_CHECK(test, !grille_text_is_utf8(GRILLE_TEXT("\x80")));
    GRILLE_CHECK(test, !grille_text_is_utf8(GRILLE_TEXT("\xc0\xaf")));
    GRILLE_CHECK(test, !grille_text_is_utf8(GRILLE_TEXT("\xe0\x80\xaf")));
    GRILLE_CHECK(test, !grille_text_is_utf8(GRILLE_TEXT("\xed\xa0\x80")));
    GRILLE_CHECK(test, !grille_text_is_utf8(GRILLE_TEXT("\xf4\x90\x80\x80")));
    GRILLE_CHECK(test, !grille_text_is_utf8(GRILLE_TEXT("\xe2\x82")));
    GRILLE_CHECK(test, !grille_text_is_utf8(GRILLE_TEXT("\xf0\x9f\x9c")));
}

static void offsets_count_bytes(grille_test *test) {
    grille_text text = GRILLE_TEXT("aé🜂z");
    size_t expected[] = { 0, 1, 3, 7, 8, SIZE_MAX };
    for (size_t characters = 0; characters < 6; characters++) {
        GRILLE_CHECK(test, grille_text_byte_offset(text, characters) == expected[characters]);
    }
    GRILLE_CHECK(test, grille_text_is_boundary(text, 8) && !grille_text_is_boundary(text, 2));
    GRILLE_CHECK(test, !grille_text_is_boundary(text, 9));
}

/* ---- JSON ---- */

static const grille_json *parsed(grille_arena *arena, const char *document, const char **message) {
    size_t at;
    return grille_json_parse(arena, grille_text_of(document), message, &at);
}

static void json_is_read(grille_test *test) {
    grille_arena arena = { 0 };
    const char *message;
    const grille_json *root =
        parsed(&arena, " {\"a\": [1, -2.5e-1, true, null, {}], \"b\": \"\\u00e9\\ud83d\\udf02\\n\\\\\", \"\": []} ", &message);
    const grille_json *a = grille_json_member(root, "a");
    GRILLE_CHECK(test, root->count == 3 && a->count == 5 && a->first->whole && a->first->integer == 1);
    GRILLE_CHECK(test, !a->first->next->whole && a->first->next->number == -0.25);
    GRILLE_CHECK(test, a->first->next->next->boolean);
    GRILLE_CHECK(test, grille_text_equal(grille_json_member(root, "b")->text, GRILLE_TEXT("é🜂\n\\")));
    GRILLE_CHECK(test, grille_text_equal(grille_json_pointer(&arena, a->first->next), GRILLE_TEXT("/a/1")));
    GRILLE_CHECK(test, grille_json_member(root, "c") == NULL && grille_json_member(a, "c") == NULL);
    GRILLE_CHECK(test, parsed(&arena, "9223372036854775807", &message)->whole);
    GRILLE_CHECK(test, !parsed(&arena, "9223372036854775808", &message)->whole);
    GRILLE_CHECK(test, !parsed(&arena, "99999999999999999999999", &message)->whole);
    GRILLE_CHECK(test, parsed(&arena, "1e999999999999", &message)->number > 1e308);
    GRILLE_CHECK(test, parsed(&arena, "1e-99999", &message)->number == 0);
    grille_arena_free(&arena);
}

static void what_is_no_json_is_refused(grille_test *test) {
    static const char *const documents[][2] = {
        { "", "a value is missing" },        { "tru", "a value is missing" },    { "1 2", "more than one value" },
        { "01", "malformed" },               { "-", "malformed" },               { "1.", "malformed" },
        { "1e", "malformed" },               { "+1", "a value is missing" },     { "[1,]", "a value is missing" },
        { "[1", "an array has no end" },     { "{\"a\" 1}", "a colon" },         { "{a: 1}", "a name in quotes" },
        { "{\"a\": 1", "an object has no" }, { "{\"a\":1,\"a\":2}", "twice" },   { "\"a", "no end" },
        { "\"\n\"", "control character" },   { "\"\\x\"", "escape" },            { "\"\\ud800\"", "escape" },
        { "\"\\udc00\"", "escape" },         { "\"\\ud800\\u0041\"", "escape" }, { "\"\\", "escape" },
        { "\"\\u12", "escape" },             { "\xff", "not UTF-8" },
    };
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        grille_arena arena = { 0 };
        const char *message = "";
        GRILLE_CHECK(test, parsed(&arena, documents[i][0], &message) == NULL);
        GRILLE_CHECK(test, strstr(message, documents[i][1]) != NULL);
        grille_arena_free(&arena);
    }
}

static void nesting_is_bounded(grille_test *test) {
    grille_arena arena = { 0 };
    const char *message;
    char deep[2 * GRILLE_JSON_DEPTH_MAX + 3];
    memset(deep, '[', sizeof(deep));
    deep[sizeof(deep) - 1] = 0;
    GRILLE_CHECK(test, parsed(&arena, deep, &message) == NULL && strstr(message, "deeply") != NULL);
    grille_arena_free(&arena);
}

static void toml_that_is_not_known_is_refused(grille_test *test) {
    static const char *const documents[][2] = {
        { "a", "equals sign" },       { "a = ", "value is missing" }, { "a = 1 2", "more on the line" },
        { "a = 1\na = 2", "twice" },  { "a = \"x", "no end" },        { "a = \"\\q\"", "escape" },
        { "a = '''x'''", "several" }, { "a = 2026-11-23", "value" },  { "a = [1", "no end" },
        { "a = {b = 1", "no end" },   { "a = 1\n[a]", "a table" },    { "a = 1\n[[a]]", "array of tables" },
        { "[a", "bracket" },          { "= 1", "key is missing" },    { "a = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "deeply" },
    };
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        grille_arena arena = { 0 };
        const char *message = "";
        size_t line;
        GRILLE_CHECK(test, grille_toml_parse(&arena, grille_text_of(documents[i][0]), &message, &line) == NULL);
        GRILLE_CHECK(test, strstr(message, documents[i][1]) != NULL);
        grille_arena_free(&arena);
    }
}

/* ---- Documents that are damaged ---- */

enum { DAMAGES = 20000, DAMAGED_BYTES_MAX = 256 };

/* Numerical Recipes' linear congruential generator: the same damage in each run. */
static uint32_t random_below(uint32_t *seed, uint32_t limit) {
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % limit;
}

/* One byte becomes any other or one that means something, or the rest is cut off. */
static size_t damage(uint32_t *seed, char *data, size_t length) {
    static const char meaningful[] = "\"\\[]{},:.\n'=#e-u0";
    size_t at = random_below(seed, (uint32_t)length);
    switch (random_below(seed, 4)) {
    case 0:
        return at == 0 ? 1 : at;
    case 1:
        data[at] = (char)random_below(seed, 256);
        return length;
    default:
        data[at] = meaningful[random_below(seed, sizeof(meaningful) - 1)];
        return length;
    }
}

/* The sanitizers are the judges: each document lies in memory of exactly its size. */
static void damaged_documents_do_no_harm(grille_test *test) {
    static const char *const documents[] = {
        "{\"a\": [1, -2.5e-1, true, null, {}], \"b\": \"\\u00e9\\ud83d\\udf02\\n\\\\\", \"\": []}",
        "[plugin]\nid = \"a\\tb\"\n[[l]]\ng = [{ a = 1, b = 'x' }, {}] # c\n[l.m]\nx = 1_0.5\n",
    };
    uint32_t seed = 20261123;
    for (size_t i = 0; i < DAMAGES; i++) {
        char data[DAMAGED_BYTES_MAX];
        size_t length = strlen(documents[i % 2]);
        memcpy(data, documents[i % 2], length);
        for (uint32_t times = 1 + random_below(&seed, 4); times > 0; times--) {
            length = damage(&seed, data, length);
        }
        char *exact = malloc(length);
        grille_arena arena = { 0 };
        const char *message;
        size_t place;
        memcpy(exact, data, length);
        const grille_json *json = grille_json_parse(&arena, (grille_text){ exact, length }, &message, &place);
        GRILLE_CHECK(test, (json == NULL) == (message != NULL) && place <= length);
        const grille_json *toml = grille_toml_parse(&arena, (grille_text){ exact, length }, &message, &place);
        GRILLE_CHECK(test, (toml == NULL) == (message != NULL));
        grille_arena_free(&arena);
        free(exact);
    }
}

/* ---- Detectors and maskers ---- */

/* Marks bytes 1 to 2 of every cell. */
static bool inspect(grille_call *call, const void *plugin, const grille_cell *cell) {
    (void)plugin;
    (void)cell;
    return grille_found(call, 3, 1, 2, 2000, 0xff);
}

/* Doubles every value, or cuts a character in two. */
static bool mask(grille_call *call, const void *plugin, const grille_cell *cell, grille_buffer *out) {
    (void)call;
    (void)plugin;
    grille_append(out, cell->text);
    grille_append(out, cell->text.data[0] == '!' ? GRILLE_TEXT("\xc3") : cell->text);
    return true;
}

static bool configure_nothing(grille_settings *settings, void **plugin) {
    (void)settings;
    (void)plugin;
    return true;
}

typedef struct fixture {
    grille_session session;
    grille_arena arena;
    grille_call call;
    grille_block block;
    uint32_t offsets[4];
} fixture;

static const uint32_t one_field[] = { 0 };
static const grille_field fields[1];
static const grille_exchange exchange;

/* One column of three cells of `lengths` bytes. */
static void open_session(fixture *with, const struct grille_plugin *functions, const char *data, const uint32_t lengths[3]) {
    *with = (fixture){ 0 };
    grille_session_configure(&with->session, functions, GRILLE_TEXT("{}"));
    with->call = grille_call_start(&with->session, &with->arena);
    grille_session_begin(&with->session, &with->call, &exchange, fields, 1);
    for (size_t i = 0; i < 3; i++) {
        with->offsets[i + 1] = with->offsets[i] + lengths[i];
    }
    with->block = (grille_block){ 3, one_field, 1, with->offsets, 4, grille_text_of(data) };
}

static void close_session(fixture *with) {
    grille_arena_free(&with->arena);
    grille_session_close(&with->session);
}

static const struct grille_plugin detector = { .configure = configure_nothing, .inspect = inspect };
static const struct grille_plugin masker = { .configure = configure_nothing, .mask = mask };

static void findings_are_checked(grille_test *test) {
    fixture with;
    grille_findings findings;
    open_session(&with, &detector, "abcd", (uint32_t[]){ 2, 0, 2 });
    GRILLE_CHECK(test, grille_session_inspect(&with.session, &with.call, &with.block, &findings));
    GRILLE_CHECK(test, findings.count == 2 && findings.found[1].cell == 2 && findings.found[1].label == 3);
    GRILLE_CHECK(test, findings.found[1].score == GRILLE_SCORE_MAX && findings.found[1].support == 7);
    free(findings.found);
    close_session(&with);
    static const char *const bad[] = { "é", "a" };
    static const char *const why[] = { "a finding cuts a character in two", "a finding is no part of its cell" };
    for (size_t i = 0; i < 2; i++) {
        open_session(&with, &detector, bad[i], (uint32_t[]){ (uint32_t)strlen(bad[i]), 0, 0 });
        GRILLE_CHECK(test, !grille_session_inspect(&with.session, &with.call, &with.block, &findings));
        GRILLE_EQUAL(test, with.call.failure.data, why[i]);
        free(findings.found);
        close_session(&with);
    }
}

static void new_values_are_checked(grille_test *test) {
    fixture with;
    grille_buffer values;
    uint32_t ends[3];
    open_session(&with, &masker, "aß", (uint32_t[]){ 1, 0, 2 });
    /* The cell in the middle is empty, and its first byte is the next one's. */
    GRILLE_CHECK(test, grille_session_mask(&with.session, &with.call, &with.block, &values, ends));
    GRILLE_CHECK(test, grille_text_equal((grille_text){ values.data, values.length }, GRILLE_TEXT("aaßß")));
    GRILLE_CHECK(test, ends[0] == 2 && ends[1] == 2 && ends[2] == 6);
    close_session(&with);
    open_session(&with, &masker, "!xy", (uint32_t[]){ 1, 1, 1 });
    GRILLE_CHECK(test, !grille_session_mask(&with.session, &with.call, &with.block, &values, ends));
    close_session(&with);
}

static void blocks_that_do_not_fit_are_refused(grille_test *test) {
    static const struct {
        uint32_t offsets[4];
        size_t offsets_count;
        uint32_t field;
        const char *data;
    } cases[] = {
        { { 0, 1, 2, 4 }, 4, 0, "abc" },  { { 0, 2, 1, 3 }, 4, 0, "abc" },    { { 1, 1, 2, 3 }, 4, 0, "abc" },
        { { 0, 1, 2, 3 }, 4, 1, "abc" },  { { 0, 1, 2, 3 }, 3, 0, "ab" },     { { 0, 1, 2, 2 }, 4, 0, "é" },
        { { 0, 1, 2, 3 }, 4, 0, "a\xff" "c" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture with;
        grille_findings findings;
        open_session(&with, &detector, cases[i].data, (uint32_t[]){ 1, 1, 1 });
        with.block.offsets = cases[i].offsets;
        with.block.offsets_count = cases[i].offsets_count;
        with.block.fields = &cases[i].field;
        GRILLE_CHECK(test, !grille_session_inspect(&with.session, &with.call, &with.block, &findings));
        GRILLE_CHECK(test, with.call.failed);
        close_session(&with);
    }
}

int main(void) {
    grille_test *test = grille_test_open("tests/plugin.toml");
    grille_test_vectors(test);
    decisions_are_checked(test);
    capabilities_are_faked(test);
    settings_are_read(test);
    utf8_is_known(test);
    offsets_count_bytes(test);
    json_is_read(test);
    what_is_no_json_is_refused(test);
    nesting_is_bounded(test);
    toml_that_is_not_known_is_refused(test);
    damaged_documents_do_no_harm(test);
    findings_are_checked(test);
    new_values_are_checked(test);
    blocks_that_do_not_fit_are_refused(test);
    return grille_test_close(test);
}

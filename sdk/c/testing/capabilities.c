/* Capabilities belong to the process, as they do in a component. A call of one that was not granted ends the program, as it would
 * not even link into a component. */
#include "capabilities.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

enum { ENTRIES_MAX = 256 };

typedef struct entry {
    grille_text key, value;
    int64_t counter;
    uint64_t ends_ms;
} entry;

static struct {
    bool log, clock, state, keyed;
    uint64_t now_ms;
    bool (*answer)(grille_call *call, const grille_request *request, grille_reply *reply);
    grille_arena arena;
    entry entries[ENTRIES_MAX];
    size_t entries_count;
} granted;

static void grant(grille_test *test, const char *name) {
    if (!grille_test_declares(test, name)) {
        fprintf(stderr, "plugin.toml does not declare the capability %s, with a reason\n", name);
        exit(EXIT_FAILURE);
    }
}

static void require(bool is_granted, const char *name) {
    if (!is_granted) {
        fprintf(stderr, "the capability %s was not granted\n", name);
        exit(EXIT_FAILURE);
    }
}

void grille_capabilities_end(void) {
    grille_arena_free(&granted.arena);
    memset(&granted, 0, sizeof(granted));
}

/* ---- log and clock ---- */

void grille_test_grant_log(grille_test *test) {
    grant(test, "log");
    granted.log = true;
}

void grille_log(grille_level level, grille_text message) {
    require(granted.log, "log");
    fprintf(stderr, "log level %d: %.*s\n", (int)level, (int)message.length, message.data);
}

void grille_test_grant_clock(grille_test *test, uint64_t now_ms) {
    grant(test, "clock");
    granted.clock = true;
    granted.now_ms = now_ms;
}

uint64_t grille_clock_now_ms(void) {
    require(granted.clock, "clock");
    return granted.now_ms;
}

/* ---- state ---- */

void grille_test_grant_state(grille_test *test) {
    grant(test, "state");
    granted.state = true;
    granted.entries_count = 0;
}

static entry *find(grille_text key) {
    for (size_t i = 0; i < granted.entries_count; i++) {
        if (grille_text_equal(granted.entries[i].key, key)) {
            return &granted.entries[i];
        }
    }
    return NULL;
}

static entry *find_or_make(grille_text key) {
    entry *found = find(key);
    if (found == NULL) {
        require(granted.entries_count < ENTRIES_MAX, "state for so many keys");
        found = &granted.entries[granted.entries_count++];
        *found = (entry){ .key = grille_copy(&granted.arena, key) };
    }
    return found;
}

bool grille_state_get(grille_call *call, grille_text key, grille_text *value, bool *there) {
    require(granted.state, "state");
    const entry *found = find(key);
    *there = found != NULL && granted.now_ms < found->ends_ms;
    *value = *there ? grille_copy(call->arena, found->value) : (grille_text){ 0 };
    return true;
}

bool grille_state_set(grille_call *call, grille_text key, grille_text value, uint32_t ttl_ms) {
    (void)call;
    require(granted.state, "state");
    entry *found = find_or_make(key);
    found->value = grille_copy(&granted.arena, value);
    found->ends_ms = granted.now_ms + ttl_ms;
    return true;
}

bool grille_state_add(grille_call *call, grille_text key, int64_t delta, uint32_t window_ms, int64_t *sum) {
    (void)call;
    require(granted.state, "state");
    entry *found = find_or_make(key);
    if (granted.now_ms >= found->ends_ms) {
        found->counter = 0;
        found->ends_ms = granted.now_ms + window_ms;
    }
    found->counter += delta;
    *sum = found->counter;
    return true;
}

/* ---- egress ---- */

void grille_test_grant_egress(grille_test *test,
                              bool (*answer)(grille_call *call, const grille_request *request, grille_reply *reply)) {
    grant(test, "egress");
    granted.answer = answer;
}

bool grille_egress_fetch(grille_call *call, const grille_request *request, grille_reply *reply) {
    require(granted.answer != NULL, "egress");
    const grille_text scheme = GRILLE_TEXT("https://");
    if (request->url.length < scheme.length || memcmp(request->url.data, scheme.data, scheme.length) != 0) {
        return grille_fail(call, GRILLE_TEXT("the URL does not begin with https://"));
    }
    *reply = (grille_reply){ 0 };
    return granted.answer(call, request, reply);
}

/* ---- keyed ---- */

void grille_test_grant_keyed(grille_test *test) {
    grant(test, "keyed");
    granted.keyed = true;
}

/* FNV-1a: not secret, but equal for equal values and, for tests, different for others. */
static uint64_t hash(uint64_t state, grille_text text) {
    for (size_t i = 0; i < text.length; i++) {
        state = (state ^ (unsigned char)text.data[i]) * 0x100000001b3;
    }
    return (state ^ 0xff) * 0x100000001b3;
}

bool grille_keyed_transform(grille_call *call, grille_text method, grille_text domain, const grille_text *values,
                            size_t count, grille_text *results) {
    require(granted.keyed, "keyed");
    bool token = grille_text_equal(method, GRILLE_TEXT("token"));
    if (!token && !grille_text_equal(method, GRILLE_TEXT("hmac-sha256"))) {
        return grille_fail(call, GRILLE_TEXT("the method is not known"));
    }
    for (size_t i = 0; i < count; i++) {
        char digits[65];
        uint64_t hashed = hash(hash(0xcbf29ce484222325, domain), values[i]);
        snprintf(digits, sizeof(digits), "%016" PRIx64 "%016" PRIx64 "%016" PRIx64 "%016" PRIx64, hashed, ~hashed,
                 hashed * 3, hashed * 5);
        results[i] = grille_copy(call->arena, (grille_text){ digits, token ? 16 : 64 });
    }
    return true;
}

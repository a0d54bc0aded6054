/* Text, memory, and what plugins say: findings, verdicts, failures. No I/O, no globals. */
#include "grille.h"

#include <stdlib.h>
#include <string.h>

#include "session.h"

/* ---- Text ---- */

grille_text grille_text_of(const char *string) {
    return (grille_text){ string, strlen(string) };
}

bool grille_text_equal(grille_text a, grille_text b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static bool is_continuation(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* The length of the character at `at` by table 3-7 of the Unicode standard, or 0 if there is none. */
static size_t character_length(const unsigned char *at, size_t left) {
    unsigned char low = 0x80, high = 0xbf;
    size_t length;
    if (at[0] < 0x80) {
        return 1;
    } else if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        length = 2;
    } else if (at[0] >= 0xe0 && at[0] <= 0xef) {
        length = 3;
        low = at[0] == 0xe0 ? 0xa0 : low;
        high = at[0] == 0xed ? 0x9f : high;
    } else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        length = 4;
        low = at[0] == 0xf0 ? 0x90 : low;
        high = at[0] == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    if (left < length || at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (!is_continuation((char)at[i])) {
            return 0;
        }
    }
    return length;
}

bool grille_text_is_utf8(grille_text text) {
    const unsigned char *bytes = (const unsigned char *)text.data;
    for (size_t at = 0; at < text.length;) {
        size_t length = character_length(bytes + at, text.length - at);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

bool grille_text_is_boundary(grille_text text, size_t offset) {
    return offset == text.length || (offset < text.length && !is_continuation(text.data[offset]));
}

size_t grille_text_byte_offset(grille_text text, size_t characters) {
    for (size_t at = 0; at < text.length; at++) {
        if (is_continuation(text.data[at])) {
            continue;
        }
        if (characters == 0) {
            return at;
        }
        characters--;
    }
    return characters == 0 ? text.length : SIZE_MAX;
}

/* ---- Memory ---- */

enum {
    /* What a small plugin needs fits one chunk; a chunk is never smaller, so that there are few. */
    CHUNK_BYTES_MIN = 16 * 1024,
    ALIGNMENT = 16,
};

struct grille_chunk {
    struct grille_chunk *before;
    size_t used, size;
    _Alignas(ALIGNMENT) char bytes[];
};

void *grille_alloc(grille_arena *arena, size_t size) {
    if (size > SIZE_MAX / 2) {
        __builtin_trap();
    }
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (arena->last == NULL || arena->last->size - arena->last->used < size) {
        size_t bytes = size > CHUNK_BYTES_MIN ? size : CHUNK_BYTES_MIN;
        struct grille_chunk *chunk = malloc(sizeof(struct grille_chunk) + bytes);
        if (chunk == NULL) {
            __builtin_trap();
        }
        *chunk = (struct grille_chunk){ .before = arena->last, .size = bytes };
        arena->last = chunk;
    }
    void *allocated = arena->last->bytes + arena->last->used;
    arena->last->used += size;
    return memset(allocated, 0, size);
}

void *grille_alloc_array(grille_arena *arena, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        __builtin_trap();
    }
    return grille_alloc(arena, count * size);
}

void grille_arena_free(grille_arena *arena) {
    while (arena->last != NULL) {
        struct grille_chunk *before = arena->last->before;
        free(arena->last);
        arena->last = before;
    }
}

grille_text grille_join(grille_arena *arena, const grille_text *texts, size_t count) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        length += texts[i].length;
    }
    char *data = grille_alloc(arena, length + 1);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (texts[i].length > 0) {
            memcpy(data + at, texts[i].data, texts[i].length);
        }
        at += texts[i].length;
    }
    return (grille_text){ data, length };
}

grille_text grille_copy(grille_arena *arena, grille_text text) {
    return grille_join(arena, &text, 1);
}

grille_text grille_decimal(grille_arena *arena, uint64_t number) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return grille_copy(arena, (grille_text){ digits + at, sizeof(digits) - at });
}

void grille_append(grille_buffer *buffer, grille_text text) {
    if (text.length > buffer->capacity - buffer->length) {
        size_t capacity = (buffer->length + text.length) * 2;
        char *data = grille_alloc(buffer->arena, capacity);
        if (buffer->length > 0) {
            memcpy(data, buffer->data, buffer->length);
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    if (text.length > 0) {
        memcpy(buffer->data + buffer->length, text.data, text.length);
    }
    buffer->length += text.length;
}

/* ---- What plugins say ---- */

bool grille_fail(grille_call *call, grille_text message) {
    if (!call->failed) {
        call->failed = true;
        call->failure = grille_copy(call->arena, message);
    }
    return false;
}

static bool check_place(grille_call *call, grille_text text, size_t start, size_t end) {
    if (end > text.length || start >= end) {
        return grille_fail(call, GRILLE_TEXT("a finding is no part of its cell"));
    }
    if (!grille_text_is_boundary(text, start) || !grille_text_is_boundary(text, end)) {
        return grille_fail(call, GRILLE_TEXT("a finding cuts a character in two"));
    }
    return true;
}

static void make_room(grille_findings *findings) {
    if (findings->count < findings->capacity) {
        return;
    }
    size_t capacity = findings->capacity == 0 ? 16 : findings->capacity * 2;
    grille_finding *grown = NULL;
    if (capacity <= SIZE_MAX / sizeof(grille_finding)) {
        grown = realloc(findings->found, capacity * sizeof(grille_finding));
    }
    if (grown == NULL) {
        __builtin_trap();
    }
    findings->found = grown;
    findings->capacity = capacity;
}

bool grille_found(grille_call *call, uint32_t label, size_t start, size_t end, uint32_t score, uint32_t support) {
    grille_findings *findings = call->findings;
    if (findings == NULL) {
        return grille_fail(call, GRILLE_TEXT("only a detector's inspect has findings"));
    }
    if (!check_place(call, findings->text, start, end)) {
        return false;
    }
    make_room(findings);
    findings->found[findings->count++] = (grille_finding){
        .cell = findings->cell,
        .start = (uint32_t)start,
        .end = (uint32_t)end,
        .label = label,
        .score = score > GRILLE_SCORE_MAX ? GRILLE_SCORE_MAX : score,
        .support = support & (GRILLE_SUPPORT_CHECKED | GRILLE_SUPPORT_SEPARATED | GRILLE_SUPPORT_CONTEXT),
    };
    return true;
}

static bool has_word(const grille_text *words, size_t count, const char *word) {
    for (size_t i = 0; i < count; i++) {
        if (grille_text_equal(words[i], grille_text_of(word))) {
            return true;
        }
    }
    return false;
}

bool grille_has_effect(const grille_action *action, const char *effect) {
    return has_word(action->effects, action->effects_count, effect);
}

bool grille_has_feature(const grille_action *action, const char *feature) {
    return has_word(action->features, action->features_count, feature);
}

bool grille_allow(grille_decision *decision) {
    decision->verdict = GRILLE_VERDICT_ALLOW;
    return true;
}

bool grille_deny(grille_decision *decision, grille_text reason) {
    decision->verdict = GRILLE_VERDICT_DENY;
    decision->reason = reason;
    return true;
}

bool grille_hold(grille_decision *decision, grille_approval approval) {
    decision->verdict = GRILLE_VERDICT_HOLD;
    decision->approval = approval;
    return true;
}

bool grille_rewrite(grille_decision *decision, grille_text statement) {
    decision->verdict = GRILLE_VERDICT_REWRITE;
    decision->statement = statement;
    return true;
}

static bool oblige(grille_call *call, grille_decision *decision, grille_text key, grille_text value) {
    if (decision->obligations_count == GRILLE_OBLIGATIONS_MAX) {
        return grille_fail(call, GRILLE_TEXT("more obligations than a decision can have"));
    }
    decision->obligations[decision->obligations_count++] = (grille_attribute){ key, value };
    return true;
}

bool grille_with_row_cap(grille_call *call, grille_decision *decision, uint64_t rows) {
    return oblige(call, decision, GRILLE_TEXT("row-cap"), grille_decimal(call->arena, rows));
}

bool grille_with_mask(grille_call *call, grille_decision *decision, grille_text column, grille_text treatment) {
    return oblige(call, decision, GRILLE_TEXT("mask"), GRILLE_JOIN(call->arena, column, GRILLE_TEXT("="), treatment));
}

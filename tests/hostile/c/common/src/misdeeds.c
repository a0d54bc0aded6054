/* The misdeeds, and below the SDK an allocator that hands out what is no memory. */
#include "misdeeds.h"

#include <stdlib.h>
#include <string.h>

/* From here on, what the host hands over goes to a place where there is none. */
static bool allocates_nowhere;

/* In place of the bindings' own, which is weak. */
__attribute__((__export_name__("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    (void)old_size;
    if (allocates_nowhere) {
        return (void *)(uintptr_t)(UINT32_MAX - 15);
    }
    if (size == 0) {
        return (void *)align;
    }
    void *made = realloc(old, size);
    if (made == NULL) {
        abort();
    }
    return made;
}

static void spin(void) {
    for (volatile unsigned turns = 0;; turns++) {
    }
}

static void allocate(void) {
    for (;;) {
        char *taken = malloc(1 << 20);
        if (taken == NULL) {
            __builtin_trap();
        }
        memset(taken, 0xaa, 1 << 20);
        __asm__ volatile("" : : "r"(taken) : "memory");
    }
}

/* Not inlined and not a loop: each call needs its array after the next has returned. */
#pragma clang diagnostic ignored "-Winfinite-recursion"
__attribute__((noinline)) static unsigned recurse(unsigned depth) {
    volatile unsigned place[16] = { depth };
    return recurse(depth + 1) + place[depth % 16];
}

bool misdeeds_configure(grille_settings *settings, void **plugin) {
    misdeeds_plugin *made = grille_alloc(settings->arena, sizeof(misdeeds_plugin));
    GRILLE_ONLY_KEYS(settings, settings->root, "mode");
    grille_read_text(settings, settings->root, "mode", &made->mode);
    *plugin = made;
    if (grille_text_equal(made->mode, GRILLE_TEXT("spin-in-configure"))) {
        spin();
    }
    if (grille_text_equal(made->mode, GRILLE_TEXT("crash-in-configure"))) {
        __builtin_trap();
    }
    if (grille_text_equal(made->mode, GRILLE_TEXT("allocates-nowhere"))) {
        allocates_nowhere = true;
    }
    return !grille_complained(settings);
}

static grille_text misdeed_of(const misdeeds_plugin *plugin, const grille_exchange *exchange) {
    grille_text prefix = GRILLE_TEXT("misdeed:");
    grille_text client = exchange->client;
    if (plugin->mode.length > 0) {
        return plugin->mode;
    }
    if (client.length < prefix.length || memcmp(client.data, prefix.data, prefix.length) != 0) {
        return (grille_text){ 0 };
    }
    return (grille_text){ client.data + prefix.length, client.length - prefix.length };
}

bool misdeeds_begin(grille_call *call, void *given) {
    misdeeds_plugin *plugin = given;
    plugin->misdeed = misdeed_of(plugin, call->exchange);
    plugin->is_blind = misdeeds_is(plugin, "blind") ||
                       (misdeeds_is(plugin, "keep") && misdeeds_keep(call->exchange->client)) ||
                       (misdeeds_is(plugin, "search") && misdeeds_search() > 0);
    if (misdeeds_is(plugin, "giant-failure")) {
        return grille_fail(call, misdeeds_long(call->arena, (size_t)1 << 30));
    }
    if (misdeeds_is(plugin, "long-failure")) {
        return grille_fail(call, misdeeds_long(call->arena, (size_t)4 << 20));
    }
    if (misdeeds_is(plugin, "control-characters")) {
        return grille_fail(call, GRILLE_TEXT("line\nERROR: forged\x1b[31m\xe2\x80\xae"));
    }
    return true;
}

bool misdeeds_is(const misdeeds_plugin *plugin, const char *misdeed) {
    return grille_text_equal(plugin->misdeed, grille_text_of(misdeed));
}

void misdeeds_commit(const misdeeds_plugin *plugin) {
    if (misdeeds_is(plugin, "spin")) {
        spin();
    }
    if (misdeeds_is(plugin, "allocate")) {
        allocate();
    }
    if (misdeeds_is(plugin, "crash")) {
        *(volatile int *)(uintptr_t)(UINT32_MAX - 15) = 1;
    }
    if (misdeeds_is(plugin, "exit")) {
        abort();
    }
    if (misdeeds_is(plugin, "recurse")) {
        volatile unsigned depth = recurse(0);
        (void)depth;
    }
}

/* Statically, and on the heap, reachable from nowhere else. */
static char kept[64];
static char *kept_far_away;

bool misdeeds_keep(grille_text text) {
    bool before = kept[0] != 0 || kept_far_away != NULL;
    size_t length = text.length < sizeof(kept) - 1 ? text.length : sizeof(kept) - 1;
    memcpy(kept, text.data, length);
    kept_far_away = malloc(length + 1);
    if (kept_far_away != NULL) {
        memcpy(kept_far_away, text.data, length);
    }
    return before;
}

/* So written that it is nowhere in memory unless somebody else brought it there. */
static const uint8_t marker[] = { 5, 25, 20, 27, 1, 16, 17, 88, 24, 20, 7, 30, 16, 7 };
enum { MASK = 0x75 };

static bool is_marker(const volatile uint8_t *at) {
    for (size_t i = 0; i < sizeof(marker); i++) {
        if (at[i] != (marker[i] ^ MASK)) {
            return false;
        }
    }
    return true;
}

size_t misdeeds_search(void) {
    size_t end = __builtin_wasm_memory_size(0) * 65536 - sizeof(marker);
    size_t found = 0;
    for (size_t at = 1; at < end; at++) {
        found += is_marker((const volatile uint8_t *)(uintptr_t)at);
    }
    return found;
}

grille_text misdeeds_long(grille_arena *arena, size_t length) {
    char *data = grille_alloc(arena, length);
    memset(data, 'x', length);
    return (grille_text){ data, length };
}

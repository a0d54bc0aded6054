/* A detector of ticket numbers: a prefix, a hyphen and five digits. */
#include <string.h>

#include "grille.h"

/* The order of [[labels]] in plugin.toml. */
enum label { TICKET_NUMBER };

enum { DIGITS = 5 };

typedef struct detector {
    /* With the hyphen. */
    grille_text prefix;
} detector;

static bool configure(grille_settings *settings, void **plugin) {
    grille_text prefix = GRILLE_TEXT("TK");
    detector *made = grille_alloc(settings->arena, sizeof(detector));
    GRILLE_ONLY_KEYS(settings, settings->root, "prefix");
    grille_read_text(settings, settings->root, "prefix", &prefix);
    if (prefix.length == 0) {
        grille_complain(settings, grille_json_member(settings->root, "prefix"), GRILLE_TEXT("digits alone could be anything"));
    }
    made->prefix = GRILLE_JOIN(settings->arena, prefix, GRILLE_TEXT("-"));
    *plugin = made;
    return !grille_complained(settings);
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_of_word(char byte) {
    return is_digit(byte) || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* Whether a number begins at the byte; nothing beyond the text is looked at. */
static bool begins_at(const detector *with, grille_text text, size_t at) {
    size_t length = with->prefix.length + DIGITS;
    if (length > text.length - at || memcmp(text.data + at, with->prefix.data, with->prefix.length) != 0) {
        return false;
    }
    for (size_t i = at + with->prefix.length; i < at + length; i++) {
        if (!is_digit(text.data[i])) {
            return false;
        }
    }
    return (at == 0 || !is_of_word(text.data[at - 1])) &&
           (at + length == text.length || !is_of_word(text.data[at + length]));
}

static bool inspect(grille_call *call, const void *plugin, const grille_cell *cell) {
    const detector *with = plugin;
    for (size_t at = 0; at < cell->text.length; at++) {
        if (begins_at(with, cell->text, at) && !grille_found(call, TICKET_NUMBER, at, at + with->prefix.length + DIGITS, 800,
                                                             GRILLE_SUPPORT_SEPARATED)) {
            return false;
        }
    }
    return true;
}

const struct grille_plugin grille_plugin = { .configure = configure, .inspect = inspect };

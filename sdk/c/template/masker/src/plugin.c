/* A masker: it keeps the shape of a value and nothing else. */
#include "grille.h"

static bool configure(grille_settings *settings, void **plugin) {
    *plugin = NULL;
    return grille_only_keys(settings, settings->root, NULL, 0);
}

/* What stands for the character that begins with this byte of UTF-8; 0 for a byte within a character. */
static char shape(unsigned char byte) {
    if (byte >= '0' && byte <= '9') {
        return '0';
    }
    if (byte >= 'A' && byte <= 'Z') {
        return 'X';
    }
    if (byte >= 'a' && byte <= 'z') {
        return 'x';
    }
    if (byte < 0x80) {
        return (char)byte;
    }
    return byte < 0xC0 ? 0 : 'x';
}

static bool mask(grille_call *call, const void *plugin, const grille_cell *cell, grille_buffer *out) {
    (void)call;
    (void)plugin;
    for (size_t i = 0; i < cell->text.length; i++) {
        char stands = shape((unsigned char)cell->text.data[i]);
        if (stands != 0 || cell->text.data[i] == 0) {
            grille_append(out, (grille_text){ &stands, 1 });
        }
    }
    return true;
}

const struct grille_plugin grille_plugin = { .configure = configure, .mask = mask };

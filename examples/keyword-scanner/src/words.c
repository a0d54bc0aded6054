#include "words.h"

#include <string.h>

bool words_is_separator(uint8_t byte) {
    /* strchr finds its own end, too. */
    return byte != 0 && strchr(" \t\r\n\v\f-_", byte) != NULL;
}

uint8_t words_fold(uint8_t byte) {
    if (byte >= 'A' && byte <= 'Z') {
        return byte | 0x20;
    }
    return words_is_separator(byte) ? ' ' : byte;
}

grille_text words_fold_all(grille_arena *arena, grille_text keyword) {
    char *folded = grille_alloc(arena, keyword.length + 1);
    size_t length = 0;
    for (size_t i = 0; i < keyword.length; i++) {
        uint8_t byte = words_fold((uint8_t)keyword.data[i]);
        if (byte != ' ' || (length > 0 && folded[length - 1] != ' ')) {
            folded[length++] = (char)byte;
        }
    }
    if (length > 0 && folded[length - 1] == ' ') {
        length--;
    }
    return (grille_text){ folded, length };
}

static uint32_t decode(const char *at, size_t length) {
    uint32_t code = (uint8_t)at[0];
    if (length > 1) {
        code &= 0x7fu >> length;
    }
    for (size_t i = 1; i < length; i++) {
        code = code << 6 | ((uint8_t)at[i] & 0x3f);
    }
    return code;
}

/* Letters and digits of ASCII, and the letters of the Latin, Greek and Cyrillic blocks (U+00C0 to U+052F but × and ÷), which
 * are written with spaces between words. In scripts without them, a keyword stands beside other letters and is still a word. */
static bool is_of_word(uint32_t code) {
    if (code < 0x80) {
        return (code >= '0' && code <= '9') || ((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    }
    return code >= 0xc0 && code <= 0x52f && code != 0xd7 && code != 0xf7;
}

static bool word_before(grille_text text, size_t offset) {
    size_t start = offset - 1;
    while (!grille_text_is_boundary(text, start)) {
        start--;
    }
    return is_of_word(decode(text.data + start, offset - start));
}

static bool word_behind(grille_text text, size_t offset) {
    size_t end = offset + 1;
    while (!grille_text_is_boundary(text, end)) {
        end++;
    }
    return is_of_word(decode(text.data + offset, end - offset));
}

bool words_end_at(grille_text text, size_t offset) {
    return offset == 0 || offset == text.length || !word_before(text, offset) || !word_behind(text, offset);
}

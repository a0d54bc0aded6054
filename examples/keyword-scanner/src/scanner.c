/* A detector of keywords from a list: code names, classification marks. Settings and the search; automaton.h has the machine,
 * words.h what counts as equal and as a word. */
#include "automaton.h"
#include "words.h"

enum {
    /* Shorter ones would be found everywhere. */
    KEYWORD_BYTES_MIN = 3,
    KEYWORD_BYTES_MAX = 200,
    KEYWORDS_MAX = 5000,
};

/* The order of [[labels]] in plugin.toml. */
enum label { CODE_NAME, CLASSIFICATION_MARK };

/* A name that somebody chose can be an ordinary word somewhere; a mark hardly ever is. */
static const uint32_t scores[] = { [CODE_NAME] = 900, [CLASSIFICATION_MARK] = 950 };

static const char *const marks_default[] = {
    "COMPANY CONFIDENTIAL",
    "STRICTLY CONFIDENTIAL",
    "INTERNAL USE ONLY",
    "NOT FOR DISTRIBUTION",
};

typedef struct scanner {
    automaton machine;
    /* By index: folded keywords and what they are. */
    grille_text *keywords;
    enum label *labels;
    size_t count;
    size_t bytes;
} scanner;

/* ---- Settings ---- */

static bool add(grille_settings *settings, scanner *to, const grille_json *value, grille_text keyword, enum label label) {
    grille_text folded = words_fold_all(settings->arena, keyword);
    if (folded.length < KEYWORD_BYTES_MIN || folded.length > KEYWORD_BYTES_MAX) {
        return grille_complain(settings, value, GRILLE_TEXT("a keyword has 3 to 200 bytes"));
    }
    if (to->count == KEYWORDS_MAX || to->bytes + folded.length > AUTOMATON_BYTES_MAX) {
        return grille_complain(settings, value, GRILLE_TEXT("there are at most 5000 keywords with 32 KiB together"));
    }
    to->keywords[to->count] = folded;
    to->labels[to->count] = label;
    to->count++;
    to->bytes += folded.length;
    return true;
}

static void add_list(grille_settings *settings, scanner *to, const grille_json *list, enum label label) {
    for (const grille_json *value = list->first; value != NULL; value = value->next) {
        if (value->kind != GRILLE_JSON_TEXT) {
            grille_complain(settings, value, GRILLE_TEXT("must be a text"));
        } else if (!add(settings, to, value, value->text, label) && to->count == KEYWORDS_MAX) {
            return;
        }
    }
}

static void add_marks_default(grille_settings *settings, scanner *to) {
    for (size_t i = 0; i < sizeof(marks_default) / sizeof(marks_default[0]); i++) {
        add(settings, to, NULL, grille_text_of(marks_default[i]), CLASSIFICATION_MARK);
    }
}

static bool configure(grille_settings *settings, void **plugin) {
    const grille_json *code_names = NULL, *marks = NULL;
    if (!GRILLE_ONLY_KEYS(settings, settings->root, "code_names", "marks") ||
        !grille_read_array(settings, settings->root, "code_names", &code_names) ||
        !grille_read_array(settings, settings->root, "marks", &marks)) {
        return false;
    }
    scanner *made = grille_alloc(settings->arena, sizeof(scanner));
    made->keywords = grille_alloc_array(settings->arena, KEYWORDS_MAX, sizeof(grille_text));
    made->labels = grille_alloc_array(settings->arena, KEYWORDS_MAX, sizeof(enum label));
    if (code_names != NULL) {
        add_list(settings, made, code_names, CODE_NAME);
    }
    if (marks != NULL) {
        add_list(settings, made, marks, CLASSIFICATION_MARK);
    } else {
        add_marks_default(settings, made);
    }
    if (grille_complained(settings)) {
        return false;
    }
    made->machine = automaton_build(settings->arena, made->keywords, made->count);
    *plugin = made;
    return true;
}

/* ---- The search ---- */

/* Where the text begins of which the last `length` folded bytes end at `end`; a run of separators is one of them. */
static size_t start_of(grille_text text, size_t end, size_t length) {
    size_t start = end;
    for (; length > 0; length--) {
        start--;
        if (words_is_separator((uint8_t)text.data[start])) {
            while (words_is_separator((uint8_t)text.data[start - 1])) {
                start--;
            }
        }
    }
    return start;
}

/* The longest whole-word keyword of those that end at `end`; shorter ones lie within it, and the host would drop them. */
static bool report(grille_call *call, const scanner *with, grille_text text, size_t end, uint16_t state) {
    for (; state != AUTOMATON_START; state = with->machine.shorter[state]) {
        uint16_t index = with->machine.word[state];
        if (index == AUTOMATON_NONE) {
            continue;
        }
        size_t start = start_of(text, end, with->keywords[index].length);
        if (words_end_at(text, start) && words_end_at(text, end)) {
            enum label label = with->labels[index];
            return grille_found(call, label, start, end, scores[label], GRILLE_SUPPORT_NONE);
        }
    }
    return true;
}

static bool inspect(grille_call *call, const void *plugin, const grille_cell *cell) {
    const scanner *with = plugin;
    uint16_t state = AUTOMATON_START;
    bool separated = false;
    for (size_t at = 0; at < cell->text.length; at++) {
        uint8_t byte = (uint8_t)cell->text.data[at];
        bool separator = words_is_separator(byte);
        if (separator && separated) {
            continue;
        }
        separated = separator;
        state = automaton_step(&with->machine, state, words_fold(byte));
        if (state != AUTOMATON_START && !report(call, with, cell->text, at + 1, state)) {
            return false;
        }
    }
    return true;
}

const struct grille_plugin grille_plugin = { .configure = configure, .inspect = inspect };

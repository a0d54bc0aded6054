/* A configured plugin at work on one exchange: what stands between the component's exports, or a test, and the plugin. Nothing
 * here is for a plugin's author. */
#ifndef GRILLE_SESSION_H
#define GRILLE_SESSION_H

#include "grille.h"

struct grille_arena {
    struct grille_chunk *last;
};

void grille_arena_free(grille_arena *arena);

/* The interface's record of that name, field by field. */
typedef struct grille_finding {
    uint32_t cell, start, end, label, score, support;
} grille_finding;

typedef struct grille_findings {
    /* The cell under inspection. */
    uint32_t cell;
    grille_text text;
    /* From malloc: the component gives the array away. */
    grille_finding *found;
    size_t count, capacity;
} grille_findings;

/* Cells, column by column, as the interface has them. */
typedef struct grille_block {
    uint32_t rows;
    const uint32_t *fields;
    size_t fields_count;
    const uint32_t *offsets;
    size_t offsets_count;
    grille_text data;
} grille_block;

typedef struct grille_session {
    const struct grille_plugin *functions;
    void *plugin;
    bool configured, begun;
    grille_arena arena;
    grille_settings settings;
    grille_exchange exchange;
    const grille_field *fields;
    size_t fields_count;
} grille_session;

/* False: see `session->settings.first`. */
bool grille_session_configure(grille_session *session, const struct grille_plugin *functions, grille_text settings_json);
/* Frees what configure allocated. */
void grille_session_close(grille_session *session);

/* A call with an arena; grille_call_end when its results have been used. */
grille_call grille_call_start(grille_session *session, grille_arena *arena);

/* The exchange and its fields must live until the next begin or close. */
bool grille_session_begin(grille_session *session, grille_call *call, const grille_exchange *exchange,
                          const grille_field *fields, size_t fields_count);
/* Leaves all findings in `findings`, whose array the caller frees, also on failure. */
bool grille_session_inspect(grille_session *session, grille_call *call, const grille_block *block,
                            grille_findings *findings);
/* Leaves one value for each cell in `values`; value i is the bytes ends[i - 1] (0 for the first) to ends[i]. */
bool grille_session_mask(grille_session *session, grille_call *call, const grille_block *block, grille_buffer *values,
                         uint32_t *ends);
bool grille_session_decide(grille_session *session, grille_call *call, const grille_action *action,
                           grille_decision *decision);

#endif
